// Added tokens: matched in the text before the model sees it, in two passes, on the raw text and on
// the normalized one, leftmost-longest, as the `tokenizers` library does.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "text/byte_trie.h"
#include "text/normalizers.h"
#include "text/piece.h"
#include "text/tokenizer.h"

namespace tashika {

struct AddedToken {
  std::string content;
  TokenId id = 0;
  bool single_word = false, lstrip = false, rstrip = false;
  bool normalized = true;  // matched in the normalized text, by its own normalized form
  bool special = false;
  bool shown = false;  // special, but not skipped when special tokens are
};

class AddedTokens {
 public:
  // Adds to a set that `finish` closes. A later token with the same id or content replaces the former.
  void add(AddedToken token);
  // As llama.cpp matches: each token in turn, the longest first, everywhere in what text is left; only ASCII
  // white space is stripped. All tokens are matched in the raw text.
  void match_longest_first() { longest_first_ = true; }
  // Works out normalized forms (`normalizer` may be null) and builds the matchers.
  void finish(const Normalizer* normalizer);

  // Cuts `text` up: `on_token` for a match (with the text that it took), `on_text` for what lies
  // between, normalized.
  using OnToken = std::function<void(const AddedToken&, std::string_view)>;
  using OnText = std::function<void(Piece&&)>;
  void extract(std::string_view text, const Normalizer* normalizer, bool special_as_text, RegexScratch& scratch,
               const OnToken& on_token, const OnText& on_text) const;

  const AddedToken* find(TokenId id) const;
  const AddedToken* find(std::string_view content) const;
  // What decoding starts from: the normalized form where that differs from the content.
  const std::string* spelling(TokenId id) const;
  bool is_skipped(std::string_view token) const { return skipped_.contains(std::string(token)); }
  const std::vector<AddedToken>& all() const { return tokens_; }
  TokenId id_limit() const { return limit_; }

 private:
  void split(const Piece& piece, const ByteTrie& trie, bool special_as_text, const OnToken& on_token, const OnText& on_text) const;

  void split_longest_first(std::string_view text, const Normalizer* normalizer, bool special_as_text, RegexScratch& scratch,
                           const OnToken& on_token, const OnText& on_text) const;

  bool longest_first_ = false;
  std::vector<AddedToken> tokens_;
  std::vector<std::string> normalized_;  // beside tokens_: what is looked for
  std::unordered_map<TokenId, std::size_t> by_id_;
  std::unordered_map<std::string, std::size_t> by_content_;
  std::unordered_set<std::string> special_, skipped_;
  ByteTrie raw_trie_, normalized_trie_;
  TokenId limit_ = 0;
};

}  // namespace tashika
