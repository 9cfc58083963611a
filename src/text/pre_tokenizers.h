// Pre-tokenizers: how the normalized text is cut into the words that the model sees.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "text/json_fields.h"
#include "text/piece.h"
#include "text/regex.h"

namespace tashika {

using PieceSink = std::function<void(Piece&&)>;

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Hands the parts of `piece` to `sink` in order; empty parts are left out.
  virtual void split(Piece&& piece, RegexScratch& scratch, const PieceSink& sink) const = 0;
};

enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

// A pre-tokenizer as tokenizer.json describes it. Throws Error for an unknown type or a bad field.
std::unique_ptr<const PreTokenizer> make_pre_tokenizer(const Fields& fields, int depth = 0);

// The same parts, built without a file.
std::unique_ptr<const PreTokenizer> regex_split(Regex regex, SplitBehavior behavior);
std::unique_ptr<const PreTokenizer> byte_level_pre_tokenizer(bool add_prefix_space, bool use_regex);
std::unique_ptr<const PreTokenizer> pre_tokenizer_sequence(std::vector<std::unique_ptr<const PreTokenizer>> parts);

}  // namespace tashika
