// Fill-in-the-middle: a prompt made of what stands before and behind the text that is wanted (Bavarian et al. 2022).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace tashika {

enum class InfillOrder {
  psm,  // prefix, suffix, middle
  spm,  // suffix, prefix, middle
};

struct Infill {
  TokenId prefix = 0, suffix = 0, middle = 0;
  // In which order the marks stand: most models put the prefix (which may be empty) first and the middle mark last in both.
  enum class Form {
    plain,       // <prefix> P <suffix> S <middle>; or <prefix><suffix> S <middle> P
    pieces,      // the same, with a suffix that takes no space of its own before it (<PRE> and its kin)
    hole,        // <begin> P <hole> S <end>: one order only
  } form = Form::plain;
  std::vector<TokenId> ends;  // tokens that end a middle, besides those that end a text; sorted
};

// The tokens that this tokenizer has for it, by their known spellings; of a GGUF file (`metadata`: its key-value pairs) by
// the ids it names. Empty when the model has none.
std::optional<Infill> infill_tokens(const Tokenizer& tokenizer, const Json& metadata);

// What infill_tokens gives, or Error(input) that says which models do have it.
Infill need_infill(const Tokenizer& tokenizer, const Json& metadata);

// The prompt's ids, BOS first where the tokenizer wants one. Marks written in the texts are plain text. Error(input) for an
// order that the form lacks.
std::vector<TokenId> infill_prompt(const Tokenizer& tokenizer, const Infill& infill, std::string_view prefix, std::string_view suffix,
                                   InfillOrder order = InfillOrder::psm);

}  // namespace tashika
