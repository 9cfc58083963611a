// The pattern matcher against Oniguruma (tools/fixtures/vocab_fixtures.py), and the work it does.
#include "text/regex.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/test_files.h"

namespace tashika {
namespace {

std::vector<std::string> pieces(const Regex& regex, const std::string& text) {
  std::vector<std::string> out;
  RegexScratch scratch;
  std::size_t last = 0;
  const auto add = [&](std::size_t begin, std::size_t end) {
    if (begin < end) out.push_back(text.substr(begin, end - begin));
  };
  regex.for_each(text, scratch, [&](const Regex::Match& m) {
    add(last, m.begin);
    add(m.begin, m.end);
    last = m.end;
  });
  add(last, text.size());
  return out;
}

TEST(Regex, MatchesOniguruma) {
  const Json rows = read_test_json("vocab/regex.json");
  ASSERT_GE(rows.as_array().size(), 100u);
  for (const Json& row : rows.as_array()) {
    const std::string &pattern = row.as_array()[0].as_string(), &text = row.as_array()[1].as_string();
    if (row.as_array()[2].is_null()) {
      EXPECT_THROW(Regex(pattern, "p"), Error) << pattern;
      continue;
    }
    std::vector<std::string> expected;
    for (const Json& piece : row.as_array()[2].as_array()) expected.push_back(piece.as_string());
    EXPECT_EQ(pieces(Regex(pattern, "p"), text), expected) << pattern << " on " << text;
  }
}

TEST(Regex, ErrorsSayWhereAndWhat) {
  try {
    Regex("ab[z-a]", "tokenizer.json: pre_tokenizer.pattern");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "tokenizer.json: pre_tokenizer.pattern: empty range in char-class at offset 6 of the pattern ab[z-a]");
  }
}

TEST(Regex, NestingAndSizeHaveBudgets) {
  EXPECT_THROW(Regex(std::string(5000, '('), "p"), Error);
  EXPECT_THROW(Regex(std::string(5000, '['), "p"), Error);
  EXPECT_THROW(Regex("(?:(?:a{1000}){1000}){1000}", "p"), Error);
  EXPECT_THROW(Regex("(?:" + std::string(400, 'a') + "){1000}", "p"), Error);
}

TEST(Regex, BacktrackingWithoutBoundIsAnError) {
  const Regex regex("(?:a|a)*b", "p");
  RegexScratch scratch;
  Regex::Match m{};
  try {
    regex.search(std::string(200, 'a'), 0, m, scratch);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::limit);
  }
}

// Steps on runs of one character, for the patterns of known tokenizers: they must grow with the length.
TEST(Regex, KnownPatternsAreLinear) {
  const char* const patterns[] = {
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
  const char* const units[] = {"a", "A", "1", " ", "\n", "\t", "'", "!", "é", "漢", "\u0301", "😀", "aA", "a ", " \n", "a\u0301", "'s", "\u200d"};
  for (const char* pattern : patterns) {
    const Regex regex(pattern, "p");
    for (const char* unit : units) {
      const auto steps = [&](std::size_t count) {
        std::string text;
        for (std::size_t i = 0; i < count; ++i) text += unit;
        RegexScratch scratch;
        regex.for_each(text, scratch, [](const Regex::Match&) {});
        return static_cast<double>(scratch.steps);
      };
      EXPECT_LT(steps(8000), 2.2 * steps(4000) + 100) << pattern << " on " << unit;
      EXPECT_LT(steps(8000), 100.0 * 8000) << pattern << " on " << unit;
    }
  }
}

}  // namespace
}  // namespace tashika
