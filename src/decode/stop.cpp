#include "decode/stop.h"

#include <algorithm>
#include <utility>

namespace tashika {

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& s) { return s.empty(); });
  std::ranges::stable_sort(stops_, [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

std::string StopMatcher::push(std::string_view text) {
  if (hit_) return {};
  if (stops_.empty()) return std::string(text);
  for (const char c : text) {
    held_ += c;
    for (const std::string& stop : stops_) {
      if (!held_.ends_with(stop)) continue;
      hit_ = true;
      matched_ = stop;
      held_.resize(held_.size() - stop.size());
      return std::move(held_);
    }
  }
  std::size_t keep = 0;  // the longest end of the text that begins a stop string
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
      if (held_.ends_with(std::string_view(stop).substr(0, n))) keep = n;
    }
  }
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string StopMatcher::finish() { return hit_ ? std::string() : std::exchange(held_, {}); }

}  // namespace tashika
