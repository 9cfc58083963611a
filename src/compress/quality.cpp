#include "compress/quality.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/terminal.h"
#include "base/thread_pool.h"

namespace tashika {
namespace {

constexpr std::int64_t rows_at_once = 64;

std::int64_t first_counted(std::int64_t context) { return context / 2; }

// A model reading one chunk from its beginning.
class Reading {
 public:
  Reading(LanguageModel& model, Runtime& rt, const std::vector<TokenId>& chunk) : model_(model), rt_(rt), chunk_(chunk), state_(model.new_state(rt)) {}

  // Logits of `count` positions from `first` on; what lies before is read too.
  void rows(std::int64_t first, std::int64_t count, std::vector<float>& out) {
    while (state_->length() < first) step(std::min<std::int64_t>(512, first - state_->length()), 0);
    out = step(count, count).to_host();
  }

 private:
  Tensor step(std::int64_t count, std::int64_t wanted) {
    const auto tokens = std::span(chunk_).subspan(static_cast<std::size_t>(state_->length()), static_cast<std::size_t>(count));
    const Slice slice{state_.get(), tokens, wanted, static_cast<std::int64_t>(chunk_.size())};
    return wanted > 0 ? model_.forward(rt_, {&slice, 1}) : model_.hidden(rt_, {&slice, 1});
  }
  LanguageModel& model_;
  Runtime& rt_;
  const std::vector<TokenId>& chunk_;
  std::unique_ptr<SequenceState> state_;
};

class RunningBase final : public BaseDistributions {
 public:
  RunningBase(LanguageModel& model, Runtime& rt, std::span<const std::vector<TokenId>> chunks) : model_(model), rt_(rt), chunks_(chunks) {}
  void rows(std::size_t chunk, std::int64_t first, std::int64_t count, std::vector<float>& out) override {
    if (!reading_ || chunk != chunk_) {
      reading_.emplace(model_, rt_, chunks_[chunk]);
      chunk_ = chunk;
    }
    reading_->rows(first, count, out);
  }
  std::int64_t vocab() const override { return model_.info().vocab; }

 private:
  LanguageModel& model_;
  Runtime& rt_;
  std::span<const std::vector<TokenId>> chunks_;
  std::optional<Reading> reading_;
  std::size_t chunk_ = 0;
};

// The logarithm of the sum of exponentials, and where the largest is.
struct Normaliser {
  double log_sum = 0;
  std::size_t top = 0;
};
Normaliser normaliser(const float* logits, std::size_t n) {
  Normaliser out;
  for (std::size_t i = 1; i < n; ++i) {
    if (logits[i] > logits[out.top]) out.top = i;
  }
  const float largest = logits[out.top];
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(logits[i] - largest));
  out.log_sum = largest + std::log(sum);
  return out;
}

class KeptBase final : public BaseDistributions {
 public:
  KeptBase(LanguageModel& model, Runtime& rt, std::span<const std::vector<TokenId>> chunks) : vocab_(model.info().vocab) {
    std::int64_t positions = 0;
    for (const std::vector<TokenId>& chunk : chunks) positions += static_cast<std::int64_t>(chunk.size()) - 1 - first_counted(static_cast<std::int64_t>(chunk.size()));
    if (positions * vocab_ * 4 > usable_memory_bytes() / 2) {
      fail_with(ErrorKind::limit, cat(positions, " positions of ", vocab_, " tokens each take too much memory: take fewer chunks (--chunks)"));
    }
    std::vector<float> logits;
    for (const std::vector<TokenId>& chunk : chunks) {
      rt.throw_if_cancelled();
      Reading reading(model, rt, chunk);
      const auto context = static_cast<std::int64_t>(chunk.size());
      std::vector<float>& kept = kept_.emplace_back(Kept{first_counted(context), {}}).values;
      kept.resize(static_cast<std::size_t>((context - 1 - first_counted(context)) * vocab_));
      std::size_t at = 0;
      for (std::int64_t first = first_counted(context); first < context - 1; first += rows_at_once) {
        const std::int64_t count = std::min(rows_at_once, context - 1 - first);
        reading.rows(first, count, logits);
        const auto width = static_cast<std::size_t>(vocab_);
        rt.pool().parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end, int) {
          for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row) {
            const float* values = logits.data() + row * width;
            const double log_sum = normaliser(values, width).log_sum;
            for (std::size_t i = 0; i < width; ++i) kept[at + row * width + i] = static_cast<float>(values[i] - log_sum);
          }
        });
        at += static_cast<std::size_t>(count) * width;
      }
    }
  }
  void rows(std::size_t chunk, std::int64_t first, std::int64_t count, std::vector<float>& out) override {
    const Kept& kept = kept_[chunk];
    const auto width = static_cast<std::size_t>(vocab_);
    const auto begin = static_cast<std::size_t>(first - kept.first);
    const auto from = kept.values.begin() + static_cast<std::ptrdiff_t>(begin * width);
    out.assign(from, from + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(count) * width));
  }
  std::int64_t vocab() const override { return vocab_; }

 private:
  struct Kept {
    std::int64_t first;  // position
    std::vector<float> values;
  };
  std::int64_t vocab_;
  std::vector<Kept> kept_;
};

struct Position {
  double nll = 0, base_nll = 0, kld = 0, p_change = 0;
  bool same_top = false;
};

Position compare(const float* logits, const float* base, std::size_t vocab, TokenId truth) {
  Position out;
  const Normaliser mine = normaliser(logits, vocab);
  const auto at = static_cast<std::size_t>(truth);
  out.nll = mine.log_sum - logits[at];
  if (base == nullptr) return out;
  const Normaliser theirs = normaliser(base, vocab);
  out.base_nll = theirs.log_sum - base[at];
  out.same_top = mine.top == theirs.top;
  out.p_change = std::exp(-out.nll) - std::exp(-out.base_nll);
  for (std::size_t i = 0; i < vocab; ++i) {
    const double log_p = base[i] - theirs.log_sum;
    if (log_p > -50.0) out.kld += std::exp(log_p) * (log_p - (logits[i] - mine.log_sum));
  }
  out.kld = std::max(out.kld, 0.0);  // rounding may leave it just below
  return out;
}

template <typename Get>
Estimate estimate(const std::vector<Position>& positions, const Get& get) {
  Estimate out;
  if (positions.empty()) return out;
  const auto n = static_cast<double>(positions.size());
  for (const Position& p : positions) out.mean += get(p);
  out.mean /= n;
  double square = 0;
  for (const Position& p : positions) square += (get(p) - out.mean) * (get(p) - out.mean);
  if (positions.size() > 1) out.error = std::sqrt(square / (n * (n - 1)));
  return out;
}

Divergence summarise(const std::vector<Position>& positions) {
  Divergence d;
  d.base_nll = estimate(positions, [](const Position& p) { return p.base_nll; });
  d.nll_difference = estimate(positions, [](const Position& p) { return p.nll - p.base_nll; });
  d.kld = estimate(positions, [](const Position& p) { return p.kld; });
  d.same_top = estimate(positions, [](const Position& p) { return p.same_top ? 1.0 : 0.0; });
  d.p_change = estimate(positions, [](const Position& p) { return p.p_change; });
  d.p_change_rms = std::sqrt(estimate(positions, [](const Position& p) { return p.p_change * p.p_change; }).mean);
  for (const Position& p : positions) d.klds.push_back(static_cast<float>(p.kld));
  std::ranges::sort(d.klds);
  return d;
}

}  // namespace

float Divergence::kld_percentile(double percent) const {
  if (klds.empty()) return 0.0f;
  const double at = percent / 100.0 * static_cast<double>(klds.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, klds.size() - 1);
  return static_cast<float>(klds[below] + (at - std::floor(at)) * (klds[above] - klds[below]));
}

double Quality::perplexity() const { return std::exp(nll.mean); }
double Quality::perplexity_error() const { return std::exp(nll.mean) * nll.error; }

std::unique_ptr<BaseDistributions> running_base(LanguageModel& model, Runtime& rt, std::span<const std::vector<TokenId>> chunks) {
  return std::make_unique<RunningBase>(model, rt, chunks);
}
std::unique_ptr<BaseDistributions> kept_base(LanguageModel& model, Runtime& rt, std::span<const std::vector<TokenId>> chunks) {
  return std::make_unique<KeptBase>(model, rt, chunks);
}

namespace {

// Every counted position in order; `done` is told after each piece and may end it by false.
template <typename Done>
std::vector<Position> compare_all(LanguageModel& model, Runtime& rt, std::span<const std::vector<TokenId>> chunks, BaseDistributions* base,
                                  const QualityProgress& progress, const Done& done) {
  const std::int64_t vocab = model.info().vocab;
  if (base != nullptr && base->vocab() != vocab) fail("the base has ", base->vocab(), " tokens, this model ", vocab, ": they cannot be compared");
  const auto width = static_cast<std::size_t>(vocab);
  std::vector<Position> positions;
  std::vector<float> logits, base_logits;
  for (std::size_t c = 0; c < chunks.size(); ++c) {
    rt.throw_if_cancelled();
    if (progress) progress(static_cast<std::int64_t>(c), static_cast<std::int64_t>(chunks.size()));
    const std::vector<TokenId>& chunk = chunks[c];
    const auto context = static_cast<std::int64_t>(chunk.size());
    Reading reading(model, rt, chunk);
    for (std::int64_t first = first_counted(context); first < context - 1; first += rows_at_once) {
      const std::int64_t count = std::min(rows_at_once, context - 1 - first);
      reading.rows(first, count, logits);
      if (base != nullptr) base->rows(c, first, count, base_logits);
      const std::size_t before = positions.size();
      positions.resize(before + static_cast<std::size_t>(count));
      rt.pool().parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end, int) {
        for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row) {
          const TokenId truth = chunk[static_cast<std::size_t>(first) + row + 1];
          positions[before + row] = compare(logits.data() + row * width, base != nullptr ? base_logits.data() + row * width : nullptr, width, truth);
        }
      });
      if (!done(positions)) return positions;
    }
  }
  return positions;
}

}  // namespace

double mean_divergence(LanguageModel& model, Runtime& rt, std::span<const std::vector<TokenId>> chunks, BaseDistributions& base, double limit) {
  std::int64_t expected = 0;
  for (const std::vector<TokenId>& chunk : chunks) expected += static_cast<std::int64_t>(chunk.size()) - 1 - first_counted(static_cast<std::int64_t>(chunk.size()));
  const double most = limit * static_cast<double>(expected);
  const auto sum = [](const std::vector<Position>& positions) {
    double total = 0;
    for (const Position& p : positions) total += p.kld;
    return total;
  };
  // No position's divergence is negative: a sum beyond the limit stays there.
  const std::vector<Position> positions = compare_all(model, rt, chunks, &base, {}, [&](const std::vector<Position>& so_far) { return sum(so_far) <= most; });
  if (static_cast<std::int64_t>(positions.size()) < expected || sum(positions) > most) return std::numeric_limits<double>::infinity();
  return sum(positions) / static_cast<double>(expected);
}

Quality measure_quality(LanguageModel& model, Runtime& rt, std::span<const std::vector<TokenId>> chunks, BaseDistributions* base,
                        const QualityProgress& progress) {
  const std::vector<Position> positions = compare_all(model, rt, chunks, base, progress, [](const std::vector<Position>&) { return true; });
  Quality out;
  out.chunks = static_cast<std::int64_t>(chunks.size());
  out.context = chunks.empty() ? 0 : static_cast<std::int64_t>(chunks[0].size());
  out.positions = static_cast<std::int64_t>(positions.size());
  out.nll = estimate(positions, [](const Position& p) { return p.nll; });
  if (base != nullptr) out.against = summarise(positions);
  return out;
}

}  // namespace tashika
