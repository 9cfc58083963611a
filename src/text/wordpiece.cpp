// WordPiece (greedy longest match) and WordLevel (whole words).
#include "base/error.h"
#include "text/byte_trie.h"
#include "text/model.h"
#include "text/utf8.h"

namespace tashika {
namespace {

class WordPiece final : public Model {
 public:
  explicit WordPiece(WordPieceConfig config)
      : Model(std::move(config.vocabulary)), unk_token_(std::move(config.unk_token)), most_(config.max_input_chars_per_word) {
    unk_ = vocabulary_.id(unk_token_);
    std::vector<std::pair<std::string_view, std::uint32_t>> first, rest;
    vocabulary_.for_each([&](const std::string& token, TokenId id) {
      first.emplace_back(token, static_cast<std::uint32_t>(id));
      if (token.starts_with(config.continuing_subword_prefix)) {
        rest.emplace_back(std::string_view(token).substr(config.continuing_subword_prefix.size()), static_cast<std::uint32_t>(id));
      }
    });
    first_ = ByteTrie(std::move(first));
    rest_ = ByteTrie(std::move(rest));
  }

  std::string_view name() const override { return "WordPiece"; }
  std::optional<TokenId> unk() const override { return unk_; }

  void tokenize(std::string_view word, ModelScratch& scratch, TokenSink& sink) const override {
    std::vector<TokenId> ids;
    bool known = word.size() <= most_ || utf8::count(word) <= most_;
    for (std::size_t at = 0; known && at < word.size();) {
      ByteTrie::Hit hit;
      scratch.work += (at == 0 ? first_ : rest_).prefixes(word.substr(at), [&](std::size_t n, std::uint32_t v) { hit = {n, v}; });
      known = hit.length > 0;
      ids.push_back(static_cast<TokenId>(hit.value));
      at += hit.length;
    }
    if (known) {
      for (const TokenId id : ids) sink.add(id, text(id));
      return;
    }
    if (!unk_) fail("the tokenizer's unknown token '", unk_token_, "' is not in its WordPiece vocabulary");
    sink.add(*unk_, unk_token_);
  }

 private:
  std::string unk_token_;
  std::optional<TokenId> unk_;
  std::size_t most_;
  ByteTrie first_, rest_;
};

class WordLevel final : public Model {
 public:
  WordLevel(Vocabulary vocabulary, std::string unk_token) : Model(std::move(vocabulary)), unk_token_(std::move(unk_token)) {
    unk_ = vocabulary_.id(unk_token_);
  }
  std::string_view name() const override { return "WordLevel"; }
  std::optional<TokenId> unk() const override { return unk_; }
  void tokenize(std::string_view word, ModelScratch& scratch, TokenSink& sink) const override {
    ++scratch.work;
    if (const auto id = vocabulary_.id(word)) {
      sink.add(*id, word);
    } else if (unk_) {
      sink.add(*unk_, unk_token_);
    } else {
      fail("the tokenizer's unknown token '", unk_token_, "' is not in its WordLevel vocabulary");
    }
  }

 private:
  std::string unk_token_;
  std::optional<TokenId> unk_;
};

}  // namespace

std::unique_ptr<const Model> make_wordpiece(WordPieceConfig config) { return std::make_unique<WordPiece>(std::move(config)); }
std::unique_ptr<const Model> make_wordlevel(Vocabulary vocabulary, std::string unk_token) {
  return std::make_unique<WordLevel>(std::move(vocabulary), std::move(unk_token));
}

}  // namespace tashika
