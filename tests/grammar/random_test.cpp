// Texts drawn at random from the masks, as a model of random weights draws them: each must follow its schema.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/file.h"
#include "grammar/support.h"
#include "text/json_schema.h"

namespace tashika {
namespace {

constexpr std::int32_t end_token = 0;

// Bytes, and pieces such as vocabularies have: words, closings that cross several tokens, indentation.
std::vector<std::string> piece_tokens() {
  std::vector<std::string> tokens{""};
  for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
  for (const char* piece : {"\": ", "\",", "\"}", "\"]", "}}", "]}", "},", "[{", "{\"", "\": \"", "\", \"", "\":", "[\"", "\"],", "\n  ", "\n    ", ", ", ": ", "true",
                            "false", "null", "name", "type", "id", "value", "items", "abc", "the", " of", "é", "語", "😀", "10", "12", "100", "99", "0.", ".5",
                            "-1", "2024", "-0", "e+", "\\n", "\\u00", "\\\"", "@", ".com", "http", "://", "aa", "AB", "a\"", "x\":"}) {
    tokens.emplace_back(piece);
  }
  return tokens;
}

// A text that ends, or nothing when it did not within `most` tokens. Every mask is held against reading the bytes.
std::optional<std::string> draw(const Grammar& grammar, const std::vector<std::string>& tokens, const GrammarVocabulary& vocabulary, std::uint64_t seed, int most, bool check_masks) {
  const std::int32_t ends[] = {end_token};
  GrammarState state(grammar, vocabulary, ends);
  TokenMask mask;
  for (int n = 0; n < most; ++n) {
    state.mask(mask);
    std::vector<std::int32_t> allowed, closing;
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(mask.size()); ++id) {
      if (mask[id]) {
        allowed.push_back(id);
        const char first = id == end_token ? '}' : tokens[static_cast<std::size_t>(id)].front();
        if (id == end_token || first == '"' || first == '}' || first == ']') closing.push_back(id);
      }
      if (check_masks && n % 7 == 0 && mask[id] != state.allows(id)) ADD_FAILURE() << "mask and reading differ for token " << id << " behind " << state.text();
    }
    if (allowed.empty()) {
      ADD_FAILURE() << "nothing is allowed behind " << state.text();
      return std::nullopt;
    }
    const double u = draw_uniform(seed, Draw::token, 0, static_cast<std::uint64_t>(2 * n));
    const double v = draw_uniform(seed, Draw::token, 1, static_cast<std::uint64_t>(2 * n + 1));
    // The longer the text, the more it is drawn to its end.
    const std::vector<std::int32_t>& from = !closing.empty() && v < 0.15 + n / 150.0 ? closing : allowed;
    const std::int32_t id = from[std::min(from.size() - 1, static_cast<std::size_t>(u * static_cast<double>(from.size())))];
    state.accept(id);
    if (state.ended() || state.must_end()) return state.text();
  }
  return std::nullopt;
}

// TASHIKA_GRAMMAR_RUNS=20 draws 20 texts of each schema; TASHIKA_GRAMMAR_OUT=FILE keeps them, one JSON line each.
TEST(GrammarRandom, EveryTextFollowsItsSchema) {
  const Json schemas = parse_json(read_file(TASHIKA_TEST_DATA "/grammar/schemas.json", 1 << 20), "schemas.json");
  const char *wanted = std::getenv("TASHIKA_GRAMMAR_RUNS"), *path = std::getenv("TASHIKA_GRAMMAR_OUT");
  const int runs = wanted != nullptr ? std::atoi(wanted) : 2;
  std::ofstream kept;
  if (path != nullptr) kept.open(path);
  const std::vector<std::string> tokens = piece_tokens();
  const GrammarVocabulary vocabulary(tokens);
  ASSERT_GE(schemas.as_array().size(), 40u);
  int ended = 0, drawn = 0;
  for (std::size_t i = 0; i < schemas.as_array().size(); ++i) {
    const Json& schema = schemas.as_array()[i];
    SCOPED_TRACE(cat("schema ", i, ": ", dump_json(schema)));
    std::optional<Grammar> grammar;
    ASSERT_EQ(error_of([&] { grammar.emplace(Grammar::json_schema(schema)); }), "");
    SchemaValidator validator(schema);
    for (int r = 0; r < runs; ++r, ++drawn) {
      const std::optional<std::string> text = draw(*grammar, tokens, vocabulary, i * 1000 + static_cast<std::uint64_t>(r), 3000, r == 0);
      if (!text) continue;
      ++ended;
      EXPECT_EQ(validator.check(parse_json(*text, "text")).value_or(""), "") << *text;
      if (path != nullptr) {
        Json line;
        line.set("schema", i);
        line.set("text", *text);
        kept << dump_json(line) << "\n";
      }
    }
  }
  EXPECT_EQ(ended, drawn);
}

}  // namespace
}  // namespace tashika
