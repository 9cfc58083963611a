#include "text/vocabulary.h"

#include <algorithm>

namespace tashika {

void Vocabulary::add(std::string token, TokenId id) {
  const auto number = static_cast<std::uint32_t>(texts_.size());
  longest_ = std::max(longest_, token.size());
  const auto text = [&](std::uint32_t i) -> std::string_view { return texts_[i]; };
  std::uint32_t place = number;
  if (const std::uint32_t found = index_.find(token, text); found != StringIndex::none) {
    ids_[found] = id;
    place = found;
  } else {
    texts_.push_back(std::move(token));
    ids_.push_back(id);
    index_.insert(texts_.back(), number, text);
  }
  limit_ = std::max(limit_, id + 1);
  const auto at = static_cast<std::size_t>(id);
  if (at < dense_.size() || at < 2 * texts_.size() + 1024) {
    if (at >= dense_.size()) dense_.resize(at + 1, StringIndex::none);
    dense_[at] = place;
  } else {
    sparse_[id] = place;
  }
}

const std::string* Vocabulary::token(TokenId id) const {
  if (id < 0 || id >= limit_) return nullptr;
  const auto at = static_cast<std::size_t>(id);
  if (at < dense_.size() && dense_[at] != StringIndex::none) return &texts_[dense_[at]];
  const auto found = sparse_.find(id);
  return found == sparse_.end() ? nullptr : &texts_[found->second];
}

}  // namespace tashika
