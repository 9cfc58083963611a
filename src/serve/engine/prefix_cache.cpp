#include "serve/engine/prefix_cache.h"

#include <algorithm>

namespace tashika::serve {

std::int64_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  const std::size_t most = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most), b.begin()).first - a.begin();
}

PrefixCache::Hit PrefixCache::find(std::size_t holder, std::span<const std::int32_t> tokens) {
  Hit hit;
  auto best = entries_.end();
  const auto most = static_cast<std::int64_t>(tokens.size()) - 1;
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->holder != holder) continue;
    const std::int64_t common = common_prefix(it->tokens, tokens);
    hit.common = std::max(hit.common, common);
    const std::int64_t usable = std::min(common, most);
    if (usable > hit.length && it->state->can_roll_back(it->state->length() - usable)) {
      hit.length = usable;
      best = it;
    }
  }
  if (best == entries_.end()) return hit;
  hit.state = best->state->fork();
  if (const std::int64_t drop = hit.state->length() - hit.length; drop > 0) hit.state->rollback(drop);
  entries_.splice(entries_.begin(), entries_, best);
  return hit;
}

void PrefixCache::insert(std::size_t holder, std::vector<std::int32_t> tokens, std::unique_ptr<SequenceState> state, bool rolls_back) {
  tokens.resize(static_cast<std::size_t>(state->length()));
  if (tokens.empty()) return;
  entries_.remove_if([&](const Entry& entry) {
    if (entry.holder != holder || entry.tokens.size() > tokens.size()) return false;
    if (!rolls_back && entry.tokens.size() != tokens.size()) return false;
    return common_prefix(entry.tokens, tokens) == static_cast<std::int64_t>(entry.tokens.size());
  });
  entries_.push_front({holder, std::move(tokens), std::move(state)});
  while (entries_.size() > most_) entries_.pop_back();
}

bool PrefixCache::evict_oldest() {
  if (entries_.empty()) return false;
  entries_.pop_back();
  return true;
}

}  // namespace tashika::serve
