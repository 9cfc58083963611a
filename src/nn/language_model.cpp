#include "nn/language_model.h"

#include "base/error.h"
#include "ops/layout.h"

namespace tashika {

DType cache_dtype(const Runtime& rt, const StateOptions& options) {
  if (options.cache_dtype) return options.cache_dtype;
  // f16 keeps three more bits than bf16: with it the fast path's divergence is that of its int8 activations alone.
  return rt.compute() == ComputeMode::exact ? DType(f32) : DType(f16);
}

void LanguageModel::check_tokens(std::span<const Slice> slices) const {
  for (const Slice& slice : slices) {
    for (const std::int32_t id : slice.tokens) {
      if (id < 0 || id >= info_.vocab) fail("token id ", id, " is out of range: this model has ids 0 to ", info_.vocab - 1);
    }
  }
}

Tensor LanguageModel::hidden(Runtime& rt, std::span<const Slice> slices) {
  check_tokens(slices);
  Batch batch(rt, slices);
  Tensor out = trunk(batch);
  batch.finish();
  return out;
}

Tensor LanguageModel::forward(Runtime& rt, std::span<const Slice> slices) {
  check_tokens(slices);
  Batch batch(rt, slices);
  Tensor h = trunk(batch);
  if (const Tensor rows = batch.wanted_rows(); rows.defined()) h = ops::gather_rows(h, rows);
  Tensor out = head(h);
  batch.finish();
  return out;
}

std::unique_ptr<SequenceState> LanguageModel::new_state(Runtime& rt, const StateOptions& options) const {
  StateOptions chosen = options;
  chosen.cache_dtype = cache_dtype(rt, options);
  auto pool = options.pool ? options.pool : std::make_shared<PagePool>(rt);
  std::vector<std::unique_ptr<LayerState>> layers;
  for (std::int64_t i = 0; i < info_.layers; ++i) layers.push_back(new_layer_state(i, pool, chosen));
  return std::make_unique<SequenceState>(cat(fingerprint, " ", chosen.cache_dtype->name), std::move(layers));
}

}  // namespace tashika
