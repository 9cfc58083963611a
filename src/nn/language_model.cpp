#include "nn/language_model.h"

#include <algorithm>

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

// Sequences whose cache has the encoding of another length; a state is replaced only once its successor is whole.
void LanguageModel::encode_anew(Runtime& rt, std::span<const Slice> slices) {
  if (!depends_on_length()) return;
  constexpr std::size_t chunk = 512;
  for (const Slice& slice : slices) {
    if (slice.state == nullptr || slice.state->length() == 0) continue;
    const auto& record = static_cast<const TokenRecord&>(slice.state->layer(static_cast<std::size_t>(info_.layers)));
    if (record.encoding() == encoding(slice.length())) continue;
    auto fresh = new_state(rt, record.options());
    const std::span<const std::int32_t> tokens = std::span(record.tokens()).first(static_cast<std::size_t>(slice.state->length()));
    for (std::size_t at = 0; at < tokens.size(); at += chunk) {
      const Slice part{fresh.get(), tokens.subspan(at, std::min(chunk, tokens.size() - at)), 0, slice.length()};
      Batch batch(rt, {&part, 1});
      trunk(batch);
      remember({&part, 1});
      batch.finish();
    }
    *slice.state = std::move(*fresh);
  }
}

void LanguageModel::remember(std::span<const Slice> slices) const {
  if (!depends_on_length()) return;
  for (const Slice& slice : slices) {
    if (slice.state == nullptr) continue;
    auto& record = static_cast<TokenRecord&>(slice.state->layer(static_cast<std::size_t>(info_.layers)));
    record.append(slice.tokens, encoding(slice.length()));
  }
}

Tensor LanguageModel::hidden(Runtime& rt, std::span<const Slice> slices) {
  check_tokens(slices);
  encode_anew(rt, slices);
  Batch batch(rt, slices);
  Tensor out = trunk(batch);
  remember(slices);
  batch.finish();
  return out;
}

Tensor LanguageModel::hidden_for_training(Runtime& rt, std::span<const Slice> slices, const TrainingPass& pass) {
  check_tokens(slices);
  const auto batch = std::make_shared<Batch>(rt, slices);  // shared with what runs again in the backward pass
  batch->router_scores = pass.router_scores;
  batch->recompute = pass.recompute;
  return trunk(*batch);
}

Tensor LanguageModel::logits(const Tensor& hidden) {
  if (headless) fail("this checkpoint is a bare backbone without a head: it has hidden states, but no logits");
  return head(hidden);
}

Tensor LanguageModel::forward(Runtime& rt, std::span<const Slice> slices) {
  if (headless) fail("this checkpoint is a bare backbone without a head: it has hidden states, but no logits");
  check_tokens(slices);
  encode_anew(rt, slices);
  Batch batch(rt, slices);
  Tensor h = trunk(batch);
  if (const Tensor rows = batch.wanted_rows(); rows.defined()) h = ops::gather_rows(h, rows);
  Tensor out = head(h);
  remember(slices);
  batch.finish();
  return out;
}

std::unique_ptr<SequenceState> LanguageModel::new_state(Runtime& rt, const StateOptions& options) const {
  StateOptions chosen = options;
  chosen.cache_dtype = cache_dtype(rt, options);
  auto pool = options.pool ? options.pool : std::make_shared<PagePool>(rt);
  std::vector<std::unique_ptr<LayerState>> layers;
  for (std::int64_t i = 0; i < info_.layers; ++i) layers.push_back(new_layer_state(i, pool, chosen));
  if (depends_on_length()) {
    chosen.pool = pool;
    layers.push_back(std::make_unique<TokenRecord>(chosen));
  }
  return std::make_unique<SequenceState>(cat(fingerprint, " ", chosen.cache_dtype->name), std::move(layers));
}

}  // namespace tashika
