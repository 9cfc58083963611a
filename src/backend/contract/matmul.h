// Matrix products.
#pragma once

#include "backend/backend.h"

namespace tashika {

// Primitive: a [..., m, k] times b [..., k, n] with equal leading dimensions, any strides (so that a
// transpose is free), plain dtypes; out f32 (f64 on f64 inputs).
inline constexpr OpId matmul_op{"matmul"};

// Fused: y_i = x W_i^T (+ bias_i) (+ addend_i) for one or more weights that share their input, so
// that a quantised activation row is made once.
//
// in: x f32 [m, k] contiguous rows (row stride may be larger than k), then three tensors a weight: W_i [n_i, k]
//     of any dtype (rows contiguous or strided by whole blocks), bias_i [n_i] or undefined,
//     addend_i f32 [m, n_i] or undefined. An addend is added after the bias.
// out: y_i f32 [m, n_i].
//
// In exact mode (Runtime::compute) the weights are widened and all arithmetic is f32. In fast mode
// a kernel may quantise or round the activations per row (never per batch): q8 groups for
// block-quantised weights, bf16 for bf16 weights. Row i of y depends on row i of x alone, bit for
// bit, whatever m is.
inline constexpr OpId linear_op{"linear"};

// Fused: a linear map for each of g parts of a row: y[t, i] = x[t, i] W[i]^T. in: x f32 [m, g, k], entries of a part
// contiguous; W [g, n, k] of any dtype, rows contiguous. out: f32 [m, g, n]. Rows are as independent as in linear.
inline constexpr OpId grouped_linear_op{"grouped_linear"};

// The chosen experts of a mixture, each a gated MLP:
//   out[t] = sum over slots j in order of weight[t, j] * down_e(act(gate_e(x[t])) * up_e(x[t])), e = ids[t, j]
// in: x f32 [t, d], ids i32 [t, k], weights f32 [t, k], then gate_e, up_e, down_e for each expert e.
// out: f32 [t, d]. Only the chosen experts' weights are read. The sum starts from zero and adds slot
// 0, 1, … in that order.
struct ExpertsAttrs {
  int act;  // Unary of contract/elementwise.h
  std::int64_t experts;
};
inline constexpr OpId experts_op{"experts"};

}  // namespace tashika
