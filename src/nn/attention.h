// Grouped-query attention with rotary positions, over a cache or among the rows of a batch.
#pragma once

#include "nn/batch.h"
#include "nn/linear.h"
#include "nn/rope.h"
#include "ops/attention.h"

namespace tashika {

struct AttentionConfig {
  std::int64_t hidden = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t window = 0;  // 0: full
  float scale = 0;          // 0: 1 / sqrt(head_dim)
  float softcap = 0;
  float norm_eps = 0;  // above 0: queries and keys are normed per head
  // Not 0: the query of position p is multiplied by 1 + query_slope · log(1 + ⌊p / query_period⌋).
  float query_slope = 0;
  double query_period = 1;
  bool causal = true;  // encoders see what follows, too
};

struct Attention : Module {
  Linear q_proj, k_proj, v_proj, o_proj;
  RmsNorm q_norm, k_norm;  // used when the config has norm_eps
  AttentionConfig config;

  Attention() = default;
  explicit Attention(const AttentionConfig& c);
  void parts(Visitor& v) override;

  // o_proj(attention(x)) + residual.
  Tensor operator()(const Tensor& x, const Tensor& residual, Batch& batch, std::size_t layer, const Rope& rope) const;
  std::unique_ptr<LayerState> new_state(std::shared_ptr<PagePool> pool, const StateOptions& options) const;
};

// Rotates (with a rope), caches and attends: q [rows, heads, k_dim], k and v [rows, kv_heads, …] to [rows, heads, v_dim]. Without states the rows of
// each slice attend among themselves.
Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, Batch& batch, std::size_t layer, const Rope* rope,
              const AttentionConfig& config, const ops::DistanceBias& bias = {});
// The cache of a layer with these heads.
std::unique_ptr<LayerState> new_cache(const AttentionConfig& config, std::shared_ptr<PagePool> pool, const StateOptions& options);

}  // namespace tashika
