// Training's loops over contiguous f32: the loss of a row of logits, sums of squares, the optimiser's step.
#pragma once

#include <stdint.h>

#include "backend/cpu/isa.h"

namespace tashika::cpu {

struct AdamWFactors {
  float keep;           // 1 − lr·decay
  float beta1_rest;     // 1 − β1
  float beta2, beta2_rest;
  float root;           // √(1 − β2^t)
  float eps, step_size, gradient_scale;
};

// One query head of one sequence. Rows of a tensor lie `…_step` floats apart.
struct HeadAttention {
  int64_t n, k_dim, v_dim;
  const float *q, *k, *v;
  int64_t q_step, k_step, v_step;
  float scale;
  bool causal;
  int64_t window;
  float* o;
  int64_t o_step;
  float* log_sum;  // [n]
  float* scratch;  // attention_rows · padded(n) floats, twice that for gradients, and 2 · attention_rows more
  const float* k_columns;  // [k_dim][padded(n)], of to_columns
  // Gradients.
  const float* v_columns;  // [v_dim][padded(n)]
  const float* g;          // of o, laid out as o
  float *dq, *dk, *dv;     // laid out as q, k, v; dk and dv are added to
};
inline constexpr int64_t attention_rows = 48;
inline int64_t padded_row(int64_t n) { return (n + 15) / 16 * 16; }

struct TrainingFns {
  // Loss of a row of n logits; gradients scale · (softmax − onehot) to g, which may be x.
  float (*cross_entropy)(const float* x, int64_t target, float scale, float* g, int64_t n);
  // Element i goes to lane i mod 64, as in rows.h.
  float (*sum_squares)(const float* x, int64_t n);
  void (*adamw)(const AdamWFactors& f, const float* g, float* p, float* m, float* v, int64_t n);
  // Of one row; dweight is added to. weight and dweight may be null.
  void (*rms_norm_grad)(const float* x, const float* weight, const float* g, float eps, float* dx, float* dweight, int64_t n);
  void (*silu_gated_grad)(const float* gate, const float* up, const float* g, float* dgate, float* dup, int64_t n);
  // Rows of n entries, `step` apart, as columns: out[i][row], rows padded with zeros.
  void (*to_columns)(const float* x, int64_t step, int64_t rows, int64_t n, float* out);
  // out[c][r] = x[r][c] for `rows` rows of n entries, `step` apart; rows of out are `out_step` apart. Sixteen rows at a time are fast.
  void (*transpose)(const float* x, int64_t step, int64_t rows, int64_t n, float* out, int64_t out_step);
  void (*transpose_to_bf16)(const float* x, int64_t step, int64_t rows, int64_t n, uint16_t* out, int64_t out_step);
  void (*transpose_bf16)(const uint16_t* x, int64_t step, int64_t rows, int64_t n, uint16_t* out, int64_t out_step);
  void (*attention)(const HeadAttention& a);
  void (*attention_grad)(const HeadAttention& a);
};
TASHIKA_ISA_TABLES(TrainingFns, training_fns)

}  // namespace tashika::cpu
