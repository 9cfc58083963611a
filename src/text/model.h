// The models: what turns a word into tokens.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/vocabulary.h"

namespace tashika {

// What one encoding needs, reused from word to word. `work` counts the models' steps (tests assert
// that they grow linearly).
struct ModelScratch {
  struct Symbol {
    TokenId id;
    std::int32_t prev, next;
    std::uint32_t length;  // bytes, 0: merged away
  };
  struct Candidate {  // a pair that may merge: at symbol `left`, best first
    std::uint32_t rank, left;
    TokenId id;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::unordered_map<std::string, std::vector<TokenId>> cache;
  std::uint64_t work = 0;
};

// Collects tokens; their strings only when asked for.
struct TokenSink {
  Encoding& out;
  bool with_tokens;
  void add(TokenId id, std::string_view token) {
    out.ids.push_back(id);
    if (with_tokens) out.tokens.emplace_back(token);
  }
};

class Model {
 public:
  virtual ~Model() = default;
  // `word` is not empty and valid UTF-8. Throws Error when a part of it has no token and the model
  // has no unknown token.
  virtual void tokenize(std::string_view word, ModelScratch& scratch, TokenSink& sink) const = 0;
  virtual std::string_view name() const = 0;
  virtual std::optional<TokenId> unk() const = 0;

  const Vocabulary& vocabulary() const { return vocabulary_; }

 protected:
  explicit Model(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}
  std::string_view text(TokenId id) const {
    const std::string* t = vocabulary_.token(id);
    return t ? std::string_view(*t) : std::string_view{};
  }
  Vocabulary vocabulary_;
};

struct BpeConfig {
  Vocabulary vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;  // best first
  std::optional<std::string> unk_token;
  std::string continuing_subword_prefix, end_of_word_suffix;
  bool fuse_unk = false, byte_fallback = false, ignore_merges = false;
  // As llama.cpp reads merges: those of tokens outside the vocabulary are left out, not an error, and the
  // first of equal ones counts.
  bool skip_unknown_merges = false;
  bool newline_runs_whole = false;  // a word of newlines that is a token is that token
};
std::unique_ptr<const Model> make_bpe(BpeConfig config, std::string_view what);

struct UnigramConfig {
  std::vector<std::pair<std::string, double>> pieces;  // by id
  std::optional<TokenId> unk_id;
  bool byte_fallback = false;
};
std::unique_ptr<const Model> make_unigram(UnigramConfig config, std::string_view what);

struct WordPieceConfig {
  Vocabulary vocabulary;
  std::string unk_token = "[UNK]", continuing_subword_prefix = "##";
  std::size_t max_input_chars_per_word = 100;
};
std::unique_ptr<const Model> make_wordpiece(WordPieceConfig config);
std::unique_ptr<const Model> make_wordlevel(Vocabulary vocabulary, std::string unk_token);

std::string byte_token(unsigned char byte);               // "<0x0A>"
std::optional<unsigned char> parse_byte_token(std::string_view token);

}  // namespace tashika
