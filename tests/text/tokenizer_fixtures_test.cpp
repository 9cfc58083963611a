// Every fixture of tests/data/tokenizers (tools/fixtures/tokenizer_fixtures.py): ids, token strings, decoding
// and streaming as the `tokenizers` library gives them.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/json.h"
#include "text/stream.h"
#include "text/test_files.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace tashika {
namespace {

const std::string folder = std::string(TASHIKA_TEST_DATA) + "/tokenizers/";

std::vector<std::string> fixture_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() == ".json" && stem != "texts") names.push_back(stem);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void fill_in_charsmap(Json& json, const std::string& charsmap) {
  if (json.is_object()) {
    for (auto& [key, value] : json.as_object().entries()) {
      if (value.is_string() && value.as_string() == "@charsmap") value = Json(charsmap);
      fill_in_charsmap(value, charsmap);
    }
  } else if (json.is_array()) {
    for (Json& value : json.as_array()) fill_in_charsmap(value, charsmap);
  }
}

class TokenizerFixture : public testing::TestWithParam<std::string> {};

TEST_P(TokenizerFixture, MatchesTheReference) {
  Json fixture = read_test_json("tokenizers/" + GetParam() + ".json");
  const Json texts = read_test_json("tokenizers/texts.json");
  Json tokenizer_json = fixture["tokenizer"];
  fill_in_charsmap(tokenizer_json, read_test_file("tokenizers/charsmap.b64"));
  const Tokenizer t = tokenizer_from_json(tokenizer_json, nullptr, "tokenizer.json");

  const JsonArray& encoded = fixture["encode"].as_array();
  ASSERT_EQ(encoded.size(), texts.as_array().size());
  ASSERT_GE(encoded.size(), 80u);
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    EXPECT_EQ(t.encode(texts.as_array()[i].as_string()), ids_of(encoded[i])) << "text " << i << ": " << texts.as_array()[i].as_string();
  }
  for (const Json& row : fixture["plain"].as_array()) {
    const auto i = static_cast<std::size_t>(row.as_array()[0].as_integer());
    const std::string& text = texts.as_array()[i].as_string();
    EXPECT_EQ(t.encode(text, {.add_special = false}), ids_of(row.as_array()[1])) << "text " << i;
    EXPECT_EQ(t.encode(text, {.add_special = false, .special_as_text = true}), ids_of(row.as_array()[2])) << "text " << i;
  }
  for (const Json& row : fixture["tokens"].as_array()) {
    const auto i = static_cast<std::size_t>(row.as_array()[0].as_integer());
    std::vector<std::string> expected;
    for (const Json& token : row.as_array()[1].as_array()) expected.push_back(token.as_string());
    EXPECT_EQ(t.encode_with_tokens(texts.as_array()[i].as_string()).tokens, expected) << "text " << i;
  }
  for (const Json& row : fixture["decode"].as_array()) {
    const std::vector<TokenId> ids = ids_of(row.as_array()[0]);
    EXPECT_EQ(t.decode(ids, false, DecodeErrors::replace), row.as_array()[1].as_string());
    EXPECT_EQ(t.decode(ids, true, DecodeErrors::replace), row.as_array()[2].as_string());
    // Streaming gives the same text as decoding at once, and only whole characters.
    for (const bool skip : {false, true}) {
      StreamDecoder stream(t, skip);
      std::string streamed;
      for (const TokenId id : ids) {
        const std::string part = stream.push(id);
        EXPECT_TRUE(utf8::is_valid(part));
        streamed += part;
      }
      streamed += stream.finish();
      EXPECT_EQ(streamed, utf8::replace_invalid(t.decode(ids, skip)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerFixture, testing::ValuesIn(fixture_names()), [](const auto& test) { return test.param; });

TEST(TokenizerFixtures, AreAllThere) { EXPECT_GE(fixture_names().size(), 62u); }

}  // namespace
}  // namespace tashika
