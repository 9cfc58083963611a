#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "decode/sampling.h"
#include "text/grammar/grammar.h"

namespace tashika {
namespace {

bool likelier(const Candidate& a, const Candidate& b) { return a.logit > b.logit || (a.logit == b.logit && a.id < b.id); }

}  // namespace

void apply_mask(std::span<float> logits, const TokenMask& allowed) {
  constexpr float never = -std::numeric_limits<float>::infinity();
  const std::span<const std::uint64_t> words = allowed.words();
  bool any = false;
  for (std::size_t begin = 0; begin < logits.size(); begin += 64) {
    const std::uint64_t word = begin / 64 < words.size() ? words[begin / 64] : 0;
    const std::size_t end = std::min(begin + 64, logits.size());
    any |= word != 0;
    if (word == ~std::uint64_t{0}) continue;
    for (std::size_t i = begin; i < end; ++i) {
      if (((word >> (i - begin)) & 1) == 0) logits[i] = never;
    }
  }
  if (!any) fail("no token of this model can go on with the grammar");
}

Candidates::Candidates(std::span<const float> logits, std::int64_t k) {
  const auto count = static_cast<std::int64_t>(logits.size());
  if (k <= 0 || k >= count) {
    list_.reserve(logits.size());
    for (std::int64_t i = 0; i < count; ++i) list_.push_back({static_cast<std::int32_t>(i), logits[static_cast<std::size_t>(i)]});
    return;
  }
  // A heap whose front is the least likely of the k best so far: one comparison for nearly every token.
  list_.reserve(static_cast<std::size_t>(k));
  for (std::int64_t i = 0; i < count; ++i) {
    const Candidate c{static_cast<std::int32_t>(i), logits[static_cast<std::size_t>(i)]};
    if (static_cast<std::int64_t>(list_.size()) < k) {
      list_.push_back(c);
      std::push_heap(list_.begin(), list_.end(), likelier);
    } else if (likelier(c, list_.front())) {
      std::pop_heap(list_.begin(), list_.end(), likelier);
      list_.back() = c;
      std::push_heap(list_.begin(), list_.end(), likelier);
    }
  }
  std::sort_heap(list_.begin(), list_.end(), likelier);
  sorted_ = true;
}

void Candidates::sort() {
  if (sorted_) return;
  std::ranges::sort(list_, likelier);
  sorted_ = true;
}

void Candidates::softmax() {
  float most = list_[0].logit;
  for (const Candidate& c : list_) most = std::max(most, c.logit);
  double sum = 0;
  for (Candidate& c : list_) {
    c.p = std::exp(c.logit - most);
    sum += c.p;
  }
  for (Candidate& c : list_) c.p = static_cast<float>(c.p / sum);
}

void Candidates::typical(float p) {
  if (p >= 1 || list_.size() == 1) return;
  softmax();
  double entropy = 0;
  for (const Candidate& c : list_) {
    if (c.p > 0) entropy -= static_cast<double>(c.p) * std::log(static_cast<double>(c.p));
  }
  struct Shift {
    double distance;
    std::size_t at;
  };
  std::vector<Shift> order(list_.size());
  for (std::size_t i = 0; i < list_.size(); ++i) {
    order[i] = {list_[i].p > 0 ? std::abs(-std::log(static_cast<double>(list_[i].p)) - entropy) : HUGE_VAL, i};
  }
  std::ranges::sort(order, [&](const Shift& a, const Shift& b) {
    return a.distance < b.distance || (a.distance == b.distance && likelier(list_[a.at], list_[b.at]));
  });
  std::vector<Candidate> kept;
  double sum = 0;
  for (const Shift& s : order) {
    kept.push_back(list_[s.at]);
    sum += list_[s.at].p;
    if (sum > p) break;
  }
  list_ = std::move(kept);
  sorted_ = false;
}

void Candidates::top_p(float p) {
  if (p >= 1 || list_.size() == 1) return;
  softmax();
  double sum = 0;
  if (sorted_) {
    std::size_t keep = 0;
    while (keep < list_.size() && (keep == 0 || sum < p)) sum += list_[keep++].p;
    list_.resize(keep);
    return;
  }
  // Only as many are put in order as are kept.
  const auto less = [](const Candidate& a, const Candidate& b) { return likelier(b, a); };
  std::ranges::make_heap(list_, less);
  std::vector<Candidate> kept;
  for (auto end = list_.end(); end != list_.begin() && (kept.empty() || sum < p); --end) {
    std::pop_heap(list_.begin(), end, less);
    kept.push_back(*(end - 1));
    sum += kept.back().p;
  }
  list_ = std::move(kept);
  sorted_ = true;
}

void Candidates::min_p(float p) {
  if (p <= 0 || list_.size() == 1) return;
  float most = list_[0].logit;
  for (const Candidate& c : list_) most = std::max(most, c.logit);
  const float least = most + std::log(std::min(p, 1.0f));
  std::erase_if(list_, [&](const Candidate& c) { return c.logit < least; });
}

void Candidates::temperature(float t) {
  for (Candidate& c : list_) c.logit /= t;
}

void Candidates::surprise_limit(float bits) {
  sort();
  softmax();
  std::size_t keep = 1;
  while (keep < list_.size() && -std::log2(list_[keep].p) <= bits) ++keep;
  list_.resize(keep);
}

const Candidate& Candidates::pick(double u) const {
  double sum = 0;
  for (const Candidate& c : list_) {
    sum += c.p;
    if (u < sum) return c;
  }
  // Rounding left the sum a hair under 1: the last that can be drawn at all.
  for (std::size_t i = list_.size(); i-- > 1;) {
    if (list_[i].p > 0) return list_[i];
  }
  return list_[0];
}

}  // namespace tashika
