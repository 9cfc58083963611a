// The tokenizer's own contract: bad files, linear work, policy, the range of ids.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/base64.h"
#include "text/test_files.h"
#include "text/tokenizer_parts.h"

namespace tashika {
namespace {

Json bpe_file() {
  return parse_json(R"({"version": "1.0", "added_tokens": [{"id": 4, "content": "<s>", "special": true}],
    "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
      {"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}}},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "\u0120": 3}, "merges": ["a b"]}})",
                    "file");
}

// The value at a path of keys in a copy of the file is replaced, and the message compared.
struct Bad {
  std::vector<std::string> path;
  const char* value;
  const char* message;
};

void put(Json& json, const std::vector<std::string>& path, std::size_t i, const Json& value) {
  if (i == path.size()) {
    json = value;
    return;
  }
  if (json.is_array()) {
    put(json.as_array()[static_cast<std::size_t>(std::stoi(path[i]))], path, i + 1, value);
  } else {
    put(json.as_object()[path[i]], path, i + 1, value);
  }
}

TEST(TokenizerJson, BadFilesSayWhereAndWhat) {
  const Bad table[] = {
      {{"version"}, R"("2.0")", "t: .version: unknown tokenizer version '2.0'"},
      {{"model"}, "null", "t: the field 'model' is missing"},
      {{"model"}, "[]", "t.model: expected an object, found an array"},
      {{"model", "type"}, R"("Magic")", "t.model: unknown model type 'Magic'"},
      {{"model", "vocab"}, "[]", "t.model.vocab: expected an object, found an array"},
      {{"model", "vocab", "a"}, "-1", "t.model.vocab['a']: -1 is no token id"},
      {{"model", "vocab", "a"}, "4294967296", "t.model.vocab['a']: 4294967296 is no token id"},
      {{"model", "vocab", "a"}, R"("x")", "t.model.vocab['a']: expected a token id, found a string"},
      {{"model", "merges"}, R"(["a b c"])", "t.model.merges[0]: expected two tokens with one space between them, found 'a b c'"},
      {{"model", "merges"}, R"([["a"]])", "t.model.merges[0]: expected a pair of tokens"},
      {{"model", "merges"}, R"(["a a"])", "t.model.merges[0]: 'aa' is not in the vocabulary"},
      {{"model", "merges"}, R"(["a z"])", "t.model.merges[0]: 'z' is not in the vocabulary"},
      {{"model", "fuse_unk"}, "3", "t.model.fuse_unk: expected true or false, found an integer"},
      {{"added_tokens"}, "{}", "t.added_tokens: expected a list, found an object"},
      {{"added_tokens", "0"}, "1", "t.added_tokens[0]: expected an object, found an integer"},
      {{"added_tokens", "0", "content"}, "null", "t.added_tokens[0]: the field 'content' is missing"},
      {{"normalizer"}, R"({"type": "Nope"})", "t.normalizer: unknown normalizer type 'Nope'"},
      {{"normalizer"}, R"({"type": "Sequence", "normalizers": [{}]})", "t.normalizer.normalizers[0]: the field 'type' is missing"},
      {{"normalizer"}, R"({"type": "Replace", "pattern": {}, "content": ""})", "t.normalizer.pattern: expected {\"String\": …} or {\"Regex\": …}"},
      {{"normalizer"}, R"({"type": "Replace", "pattern": {"Regex": "("}, "content": ""})",
       "t.normalizer.pattern: end pattern with unmatched parenthesis at offset 1 of the pattern ("},
      {{"normalizer"}, R"({"type": "Precompiled", "precompiled_charsmap": "!!!!"})", "t.normalizer.precompiled_charsmap: not base64 at offset 0"},
      {{"normalizer"}, R"({"type": "Precompiled", "precompiled_charsmap": "/////w=="})",
       "t.normalizer.precompiled_charsmap: precompiled_charsmap says its trie has 4294967295 bytes, but 0 follow"},
      {{"pre_tokenizer"}, R"({"type": "Split", "pattern": {"String": "a"}, "behavior": "Odd", "invert": false})", "t.pre_tokenizer.behavior: unknown behavior 'Odd'"},
      {{"pre_tokenizer"}, R"({"type": "Metaspace", "replacement": "ab"})", "t.pre_tokenizer.replacement: expected one character"},
      {{"pre_tokenizer"}, R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "add_prefix_space": false})",
       "t.pre_tokenizer.add_prefix_space: does not match the declared prepend_scheme"},
      {{"pre_tokenizer"}, R"({"type": "FixedLength", "length": 0})", "t.pre_tokenizer.length: 0 is outside 1 to 1073741824"},
      {{"post_processor", "single", "0"}, R"({"SpecialToken": {"id": "<x>"}})", "t.post_processor.single[0]: '<x>' is not among special_tokens"},
      {{"post_processor", "single", "1"}, R"({"Sequence": {"id": "B"}})", "t.post_processor.single[1]: the template of a single text uses sequence 'B'"},
      {{"post_processor", "special_tokens", "<s>", "ids"}, "[4, 5]", "t.post_processor.special_tokens.<s>: 2 ids but 1 tokens"},
      {{"post_processor"}, R"({"type": "BertProcessing", "cls": ["a"], "sep": ["b", 1]})", "t.post_processor.cls: expected [token, id], found an array"},
      {{"decoder"}, R"({"type": "Strip", "content": "", "start": 0, "stop": 0})", "t.decoder.content: expected one character"},
      {{"decoder"}, R"({"type": "Nope"})", "t.decoder: unknown decoder type 'Nope'"},
      {{"model"}, R"({"type": "Unigram", "unk_id": 3, "vocab": [["a", 0]]})", "t.model.unk_id: 3 is not below the vocabulary's size 1"},
      {{"model"}, R"({"type": "Unigram", "vocab": [["a"]]})", "t.model.vocab[0]: expected [token, score]"},
  };
  for (const Bad& bad : table) {
    Json file = bpe_file();
    put(file, bad.path, 0, parse_json(bad.value, "value"));
    try {
      tokenizer_from_json(file, nullptr, "t");
      FAIL() << bad.message;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::input);
      std::string expected = bad.message;
      if (expected.starts_with("t: .")) expected = "t" + expected.substr(3);
      EXPECT_EQ(e.message(), expected);
    }
  }
}

TEST(TokenizerJson, NestingHasABudget) {
  Json inner = parse_json(R"({"type": "NFC"})", "inner");
  for (int i = 0; i < 40; ++i) {
    Json outer;
    outer.set("type", "Sequence");
    outer.set("normalizers", JsonArray{inner});
    inner = outer;
  }
  Json file = bpe_file();
  file.set("normalizer", inner);
  EXPECT_THROW(tokenizer_from_json(file, nullptr, "t"), Error);
}

TEST(TokenizerJson, UnknownCharactersWithoutUnknownTokenAreDroppedOrAnError) {
  EXPECT_EQ(tokenizer_from_json(bpe_file(), nullptr, "t").encode("axb", {.add_special = false}), (std::vector<TokenId>{2}));
  Json file = bpe_file();
  file.set("model", parse_json(R"({"type": "Unigram", "vocab": [["a", -1]]})", "m"));
  EXPECT_THROW(tokenizer_from_json(file, nullptr, "t").encode("b"), Error);
}

TEST(Tokenizer, IdsHaveARange) {
  const Tokenizer t = tokenizer_from_json(bpe_file(), nullptr, "t");
  EXPECT_EQ(t.id_limit(), 5);
  EXPECT_EQ(t.vocab_size(), 5u);
  EXPECT_EQ(t.decode(std::vector<TokenId>{4, 2, 3, 1}), "<s>ab b");
  EXPECT_EQ(t.decode(std::vector<TokenId>{4, 2}, true), "ab");
  EXPECT_THROW(t.decode(std::vector<TokenId>{5}), Error);
  EXPECT_THROW(t.decode(std::vector<TokenId>{-1}), Error);
  EXPECT_EQ(t.token(2), "ab");
  EXPECT_EQ(t.token_bytes(3), " ");
  EXPECT_EQ(t.id("ab"), 2);
  EXPECT_FALSE(t.id("zz"));
  EXPECT_TRUE(t.kind(4).special);
  EXPECT_FALSE(t.kind(2).added);
}

TEST(Tokenizer, PolicyComesFromTheTemplateAndTheConfig) {
  const Json config = parse_json(R"({"bos_token": {"content": "<s>"}, "eos_token": "b"})", "config");
  const Tokenizer t = tokenizer_from_json(bpe_file(), &config, "t");
  EXPECT_EQ(t.bos(), 4);
  EXPECT_EQ(t.eos(), 1);
  EXPECT_TRUE(t.adds_bos());
  EXPECT_FALSE(t.adds_eos());
  EXPECT_EQ(t.encode("<s>ab"), (std::vector<TokenId>{4, 4, 2}));         // as the library does
  EXPECT_EQ(t.encode_prompt("<s>ab"), (std::vector<TokenId>{4, 2}));     // a prompt never has two
  EXPECT_EQ(t.encode_prompt("ab"), (std::vector<TokenId>{4, 2}));
  EXPECT_EQ(t.encode("<s>", {.add_special = false, .special_as_text = true}), (std::vector<TokenId>{}));
}

TEST(Tokenizer, InvalidBytesAreReplacedAsPythonDoes) {
  Json file = bpe_file();
  file.set("pre_tokenizer", Json());
  file.set("model", parse_json(R"({"type": "BPE", "vocab": {"a": 0, "\ufffd": 1}, "merges": []})", "m"));
  file.set("added_tokens", JsonArray{});
  file.set("post_processor", Json());
  const Tokenizer t = tokenizer_from_json(file, nullptr, "t");
  EXPECT_EQ(t.encode("a\xff" "a\xe3\x81" "a\xf0\x9f\x98"), (std::vector<TokenId>{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(t.encode("\xed\xa0\x80"), (std::vector<TokenId>{1, 1, 1}));
}

// Steps of the models on one long word: they must not grow faster than its length (times its logarithm).
TEST(Tokenizer, ModelsAreLinear) {
  for (const char* name : {"llama_new", "t5", "bert_uncased", "gpt2", "unigram_bytes"}) {
    Json file = read_test_json(std::string("tokenizers/") + name + ".json")["tokenizer"];
    file.set("normalizer", Json());
    const Tokenizer t = tokenizer_from_json(file, nullptr, name);
    for (const std::string unit : {"a", "e", "th", "1", "\u2581", "é", "漢", "the "}) {
      const auto work = [&](std::size_t count) {
        std::string word;
        for (std::size_t i = 0; i < count; ++i) word += unit;
        ModelScratch scratch;
        Encoding out;
        TokenSink sink{out, false};
        t.parts().model->tokenize(word, scratch, sink);
        return static_cast<double>(scratch.work);
      };
      EXPECT_LT(work(20000), 2.3 * work(10000) + 100) << name << " on " << unit;
      EXPECT_LT(work(20000), 30.0 * 20000 * static_cast<double>(unit.size())) << name << " on " << unit;
    }
  }
}

std::string sentencepiece(const std::string& name) {
  return decode_base64(read_test_json("vocab/sentencepiece.json")[name]["model"].as_string(), name);
}

TEST(SentencePiece, EveryTruncationIsAnErrorOrAModel) {
  const std::string model = sentencepiece("bpe");
  std::size_t errors = 0;
  for (std::size_t n = 0; n < model.size(); n += n < 600 ? 1 : 37) {
    try {
      tokenizer_from_sentencepiece(std::string_view(model).substr(0, n), nullptr, "m");
    } catch (const Error& e) {
      ++errors;
      EXPECT_TRUE(e.message().starts_with("m: ")) << e.message();
      EXPECT_EQ(e.kind(), ErrorKind::input);
    }
  }
  EXPECT_GT(errors, 500u);
}

TEST(SentencePiece, BadModelsSayWhereAndWhat) {
  const auto message = [](std::string_view bytes) -> std::string {
    try {
      tokenizer_from_sentencepiece(bytes, nullptr, "m");
      return "no error";
    } catch (const Error& e) {
      return e.message();
    }
  };
  using namespace std::string_view_literals;
  EXPECT_EQ(message(""), "m: not a SentencePiece model: it has no pieces");
  EXPECT_EQ(message("\x0A"sv), "m: not a SentencePiece model: a field's length is cut short at offset 1");
  EXPECT_EQ(message("\x0A\x7F"sv), "m: not a SentencePiece model: a field of 127 bytes, but 0 remain at offset 2");
  EXPECT_EQ(message("\x0F"sv), "m: not a SentencePiece model: wire type 7 is not supported at offset 1");
  EXPECT_EQ(message("\x02\x00"sv), "m: not a SentencePiece model: a field's number is 0 or too large at offset 1");
  EXPECT_EQ(message("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"sv), "m: not a SentencePiece model: a field's key is longer than ten bytes at offset 10");
  EXPECT_EQ(message("\x0A\x02\x0A\x00"sv), "m: not a SentencePiece model: piece 0 is empty at offset 4");
  EXPECT_EQ(message("\x0A\x05\x0A\x01q\x18\x09"sv), "m: not a SentencePiece model: piece type 9 is unknown at offset 7");
  EXPECT_EQ(message("\x0A\x03\x0A\x01q"sv), "m: 0 unknown pieces, expected one");
  EXPECT_EQ(message("\x0A\x03\x0A\x01q\x0A\x03\x0A\x01q"sv), "m: pieces 0 and 1 are both 'q'");
  EXPECT_EQ(message("\x0A\x03\x0A\x01\xFF"sv), "m: piece 0 is not valid UTF-8");
  EXPECT_EQ(message("\x0A\x05\x0A\x01q\x18\x02\x12\x02\x18\x04"sv), "m: SentencePiece model type 4 is not supported (1, Unigram, and 2, BPE, are)");
}

}  // namespace
}  // namespace tashika
