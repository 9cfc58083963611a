#include "nn/attention.h"

#include <cmath>

#include "ops/elementwise.h"
#include "ops/layout.h"

namespace tashika {

Attention::Attention(const AttentionConfig& c)
    : q_proj(c.heads * c.head_dim, c.hidden),
      k_proj(c.kv_heads * c.head_dim, c.hidden),
      v_proj(c.kv_heads * c.head_dim, c.hidden),
      o_proj(c.hidden, c.heads * c.head_dim),
      q_norm(c.head_dim, c.norm_eps),
      k_norm(c.head_dim, c.norm_eps),
      config(c) {
  if (config.scale == 0) config.scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
}

void Attention::parts(Visitor& v) {
  v("q_proj", q_proj);
  v("k_proj", k_proj);
  v("v_proj", v_proj);
  v("o_proj", o_proj);
  if (config.norm_eps > 0) {
    v("q_norm", q_norm);
    v("k_norm", k_norm);
  }
}

Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, Batch& batch, std::size_t layer, const Rope* rope,
              const AttentionConfig& config, const ops::DistanceBias& bias) {
  if (batch.has_states()) {
    const KvAttrs kv = batch.kv(layer);
    Tensor turned = q;
    if (rope) {
      const Rope::Table& turn = batch.rope(*rope);
      turned = ops::rope_append(q, k, v, turn.cos, turn.sin, rope->interleaved(), kv);
    } else {
      ops::kv_append(k, v, kv);
    }
    return ops::cached_attention(turned, {kv, config.scale, config.softcap, config.window, config.causal, bias.origin}, bias.table);
  }
  Tensor tq = q, tk = k;
  if (rope) {
    const Rope::Table& turn = batch.rope(*rope);
    tq = ops::rope(q, turn.cos, turn.sin, rope->interleaved());
    tk = ops::rope(k, turn.cos, turn.sin, rope->interleaved());
  }
  std::vector<std::int64_t> lengths;
  for (const Slice& slice : batch.slices()) lengths.push_back(static_cast<std::int64_t>(slice.tokens.size()));
  return ops::ragged_attention(tq, tk, v, lengths, {config.scale, config.softcap, config.causal, config.window, {}}, bias);
}

std::unique_ptr<LayerState> new_cache(const AttentionConfig& config, std::shared_ptr<PagePool> pool, const StateOptions& options) {
  const KvLayout layout{options.cache_dtype, config.kv_heads, config.head_dim, config.head_dim, false};
  return std::make_unique<PagedCache>(std::move(pool), layout, config.window, options.margin);
}

namespace {

Tensor grown(const Tensor& q, const Batch& batch, const AttentionConfig& c) {
  std::vector<float> factors;
  bool any = false;
  for (const std::int32_t position : batch.positions()) {
    const double periods = std::floor(static_cast<double>(position) / c.query_period);
    factors.push_back(1.0f + c.query_slope * static_cast<float>(std::log(1.0 + periods)));
    any = any || periods > 0;
  }
  return any ? ops::mul(q, Tensor::from_host(q.runtime(), {q.size(0), 1, 1}, factors)) : q;
}

}  // namespace

Tensor Attention::operator()(const Tensor& x, const Tensor& residual, Batch& batch, std::size_t layer, const Rope& rope) const {
  const std::int64_t rows = x.size(0), dim = config.head_dim;
  const Linear* const maps[] = {&q_proj, &k_proj, &v_proj};
  const std::vector<Tensor> qkv = apply_together(x, maps);
  Tensor q = ops::reshape(qkv[0], {rows, config.heads, dim}), k = ops::reshape(qkv[1], {rows, config.kv_heads, dim});
  if (config.norm_eps > 0) {
    q = q_norm(q);
    k = k_norm(k);
  }
  if (config.query_slope != 0) q = grown(q, batch, config);
  const Tensor out = attend(q, k, ops::reshape(qkv[2], {rows, config.kv_heads, dim}), batch, layer, &rope, config);
  return o_proj(ops::reshape(out, {rows, config.heads * dim}), residual);
}

std::unique_ptr<LayerState> Attention::new_state(std::shared_ptr<PagePool> pool, const StateOptions& options) const {
  return new_cache(config, std::move(pool), options);
}

}  // namespace tashika
