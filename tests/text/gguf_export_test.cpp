// The vocabulary written for GGUF gives the ids of the tokenizer it was made of.
#include "text/gguf_export.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "text/base64.h"
#include "text/gguf_pre.h"
#include "text/test_files.h"

namespace tashika {
namespace {

Json fixture(const std::string& name) { return read_test_json("tokenizers/" + name + ".json")["tokenizer"]; }

GgufVocab exported(const Json& json, const Tokenizer& t, std::string pre = {}) {
  return gguf_vocab_of({&json, {}, nullptr, nullptr}, t, t.id_limit() + 3, std::move(pre), "tokenizer.json");
}

struct Kind {
  const char *name, *model, *pre;
};

TEST(GgufExport, GivesTheSameIds) {
  const Json texts = read_test_json("tokenizers/texts.json");
  for (const Kind& kind : {Kind{"gpt2", "gpt2", "gpt-2"}, Kind{"llama3", "gpt2", "llama-bpe"}, Kind{"bpe_whole_words", "gpt2", "llama-bpe"},
                           Kind{"tekken", "gpt2", "tekken"}, Kind{"o200k", "gpt2", "gpt-4o"}, Kind{"starcoder", "gpt2", "starcoder"},
                           Kind{"deepseek3", "gpt2", "deepseek-v3"}, Kind{"deepseek_coder", "gpt2", "deepseek-coder"}, Kind{"gemma", "llama", "default"},
                           Kind{"llama_legacy", "llama", "default"}, Kind{"never", "llama", "default"}, Kind{"bert_uncased", "bert", "default"},
                           Kind{"bert_cased", "bert", "default"}}) {
    SCOPED_TRACE(kind.name);
    const Json json = fixture(kind.name);
    const Tokenizer t = tokenizer_from_json(json, nullptr, "tokenizer.json");
    const GgufVocab vocab = exported(json, t);
    EXPECT_EQ(vocab.model, kind.model);
    EXPECT_EQ(vocab.pre, kind.pre);
    EXPECT_EQ(vocab.tokens.size(), static_cast<std::size_t>(t.id_limit()) + 3);
    EXPECT_EQ(vocab.tokens.back(), cat("[PAD", t.id_limit() + 2, "]"));
    EXPECT_EQ(vocab.types.back(), 5);
    const Tokenizer written = tokenizer_from_gguf(vocab, "written");
    for (const Json& text : texts.as_array()) EXPECT_EQ(written.encode(text.as_string()), t.encode(text.as_string())) << text.as_string();
  }
}

// Its normalizer composes characters, which no GGUF vocabulary does: the same ids for text that is composed.
TEST(GgufExport, SaysWhereTextsAreSplitOtherwise) {
  const Json texts = read_test_json("tokenizers/texts.json"), json = fixture("qwen2");
  const Tokenizer t = tokenizer_from_json(json, nullptr, "tokenizer.json");
  const GgufVocab vocab = exported(json, t);
  EXPECT_EQ(vocab.pre, "qwen2");
  EXPECT_EQ(first_difference(t, vocab, "written"), "");
  const Tokenizer written = tokenizer_from_gguf(vocab, "written");
  int compared = 0;
  for (const Json& text : texts.as_array()) {
    if (!std::ranges::all_of(text.as_string(), [](char c) { return static_cast<unsigned char>(c) < 128; })) continue;
    EXPECT_EQ(written.encode(text.as_string()), t.encode(text.as_string())) << text.as_string();
    ++compared;
  }
  EXPECT_GE(compared, 20);
  GgufVocab wrong = vocab;
  std::ranges::reverse(wrong.merges);
  EXPECT_NE(first_difference(t, wrong, "written"), "");
}

TEST(GgufExport, SentencePieceModelsKeepScoresAndKinds) {
  const Json texts = read_test_json("vocab/texts.json"), cases = read_test_json("vocab/sentencepiece.json");
  int compared = 0;
  for (const char* name : {"bpe_bytes"}) {
    SCOPED_TRACE(name);
    const std::string model = decode_base64(cases[name]["model"].as_string(), name);
    const Json config = parse_json(R"({"added_tokens_decoder": {"0": {"content": "<unk>", "special": true}}})", "config");
    const Tokenizer t = tokenizer_from_sentencepiece(model, &config, name);
    const GgufVocab vocab = gguf_vocab_of({nullptr, model, &config, nullptr}, t, t.id_limit(), "", name);
    EXPECT_EQ(vocab.model, "llama");
    EXPECT_EQ(vocab.types[0], 2);  // unknown, whatever the config calls it
    EXPECT_EQ(vocab.types[1], 3);
    EXPECT_EQ(vocab.types[3], 6);
    EXPECT_EQ(vocab.bos, 1);
    EXPECT_EQ(vocab.add_bos, true);
    const Tokenizer written = tokenizer_from_gguf(vocab, "written");
    for (const Json& text : texts.as_array()) {
      const std::string& s = text.as_string();
      // The reference drops spaces at the ends and runs of them; the format's readers do not.
      if (s.empty() || s.front() == ' ' || s.back() == ' ' || s.find("  ") != std::string::npos || s.find_first_of("\t\r\n") != std::string::npos) continue;
      if (!std::ranges::all_of(s, [](char c) { return static_cast<unsigned char>(c) < 128; })) continue;  // normalised there
      EXPECT_EQ(written.encode(s), t.encode(s)) << s;
      ++compared;
    }
  }
  EXPECT_GE(compared, 10);
}

TEST(GgufExport, UnknownKindsAreErrorsThatNameTheFix) {
  const auto message = [](const std::string& name, std::int64_t rows, std::string pre) {
    const Json json = fixture(name);
    const Tokenizer t = tokenizer_from_json(json, nullptr, "tokenizer.json");
    try {
      gguf_vocab_of({&json, {}, nullptr, nullptr}, t, rows, std::move(pre), "tokenizer.json");
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  EXPECT_NE(message("clip", 5000, "").find("--tokenizer-pre"), std::string::npos);
  EXPECT_NE(message("wordlevel", 5000, "").find("Hugging Face folder"), std::string::npos);
  EXPECT_NE(message("gpt2", 5000, "no-such").find("no-such"), std::string::npos);
  EXPECT_NE(message("gpt2", 100, "").find("only 100 rows"), std::string::npos);
  EXPECT_EQ(message("clip", 5000, "gpt-2"), "");
}

TEST(GgufExport, DigestsStandForNamesThatAreKnown) {
  EXPECT_EQ(find_gguf_pre_digest("0ef9807a4087ebef797fc749390439009c3b9eda9ad1a097abbe738f486c01e5"), "llama-bpe");
  EXPECT_TRUE(is_known_gguf_pre("llama-bpe"));
  EXPECT_EQ(find_gguf_pre_digest("00"), "");
}

}  // namespace
}  // namespace tashika
