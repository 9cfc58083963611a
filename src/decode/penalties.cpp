#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "decode/sampling.h"

namespace tashika {
namespace {

std::span<const std::int32_t> last(std::span<const std::int32_t> history, int n) {
  return n < 0 ? history : history.last(std::min<std::size_t>(history.size(), static_cast<std::size_t>(n)));
}

}  // namespace

void apply_bias(std::span<float> logits, const std::map<std::int32_t, float>& bias) {
  for (const auto& [id, value] : bias) {
    if (id >= 0 && static_cast<std::size_t>(id) < logits.size()) logits[static_cast<std::size_t>(id)] += value;
  }
}

void apply_penalties(std::span<float> logits, const SamplingOptions& o, std::span<const std::int32_t> history) {
  if (o.repeat_penalty == 1 && o.presence_penalty == 0 && o.frequency_penalty == 0) return;
  std::unordered_map<std::int32_t, int> counts;
  for (const std::int32_t id : last(history, o.repeat_last_n)) ++counts[id];
  for (const auto& [id, count] : counts) {
    if (id < 0 || static_cast<std::size_t>(id) >= logits.size()) continue;
    float& logit = logits[static_cast<std::size_t>(id)];
    logit = logit > 0 ? logit / o.repeat_penalty : logit * o.repeat_penalty;
    logit -= static_cast<float>(count) * o.frequency_penalty + o.presence_penalty;
  }
}

void apply_dry(std::span<float> logits, const SamplingOptions& o, std::span<const std::int32_t> all, const std::vector<bool>& breaker) {
  if (o.dry_multiplier == 0 || o.dry_base < 1 || o.dry_penalty_last_n == 0) return;
  const std::span<const std::int32_t> history = last(all, o.dry_penalty_last_n);
  const std::size_t n = history.size();
  // What repeats must lie behind the last sequence breaker.
  std::size_t limit = 0;
  const auto breaks = [&](std::int32_t id) { return id >= 0 && static_cast<std::size_t>(id) < breaker.size() && breaker[static_cast<std::size_t>(id)]; };
  while (limit < n && !breaks(history[n - 1 - limit])) ++limit;
  if (limit == 0 || n < 2) return;

  // z[k]: how many tokens before position n − k equal the last ones (the Z function of the reversed history).
  std::vector<std::size_t> z(n, 0);
  const auto at = [&](std::size_t i) { return history[n - 1 - i]; };
  for (std::size_t i = 1, left = 0, right = 0; i < n; ++i) {
    if (i < right) z[i] = std::min(right - i, z[i - left]);
    while (i + z[i] < n && at(z[i]) == at(i + z[i])) ++z[i];
    if (i + z[i] > right) left = i, right = i + z[i];
  }
  std::unordered_map<std::int32_t, std::size_t> longest;  // by the token that followed
  for (std::size_t i = 1; i < n; ++i) {
    const std::size_t length = std::min(z[i], limit);
    if (length < static_cast<std::size_t>(std::max(o.dry_allowed_length, 1))) continue;
    std::size_t& known = longest[at(i - 1)];
    known = std::max(known, length);
  }
  for (const auto& [id, length] : longest) {
    if (id < 0 || static_cast<std::size_t>(id) >= logits.size()) continue;
    // Capped so that the power stays a number.
    const double over = std::min(static_cast<double>(length) - o.dry_allowed_length, 80.0 / std::log2(std::max(o.dry_base, 1.000001f)));
    logits[static_cast<std::size_t>(id)] -= static_cast<float>(o.dry_multiplier * std::pow(static_cast<double>(o.dry_base), over));
  }
}

}  // namespace tashika
