// Tokens and their ids, both ways.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/flat_map.h"
#include "text/tokenizer.h"

namespace tashika {

class Vocabulary {
 public:
  // A token that is already there gets the new id; an id that is taken keeps both spellings, and the
  // last one is what the id stands for.
  void add(std::string token, TokenId id);

  std::optional<TokenId> id(std::string_view token) const {
    const std::uint32_t n = index_.find(token, [&](std::uint32_t i) -> std::string_view { return texts_[i]; });
    return n == StringIndex::none ? std::nullopt : std::optional(ids_[n]);
  }
  const std::string* token(TokenId id) const;
  std::size_t size() const { return texts_.size(); }  // distinct tokens
  TokenId id_limit() const { return limit_; }
  std::size_t longest() const { return longest_; }    // bytes

  template <typename F>
  void for_each(F&& f) const {
    for (std::size_t i = 0; i < texts_.size(); ++i) f(texts_[i], ids_[i]);
  }

 private:
  std::vector<std::string> texts_;
  std::vector<TokenId> ids_;
  StringIndex index_;
  std::vector<std::uint32_t> dense_;                       // id -> text number, for ids near the count
  std::unordered_map<TokenId, std::uint32_t> sparse_;      // … and for those far beyond it
  TokenId limit_ = 0;
  std::size_t longest_ = 0;
};

}  // namespace tashika
