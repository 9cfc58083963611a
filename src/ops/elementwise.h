// Elementwise ops and reductions. Binary ops broadcast as NumPy does. Results are f32, or f64 when
// every floating input is f64. All have gradients unless marked.
#pragma once

#include "backend/contract/elementwise.h"
#include "tensor/tensor.h"

namespace tashika::ops {

Tensor unary(Unary fn, const Tensor& x);
Tensor binary(Binary fn, const Tensor& a, const Tensor& b);  // comparisons give bool and have no gradient

inline Tensor add(const Tensor& a, const Tensor& b) { return binary(Binary::add, a, b); }
inline Tensor sub(const Tensor& a, const Tensor& b) { return binary(Binary::sub, a, b); }
inline Tensor mul(const Tensor& a, const Tensor& b) { return binary(Binary::mul, a, b); }
inline Tensor div(const Tensor& a, const Tensor& b) { return binary(Binary::div, a, b); }
inline Tensor exp(const Tensor& x) { return unary(Unary::exp, x); }
inline Tensor sigmoid(const Tensor& x) { return unary(Unary::sigmoid, x); }
inline Tensor tanh(const Tensor& x) { return unary(Unary::tanh, x); }
inline Tensor silu(const Tensor& x) { return unary(Unary::silu, x); }
inline Tensor relu(const Tensor& x) { return unary(Unary::relu, x); }

Tensor affine(const Tensor& x, float scale, float offset);  // x * scale + offset
inline Tensor scale(const Tensor& x, float factor) { return affine(x, factor, 0.0f); }

Tensor sum(const Tensor& x, int dim, bool keep = false);
Tensor max(const Tensor& x, int dim, bool keep = false);  // no gradient
Tensor mean(const Tensor& x, int dim, bool keep = false);
Tensor sum_all(const Tensor& x);  // [] shaped

Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b);

// Any dtype to any plain dtype; block formats decode. The same dtype and contiguous: no copy.
Tensor cast(const Tensor& x, DType dtype);
Tensor contiguous(const Tensor& x);

// act(gate) * up (Shazeer 2020, GLU variants).
Tensor gated(Unary act, const Tensor& gate, const Tensor& up);

// A gradient of shape `from` summed back to `shape` where broadcasting had expanded it.
Tensor sum_to(const Tensor& grad, const Shape& shape);

}  // namespace tashika::ops
