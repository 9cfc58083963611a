// Normalisations and softmax. Weights and biases may be of any plain dtype or undefined.
#pragma once

#include "tensor/tensor.h"

namespace tashika::ops {

// x / rms(x) * weight over the last dimension (Zhang & Sennrich 2019).
Tensor rms_norm(const Tensor& x, const Tensor& weight, float eps);
// Ba et al. 2016.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, float eps);
// Wu & He 2018; x [n, c, spatial…] in any memory order, which the result keeps.
Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias, float eps);

Tensor softmax(const Tensor& x);      // over the last dimension
Tensor log_softmax(const Tensor& x);  // x - max - log(sum(exp(x - max)))

struct TopK {
  Tensor values;  // f32 [..., k], largest first
  Tensor ids;     // i32 [..., k]; of equal values the lowest index first
};
// The gradient of the values goes to the chosen elements; the choice itself has none.
TopK top_k(const Tensor& x, std::int64_t k);

}  // namespace tashika::ops
