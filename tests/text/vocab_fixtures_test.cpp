// SentencePiece models and GGUF vocabularies against their references (tools/fixtures/vocab_fixtures.py).
#include <gtest/gtest.h>

#include "base/error.h"
#include "text/base64.h"
#include "text/gguf_vocab.h"
#include "text/stream.h"
#include "text/test_files.h"
#include "text/utf8.h"

namespace tashika {
namespace {

TEST(SentencePiece, MatchesTheReference) {
  const Json texts = read_test_json("vocab/texts.json"), cases = read_test_json("vocab/sentencepiece.json");
  ASSERT_GE(cases.as_object().size(), 10u);
  for (const auto& [name, c] : cases.as_object().entries()) {
    SCOPED_TRACE(name);
    const Tokenizer t = tokenizer_from_sentencepiece(decode_base64(c["model"].as_string(), name), nullptr, name);
    const EncodeOptions plain{.add_special = false, .special_as_text = true};
    const JsonArray& encoded = c["encode"].as_array();
    ASSERT_EQ(encoded.size(), texts.as_array().size());
    for (std::size_t i = 0; i < encoded.size(); ++i) {
      EXPECT_EQ(t.encode(texts.as_array()[i].as_string(), plain), ids_of(encoded[i])) << i << ": " << texts.as_array()[i].as_string();
    }
    for (const Json& row : c["bytes"].as_array()) {
      std::string text;
      for (const Json& byte : row.as_array()[0].as_array()) text.push_back(static_cast<char>(byte.as_integer()));
      EXPECT_EQ(t.encode(text, plain), ids_of(row.as_array()[1]));
    }
    for (const Json& row : c["pieces"].as_array()) {
      std::vector<std::string> expected;
      for (const Json& piece : row.as_array()[1].as_array()) expected.push_back(piece.as_string());
      const std::string& text = texts.as_array()[static_cast<std::size_t>(row.as_array()[0].as_integer())].as_string();
      EXPECT_EQ(t.encode_with_tokens(text, plain).tokens, expected);
    }
    for (const Json& row : c["decode"].as_array()) {
      const std::vector<TokenId> ids = ids_of(row.as_array()[0]);
      EXPECT_EQ(t.decode(ids, true, DecodeErrors::replace), row.as_array()[1].as_string());
      StreamDecoder stream(t, true);
      std::string streamed;
      for (const TokenId id : ids) streamed += stream.push(id);
      streamed += stream.finish();
      EXPECT_EQ(streamed, utf8::replace_invalid(t.decode(ids, true)));
    }
  }
}

TEST(SentencePiece, ConfigDecidesSpecialTokens) {
  const Json cases = read_test_json("vocab/sentencepiece.json");
  const std::string model = decode_base64(cases["bpe_bytes"]["model"].as_string(), "model");
  const Tokenizer plain = tokenizer_from_sentencepiece(model, nullptr, "tokenizer.model");
  EXPECT_TRUE(plain.adds_bos());
  EXPECT_EQ(plain.bos(), 1);
  EXPECT_EQ(plain.eos(), 2);
  EXPECT_EQ(plain.encode("").front(), 1);
  const Json config = parse_json(R"({"add_bos_token": false, "add_eos_token": true, "legacy": false,
                                     "added_tokens_decoder": {"9000": {"content": "<new>", "special": true}}})",
                                 "config");
  const Tokenizer t = tokenizer_from_sentencepiece(model, &config, "tokenizer.model");
  EXPECT_FALSE(t.adds_bos());
  EXPECT_TRUE(t.adds_eos());
  EXPECT_EQ(t.id("<new>"), 9000);
  // Not legacy: no space is put before text that follows a special token.
  const EncodeOptions no_special{.add_special = false};
  std::vector<TokenId> expected = t.encode("the", no_special);
  std::vector<TokenId> after = t.encode("<new>the", no_special);
  EXPECT_EQ(after.front(), 9000);
  EXPECT_NE(std::vector<TokenId>(after.begin() + 1, after.end()), expected);
  const Tokenizer legacy = tokenizer_from_sentencepiece(model, nullptr, "tokenizer.model");
  after = legacy.encode("</s>the", no_special);
  EXPECT_EQ(after.front(), 2);
  EXPECT_EQ(std::vector<TokenId>(after.begin() + 1, after.end()), expected);
}

GgufVocab vocab_of(const Json& j) {
  GgufVocab v;
  v.model = j["model"].as_string();
  v.pre = j["pre"].as_string();
  for (const Json& x : j["tokens"].as_array()) v.tokens.push_back(x.as_string());
  for (const Json& x : j["token_type"].as_array()) v.types.push_back(static_cast<std::int32_t>(x.as_integer()));
  if (j.contains("scores")) {
    for (const Json& x : j["scores"].as_array()) v.scores.push_back(static_cast<float>(x.as_double()));
  }
  if (j.contains("merges")) {
    for (const Json& x : j["merges"].as_array()) v.merges.push_back(x.as_string());
  }
  const auto id = [&](const char* key, std::optional<std::int64_t>& out) {
    if (j.contains(key)) out = j[key].as_integer();
  };
  id("bos_token_id", v.bos);
  id("eos_token_id", v.eos);
  id("unknown_token_id", v.unk);
  id("seperator_token_id", v.sep);
  id("padding_token_id", v.pad);
  id("cls_token_id", v.cls);
  const auto flag = [&](const char* key, std::optional<bool>& out) {
    if (j.contains(key)) out = j[key].as_bool();
  };
  flag("add_bos_token", v.add_bos);
  flag("add_eos_token", v.add_eos);
  flag("add_space_prefix", v.add_space_prefix);
  flag("remove_extra_whitespaces", v.remove_extra_whitespaces);
  return v;
}

TEST(GgufVocabulary, MatchesTheTokenizerItWasMadeFrom) {
  const Json texts = read_test_json("vocab/texts.json"), cases = read_test_json("vocab/gguf.json");
  ASSERT_GE(cases.as_object().size(), 9u);
  for (const auto& [name, c] : cases.as_object().entries()) {
    SCOPED_TRACE(name);
    const Tokenizer t = tokenizer_from_gguf(vocab_of(c["vocab"]), name);
    for (std::size_t i = 0; i < texts.as_array().size(); ++i) {
      const std::string& text = texts.as_array()[i].as_string();
      const std::vector<TokenId> ids = t.encode(text, {.add_special = false, .special_as_text = true});
      // Composed text is a matter of the model's own normalizer, which a GGUF file does not carry.
      EXPECT_EQ(ids, ids_of(c["encode"].as_array()[i])) << i << ": " << text;
      // "▁" stands for a space in SentencePiece's alphabet.
      if (name != "bert" && name != "t5" && !(name == "llama" && text.find("▁") != std::string::npos)) {
        EXPECT_EQ(t.decode(ids), text) << i;
        EXPECT_EQ(t.decode(ids, false, DecodeErrors::replace), text) << i << ", with errors replaced";
      }
    }
  }
}

TEST(GgufVocabulary, PolicyIsData) {
  const Json cases = read_test_json("vocab/gguf.json");
  GgufVocab v = vocab_of(cases["llama"]["vocab"]);
  const Tokenizer t = tokenizer_from_gguf(v, "m.gguf");
  EXPECT_TRUE(t.adds_bos());
  EXPECT_FALSE(t.adds_eos());
  EXPECT_EQ(t.encode("").size(), 1u);
  // A rendered prompt that begins with BOS gets no second one.
  const std::vector<TokenId> once = t.encode_prompt("<s>hello");
  EXPECT_EQ(once, t.encode_prompt("<s>hello"));
  EXPECT_EQ(once[0], 1);
  EXPECT_NE(once[1], 1);
  EXPECT_EQ(t.encode_prompt("hello")[0], 1);
  v.add_bos = false;
  v.add_eos = true;
  const Tokenizer other = tokenizer_from_gguf(v, "m.gguf");
  EXPECT_FALSE(other.adds_bos());
  EXPECT_EQ(other.encode("a").back(), 2);
  const Tokenizer bert = tokenizer_from_gguf(vocab_of(cases["bert"]["vocab"]), "b.gguf");
  EXPECT_EQ(bert.encode(""), (std::vector<TokenId>{2, 3}));
  EXPECT_TRUE(bert.kind(2).special);
}

TEST(GgufVocabulary, BytesSurvive) {
  const Json cases = read_test_json("vocab/gguf.json");
  const Tokenizer t = tokenizer_from_gguf(vocab_of(cases["llama"]["vocab"]), "m.gguf");
  const std::string text = "a \x80\xbf b\xe3\x81";
  EXPECT_EQ(t.decode(t.encode(text, {.add_special = false})), text);
}

void expect_error(GgufVocab v, const std::string& message) {
  try {
    tokenizer_from_gguf(std::move(v), "m.gguf");
    FAIL() << message;
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), message);
  }
}

TEST(GgufVocabulary, BadOnesSayWhatIsWrong) {
  GgufVocab v = {.model = "gpt2", .pre = "gpt-2", .tokens = {"a", "b", "ab"}, .merges = {"a b"}};
  EXPECT_EQ(tokenizer_from_gguf(v, "m.gguf").encode("ab"), (std::vector<TokenId>{2}));
  GgufVocab w = v;
  w.pre = "nonsense";
  expect_error(w, "m.gguf: tokenizer.ggml.pre 'nonsense' is not known here; convert the model again with a newer converter, or use its Hugging Face folder");
  w = v;
  w.model = "plamo2";
  expect_error(w, "m.gguf: tokenizer.ggml.model 'plamo2' is not supported (gpt2, llama, bert, t5, rwkv and gemma4 are)");
  w = v;
  w.tokens.clear();
  expect_error(w, "m.gguf: tokenizer.ggml.tokens is missing or empty");
  w = v;
  w.scores = {1};
  expect_error(w, "m.gguf: tokenizer.ggml.scores has 1 entries, tokenizer.ggml.tokens has 3");
  w = v;
  w.types = {1, 1};
  expect_error(w, "m.gguf: tokenizer.ggml.token_type has 2 entries, tokenizer.ggml.tokens has 3");
  w = v;
  w.merges = {"ab"};
  expect_error(w, "m.gguf: tokenizer.ggml.merges[0] 'ab' is no pair");
  w = v;
  w.merges.clear();
  expect_error(w, "m.gguf: tokenizer.ggml.merges is missing or empty");
  w = v;
  w.bos = 99;  // outside: no BOS, as if the file named none
  EXPECT_FALSE(tokenizer_from_gguf(w, "m.gguf").bos());
}

}  // namespace
}  // namespace tashika
