// Rotary positions, the paged cache, and attention over it or over plain tensors.
#pragma once

#include <span>

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

// Attention of a batch over its sequences' caches: see contract/attention.h. `bias` may be undefined.
Tensor cached_attention(const Tensor& q, const AttentionAttrs& attrs, const Tensor& bias = {});

struct DenseAttention {
  float scale = 1.0f;
  float softcap = 0.0f;
  bool causal = true;
  std::int64_t window = 0;  // keys (p - window, p], without causal (p - window, p + window); 0: no limit
  Tensor bias;              // added to the scores, broadcast to [heads, n, n_keys]; or undefined
};
// Attention between plain tensors: q [n, heads_q, k_dim], k [m, heads, k_dim], v [m, heads, v_dim]. The query of row i stands
// at position m - n + i. Has gradients; this composition also defines cached_attention.
Tensor dense_attention(const Tensor& q, const Tensor& k, const Tensor& v, const DenseAttention& options);

// What a score gets for the distance of key and query: table[h, origin + j - i]. The table reaches a page
// beyond the longest sequence: origin >= its length, width >= origin + its length rounded up to pages of 64.
struct DistanceBias {
  Tensor table;  // f32 [heads_q, width]; undefined: none
  std::int64_t origin = 0;
};
// Attention among the rows of every sequence of a batch, without padding and without a cache that outlives the call: sequence i
// is the next lengths[i] rows of q [t, heads_q, k_dim], k [t, heads, k_dim] and v [t, heads, v_dim]. options.bias is unused.
// Has gradients, computed by sequence_attention where there is no bias, else by dense_attention.
Tensor ragged_attention(const Tensor& q, const Tensor& k, const Tensor& v, std::span<const std::int64_t> lengths,
                        const DenseAttention& options, const DistanceBias& bias = {});

}  // namespace tashika::ops
