// Matrix products, linear layers and mixtures of experts.
#pragma once

#include <span>
#include <vector>

#include "backend/contract/elementwise.h"
#include "tensor/tensor.h"

namespace tashika::ops {

// a [..., m, k] · b [..., k, n]; leading dimensions broadcast.
Tensor matmul(const Tensor& a, const Tensor& b);

// One of several linear maps of the same input.
struct LinearArgs {
  Tensor weight;  // [n, k], any dtype
  Tensor bias;    // [n] or undefined
  Tensor addend;  // f32 [..., n] or undefined: added last (a residual, an adapter's part)
};

// x W^T + bias + addend for x [..., k]. The gradient reads block-quantised weights as they are.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Tensor& addend = {});
// Several at once: activations are prepared once.
std::vector<Tensor> linears(const Tensor& x, std::span<const LinearArgs> maps);

// y[t, i] = x[t, i] W[i]^T for x [t, g, k] and weight [g, n, k] of any dtype: the heads of a row, each with a map of its own.
Tensor grouped_linear(const Tensor& x, const Tensor& weight);

struct Expert {
  Tensor gate, up, down;  // [i, d], [i, d], [d, i]
};

// Sum over the chosen experts of weights[t, j] · down(act(gate x) ∘ up x), slot by slot
// (Shazeer et al. 2017; Jiang et al. 2024). x [t, d], ids i32 [t, k], weights f32 [t, k].
Tensor experts(const Tensor& x, const Tensor& ids, const Tensor& weights, std::span<const Expert> all, Unary act);

}  // namespace tashika::ops
