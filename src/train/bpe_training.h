// Training of byte-pair vocabularies (Sennrich et al. 2016), with the merges that Hugging Face's `tokenizers` finds.
//
// The most frequent pair merges first; of equally frequent ones the pair of lowest ids. Ids are given to special tokens, then
// to the alphabet by code point, then to merges.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/json.h"

namespace tashika {

struct BpeTraining {
  std::int64_t vocab_size = 30000;
  std::int64_t min_frequency = 0;
  std::vector<std::string> special_tokens;
  std::vector<std::string> initial_alphabet;  // characters that are in the alphabet whether they occur or not
  std::int64_t limit_alphabet = 0;            // keep the most frequent characters only; 0: all
};

struct TrainedBpe {
  std::vector<std::string> tokens;                          // by id
  std::vector<std::pair<std::string, std::string>> merges;  // best first
};

using WordCounts = std::unordered_map<std::string, std::uint64_t>;

TrainedBpe train_bpe(const WordCounts& words, const BpeTraining& options);

enum class TokenizerKind {
  byte_level,     // GPT-2: bytes as characters, words by its pattern
  sentencepiece,  // characters, a space mark before each word
};

// Counts the words of texts as the tokenizer of that kind will cut them.
class WordCounter {
 public:
  explicit WordCounter(TokenizerKind kind);
  ~WordCounter();
  void add(std::string_view text);
  const WordCounts& counts() const { return counts_; }

 private:
  struct Cutter;
  std::unique_ptr<Cutter> cutter_;
  WordCounts counts_;
};

// tokenizer.json as the `tokenizers` library writes and reads it.
Json tokenizer_json(const TrainedBpe& trained, TokenizerKind kind, const std::vector<std::string>& special_tokens);

// Everything: options.initial_alphabet follows the kind.
TrainedBpe train_tokenizer(const WordCounts& words, TokenizerKind kind, BpeTraining options);

}  // namespace tashika
