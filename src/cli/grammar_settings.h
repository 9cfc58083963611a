// What the answer of a verb must follow: a schema, JSON, a regular expression or a grammar.
#pragma once

#include <optional>
#include <string>

#include "base/log.h"
#include "base/options.h"
#include "decode/generation.h"
#include "text/tokenizer.h"

namespace tashika::cli {

struct GrammarSettings {
  std::optional<std::string> json_schema, grammar, grammar_file, regex;
  bool json_object = false;
  // Error(usage) when several are given, or what is given is wrong or cannot be enforced.
  std::optional<Grammar> compile() const;
};
void describe(Options& options, GrammarSettings& settings);

// The answer's first state. `width`: ids that the model knows.
GrammarState grammar_start(const Grammar& grammar, const Tokenizer& tokenizer, std::int64_t width, const std::vector<std::int32_t>& end_tokens);

// Checks a finished answer against the schema, if there is one. An answer that was cut is told to the log.
void check_answer(const Sequence& sequence, Log& log);

}  // namespace tashika::cli
