#include "nn/encoder.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "ops/elementwise.h"
#include "ops/layout.h"

namespace tashika {

Encoder::Output Encoder::encode(Runtime& rt, std::span<const std::span<const std::int32_t>> sequences, bool pooled) {
  std::vector<Slice> slices;
  for (const auto& tokens : sequences) {
    const auto n = static_cast<std::int64_t>(tokens.size());
    if (n == 0) fail("a sequence has no tokens");
    if (info_.context > 0 && n > info_.context) {
      fail_with(ErrorKind::limit, cat("a sequence of ", n, " tokens: this encoder takes at most ", info_.context));
    }
    for (const std::int32_t id : tokens) {
      if (id < 0 || id >= info_.vocab) fail("token id ", id, " is out of range: this model has ids 0 to ", info_.vocab - 1);
    }
    slices.push_back({nullptr, tokens, 0});
  }
  if (slices.empty()) fail("there is nothing to encode");
  Batch batch(rt, slices);
  Output out;
  out.hidden = trunk(batch);
  if (pooled) out.pooled = pool(batch, out.hidden);
  return out;
}

Tensor Encoder::pool(Batch& /*batch*/, const Tensor& /*hidden*/) { fail("this encoder has no pooled output"); }

Tensor pick_rows(Batch& batch, const Tensor& hidden, std::span<const std::int64_t> at) {
  std::vector<std::int32_t> rows;
  for (std::size_t i = 0; i < batch.slices().size(); ++i) rows.push_back(static_cast<std::int32_t>(batch.first_row(i) + at[i]));
  return ops::gather_rows(hidden, Tensor::from_host(batch.runtime(), {static_cast<std::int64_t>(rows.size())}, rows));
}

std::int64_t longest_sequence(const Batch& batch) {
  std::size_t longest = 0;
  for (const Slice& slice : batch.slices()) longest = std::max(longest, slice.tokens.size());
  return static_cast<std::int64_t>(longest);
}

std::int32_t RelativeBuckets::bucket(std::int64_t distance) const {
  const std::int64_t half = count / 2, exact = half / 2, away = std::abs(distance);
  const std::int64_t side = distance > 0 ? half : 0;
  if (away < exact) return static_cast<std::int32_t>(side + away);
  // The reference computes this in f32; so must we, or a position at the edge of a bucket falls to its neighbour.
  const float steps = std::log(static_cast<float>(away) / static_cast<float>(exact)) /
                      static_cast<float>(std::log(static_cast<double>(far) / static_cast<double>(exact))) * static_cast<float>(half - exact);
  const auto beyond = static_cast<std::int64_t>(std::min(steps, static_cast<float>(half)));
  return static_cast<std::int32_t>(side + std::min(exact + beyond, half - 1));
}

ops::DistanceBias RelativeBuckets::bias(const Tensor& weight, std::int64_t longest) const {
  // Distances from -longest to what the last page of keys reaches.
  const std::int64_t width = longest + (longest + page_positions - 1) / page_positions * page_positions;
  std::vector<std::int32_t> ids(static_cast<std::size_t>(width));
  for (std::int64_t i = 0; i < width; ++i) ids[static_cast<std::size_t>(i)] = bucket(i - longest);
  const Tensor rows = ops::gather_rows(weight, Tensor::from_host(weight.runtime(), {width}, ids));  // [width, heads]
  return {ops::contiguous(ops::transpose(rows, 0, 1)), longest};
}

}  // namespace tashika
