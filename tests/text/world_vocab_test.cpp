// The World tokenizer against its reference (tools/fixtures/torch_files.py), and what is said of broken vocabularies.
#include "text/world_vocab.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/gguf_vocab.h"
#include "text/test_files.h"

namespace tashika {
namespace {

TEST(WorldTokenizer, IsTheReference) {
  const Tokenizer tokenizer = tokenizer_from_world(read_test_file("world/vocab.txt"), "world.txt");
  EXPECT_EQ(tokenizer.eos(), TokenId{0});
  const Json cases = read_test_json("world/texts.json");
  ASSERT_GE(cases.as_array().size(), 100u);
  for (const Json& c : cases.as_array()) {
    const std::string text = c["text"].as_string();
    const std::vector<TokenId> ids = tokenizer.encode(text);
    EXPECT_EQ(ids, ids_of(c["ids"])) << text;
    EXPECT_EQ(tokenizer.decode(ids), text);
  }
}

TEST(WorldTokenizer, BytesThatAreNoTextStayWhatTheyAre) {
  const Tokenizer tokenizer = tokenizer_from_world(read_test_file("world/vocab.txt"), "world.txt");
  std::string all;
  for (int i = 255; i >= 0; --i) all += static_cast<char>(i);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(all)), all);
  EXPECT_EQ(tokenizer.encode("\xff\xe6\x97"), (std::vector<TokenId>{256, *tokenizer.id("æĹ")}));
}

TEST(WorldTokenizer, GgufSpellsTheSameTokens) {
  GgufVocab vocab;
  vocab.model = "rwkv";
  vocab.tokens = {"<s>", "a", "b", "ab", "\\n", "\\xff", "\\\\", "\\'", "[PAD8]", "[", "P"};
  vocab.types = {3, 1, 1, 1, 1, 1, 1, 1, 5, 1, 1};
  const Tokenizer tokenizer = tokenizer_from_gguf(std::move(vocab), "f.gguf");
  EXPECT_EQ(tokenizer.encode("aab\n\xff\\'"), (std::vector<TokenId>{1, 3, 4, 5, 6, 7}));
  EXPECT_EQ(tokenizer.decode(std::vector<TokenId>{1, 3, 4, 5, 6, 7}), "aab\n\xff\\'");
  EXPECT_THROW(tokenizer.encode("[PAD8]"), Error);  // padding is no token: A has none
}

TEST(WorldTokenizer, EveryMalformedLineIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "holds no token"},
      {"1 'a'", "line 1 is not"},
      {"x 'a' 1", "where a number belongs"},
      {"0 'a' 1", "the id 0"},
      {"99999999 'a' 1", "the id 99999999"},
      {"1 'a' 1\n2 b 1", "line 2 has a token that is no quoted text"},
      {"1 'a\" 1", "no quoted text"},
      {"1 'a'b' 3", "a quote within"},
      {"1 '' 0", "an empty token"},
      {"1 'ab' 1", "says 1 bytes, its token has 2"},
      {"1 '\\q' 1", "unknown escape"},
      {"1 '\\x4' 1", "cut short"},
      {"1 '\\ud800' 3", "the code point 55296"},
      {"1 '\\U00110000' 4", "the code point"},
      {"1 b'\\u0041' 1", "in bytes"},
      {"1 b'\xc3\xa9' 2", "no ASCII"},
  };
  for (const auto& [file, words] : cases) {
    try {
      tokenizer_from_world(file, "v.txt");
      ADD_FAILURE() << file;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
      EXPECT_EQ(std::string(e.what()).find("v.txt"), 0u) << e.what();
    }
  }
}

}  // namespace
}  // namespace tashika
