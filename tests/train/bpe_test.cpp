// Vocabularies and merges beside those of Hugging Face's tokenizers on the same corpus.
#include "train/bpe_training.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "text/tokenizer.h"

namespace tashika {
namespace {

const std::string folder = TASHIKA_TEST_DATA "/tokenizer_training";

WordCounts words_of(const std::string& text, TokenizerKind kind) {
  WordCounter counter(kind);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at), next = end == std::string::npos ? text.size() : end + 1;
    counter.add(std::string_view(text).substr(at, next - at));
    at = next;
  }
  return counter.counts();
}

void check(const std::string& file, TokenizerKind kind, BpeTraining options) {
  const std::string corpus = read_file(join_path(folder, "corpus.txt"), 1 << 20);
  const Json expected = parse_json(read_file(join_path(folder, file), 1 << 20), file);
  options.special_tokens = {"<unk>", "<s>", "</s>"};
  const TrainedBpe trained = train_tokenizer(words_of(corpus, kind), kind, options);
  std::vector<std::string> tokens;
  for (const Json& token : expected["tokens"].as_array()) tokens.push_back(token.as_string());
  EXPECT_EQ(trained.tokens, tokens);
  const JsonArray& merges = expected["merges"].as_array();
  ASSERT_EQ(trained.merges.size(), merges.size());
  for (std::size_t i = 0; i < merges.size(); ++i) {
    EXPECT_EQ(trained.merges[i].first, merges[i].as_array()[0].as_string()) << i;
    EXPECT_EQ(trained.merges[i].second, merges[i].as_array()[1].as_string()) << i;
  }
  // The file loads, and what it encodes comes back.
  const Tokenizer tokenizer = tokenizer_from_json(tokenizer_json(trained, kind, options.special_tokens), nullptr, "trained");
  const std::string text = kind == TokenizerKind::byte_level ? corpus.substr(corpus.size() - 600) : "the licence of the work";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  EXPECT_EQ(tokenizer.id("</s>"), TokenId{2});
}

TEST(TokenizerTraining, ByteLevelMergesAreThoseOfTheReference) {
  BpeTraining options;
  options.vocab_size = 900;
  check("byte_bpe.json", TokenizerKind::byte_level, options);
}

TEST(TokenizerTraining, SpaceMarkMergesAreThoseOfTheReference) {
  BpeTraining options;
  options.vocab_size = 500;
  options.min_frequency = 2;
  check("sp_bpe.json", TokenizerKind::sentencepiece, options);
}

}  // namespace
}  // namespace tashika
