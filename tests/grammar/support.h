// Shared by the grammar tests: texts against grammars, and random texts drawn from masks.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"
#include "text/grammar/grammar.h"

namespace tashika {

// One token a byte; id 256 ends a text.
inline GrammarVocabulary byte_vocabulary() {
  std::vector<std::string> tokens;
  for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
  tokens.emplace_back();
  return GrammarVocabulary(tokens);
}

// The text is a whole one of the grammar.
inline bool accepts(const Grammar& grammar, std::string_view text) {
  static const GrammarVocabulary vocabulary = byte_vocabulary();
  GrammarState state(grammar, vocabulary);
  return state.accept_bytes(text) && state.may_end();
}

inline Grammar schema_grammar(std::string_view schema) { return Grammar::json_schema(parse_json(schema, "test schema")); }

// What the message of the error is that `make` throws; empty when it throws none.
template <typename F>
std::string error_of(F&& make) {
  try {
    make();
  } catch (const Error& error) {
    return error.message();
  }
  return {};
}

}  // namespace tashika
