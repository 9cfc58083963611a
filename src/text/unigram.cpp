// Unigram as the `tokenizers` library does it: Viterbi over the pieces that match at each place, in
// double precision; a later path wins only when it is strictly better.
#include <algorithm>

#include "base/error.h"
#include "text/byte_trie.h"
#include "text/model.h"
#include "text/utf8.h"

namespace tashika {
namespace {

constexpr double unk_penalty = 10.0;

Vocabulary vocabulary_of(const UnigramConfig& config) {
  Vocabulary v;
  for (std::size_t i = 0; i < config.pieces.size(); ++i) v.add(config.pieces[i].first, static_cast<TokenId>(i));
  return v;
}

class Unigram final : public Model {
 public:
  explicit Unigram(UnigramConfig config)
      : Model(vocabulary_of(config)), unk_(config.unk_id), byte_fallback_(config.byte_fallback), pieces_(std::move(config.pieces)) {
    std::vector<std::pair<std::string_view, std::uint32_t>> keys;
    keys.reserve(pieces_.size());
    double least = __builtin_inf();
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      keys.emplace_back(pieces_[i].first, static_cast<std::uint32_t>(i));
      if (pieces_[i].second < least) least = pieces_[i].second;
    }
    unk_score_ = least - unk_penalty;
    trie_ = ByteTrie(std::move(keys));
  }

  std::string_view name() const override { return "Unigram"; }
  std::optional<TokenId> unk() const override { return unk_; }

  void tokenize(std::string_view word, ModelScratch& scratch, TokenSink& sink) const override {
    struct Best {
      double score = 0;
      std::uint32_t start = none;
      TokenId id = 0;
    };
    std::vector<Best> best(word.size() + 1);
    for (std::size_t at = 0; at < word.size();) {
      const double here = best[at].score;
      const std::size_t size = std::min(utf8::length(word[at]), word.size() - at);
      bool whole_character = false;
      const auto offer = [&](std::size_t end, double score, TokenId id) {
        Best& b = best[end];
        if (b.start == none || score > b.score) b = {score, static_cast<std::uint32_t>(at), id};
      };
      scratch.work += trie_.prefixes(word.substr(at), [&](std::size_t length, std::uint32_t id) {
        offer(at + length, pieces_[id].second + here, static_cast<TokenId>(id));
        whole_character |= length == size;
      });
      if (!whole_character) {
        if (!unk_) fail("a character has no token, and the tokenizer's Unigram model has no unknown token");
        offer(at + size, unk_score_ + here, *unk_);
      }
      at += size;
    }
    // Back along the best path; unknown pieces in a row are one.
    std::vector<std::pair<std::size_t, std::size_t>> path;
    bool unknown_open = false;
    for (std::size_t end = word.size(); end > 0;) {
      const Best& b = best[end];
      const bool unknown = unk_ && b.id == *unk_;
      if (unknown && unknown_open) {
        path.back().first = b.start;
      } else {
        path.emplace_back(b.start, end);
      }
      unknown_open = unknown;
      end = b.start;
    }
    for (auto p = path.rbegin(); p != path.rend(); ++p) emit(word.substr(p->first, p->second - p->first), sink);
  }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  void emit(std::string_view piece, TokenSink& sink) const {
    if (const auto id = vocabulary_.id(piece)) {
      sink.add(*id, piece);
      return;
    }
    if (byte_fallback_) {
      std::vector<TokenId> bytes;
      for (const char c : piece) {
        const auto id = vocabulary_.id(byte_token(static_cast<unsigned char>(c)));
        if (!id) break;
        bytes.push_back(*id);
      }
      if (bytes.size() == piece.size()) {
        for (std::size_t i = 0; i < bytes.size(); ++i) sink.add(bytes[i], byte_token(static_cast<unsigned char>(piece[i])));
        return;
      }
    }
    if (!unk_) fail("a character has no token, and the tokenizer's Unigram model has no unknown token");
    sink.add(*unk_, piece);
  }

  std::optional<TokenId> unk_;
  bool byte_fallback_;
  double unk_score_ = 0;
  std::vector<std::pair<std::string, double>> pieces_;
  ByteTrie trie_;
};

}  // namespace

std::unique_ptr<const Model> make_unigram(UnigramConfig config, std::string_view what) {
  if (config.unk_id && static_cast<std::size_t>(*config.unk_id) >= config.pieces.size()) {
    fail(what, ".unk_id: ", *config.unk_id, " is not below the vocabulary's size ", config.pieces.size());
  }
  return std::make_unique<Unigram>(std::move(config));
}

}  // namespace tashika
