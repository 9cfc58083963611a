// Rotary positions, the paged cache, and attention over it or over plain tensors.
#pragma once

#include "backend/contract/attention.h"
#include "tensor/tensor.h"

namespace tashika::ops {

// Rotary embedding of x [t, heads, dim] by cos and sin [t, half] (Su et al. 2021); the entries past 2·half pass through.
Tensor rope(const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved);

// Writes the rows of a batch to the pages of their sequences, rounded to the cache's dtype. No
// gradient passes: training runs without a cache.
void kv_append(const Tensor& k, const Tensor& v, const KvAttrs& kv);

struct KeysValues {
  Tensor k;  // f32 [n, heads, k_dim]
  Tensor v;  // f32 [n, heads, v_dim]
};
KeysValues kv_gather(Runtime& rt, const KvLayout& layout, std::byte* const* pages, std::int64_t begin, std::int64_t end);

// rope on q and k, then kv_append; gives the rotated q.
Tensor rope_append(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cos, const Tensor& sin, bool interleaved,
                   const KvAttrs& kv);

// Causal attention of a batch over its sequences' caches: see contract/attention.h.
Tensor cached_attention(const Tensor& q, const AttentionAttrs& attrs);

struct DenseAttention {
  float scale = 1.0f;
  float softcap = 0.0f;
  bool causal = true;
  std::int64_t window = 0;  // keys (p - window, p]; 0: no limit
  Tensor bias;              // added to the scores, broadcast to [heads, n, n_keys]; or undefined
};
// Attention between plain tensors: q [n, heads_q, k_dim], k [m, heads, k_dim], v [m, heads, v_dim]. The query of row i stands
// at position m - n + i. Has gradients; this composition also defines cached_attention.
Tensor dense_attention(const Tensor& q, const Tensor& k, const Tensor& v, const DenseAttention& options);

}  // namespace tashika::ops
