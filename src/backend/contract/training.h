// What training adds to the ops: the loss over a vocabulary, sums of squares, and updates in place.
#pragma once

#include <span>

#include "backend/backend.h"

namespace tashika {

// Cross-entropy and its gradient in one pass over the logits.
// in: logits f32 or f64 [r, v], targets i32 [r] (in [0, v), or below 0: none); out: losses [r] = log Σ exp(x) − x[target]
// (0 without a target) and gradients [r, v] = scale · (softmax(x) − onehot(target)) (zeros without one), of the logits' dtype.
struct CrossEntropyAttrs {
  double scale = 1;
};
inline constexpr OpId cross_entropy_op{"cross_entropy"};

// out[i] = the sum of the squares of elements [65536·i, 65536·(i+1)). in: x, contiguous; out: f32 [⌈n / 65536⌉].
inline constexpr std::int64_t sum_squares_block = 65536;
inline constexpr OpId sum_squares_op{"sum_squares"};

// total += x in place. in: x (any strides); out: total, contiguous, of x's shape.
inline constexpr OpId accumulate_op{"accumulate"};

// One step of AdamW (Loshchilov & Hutter 2019), in place, in the order of operations of PyTorch:
//   p ← p (1 − lr·decay);  m ← m + (1 − β1)(g − m);  v ← β2 v + (1 − β2) g²
//   p ← p − (lr / (1 − β1^t)) · m / (√v / √(1 − β2^t) + eps),  g = gradient_scale · gradient
// in: gradient f32; out: p, m, v f32, all of one shape and contiguous. `step` t counts from 1.
struct AdamWAttrs {
  double lr = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, decay = 0, gradient_scale = 1;
  std::int64_t step = 1;
};
inline constexpr OpId adamw_op{"adamw"};

// Gradients of rms_norm (contract/norm.h) in one pass. in: x f32 [..., n], weight f32 [n] or undefined, gradient of the result;
// out: dx, dweight f32 [n] (with a weight). Rows are summed into dweight in blocks of a fixed size, then block by block.
struct NormGradAttrs {
  float eps;
};
inline constexpr OpId rms_norm_grad_op{"rms_norm_grad"};

// Gradients of gated (contract/elementwise.h). in: gate, up, gradient, all f32 of one shape; out: dgate, dup.
inline constexpr OpId gated_grad_op{"gated_grad"};

// Attention of sequences that lie one behind the other, each among its own rows: softmax(scale · q kᵀ) v, with a softcap c > 0
// scores c·tanh(score / c). A query at row i of its sequence sees rows (i − window, i], or all of [0, i] with window 0; without `causal`
// no row is hidden from it for being later. No matrix of all scores is kept (Dao et al. 2022).
// in: q f32 [t, heads_q, k_dim], k f32 [t, heads, k_dim], v f32 [t, heads, v_dim]; out: f32 [t, heads_q, v_dim], and log Σ exp of each
// query's scores [heads_q, t].
struct SequenceSpan {
  std::int64_t row = 0, rows = 0;
};
struct SequenceAttentionAttrs {
  std::span<const SequenceSpan> sequences;
  float scale = 1;
  float softcap = 0;
  bool causal = true;
  std::int64_t window = 0;
};
inline constexpr OpId sequence_attention_op{"sequence_attention"};
// in: q, k, v, the two results and the gradient of the first; out: dq, dk, dv.
inline constexpr OpId sequence_attention_grad_op{"sequence_attention_grad"};

}  // namespace tashika
