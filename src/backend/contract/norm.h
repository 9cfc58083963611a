// Normalisations over the last dimension (or channel groups), statistics in f32.
#pragma once

#include "backend/backend.h"

namespace tashika {

struct NormAttrs {
  float eps;
};

// x * rsqrt(mean(x^2) + eps) * weight (Zhang & Sennrich 2019). in: x f32 [..., n], weight [n] or
// undefined; out: f32, x's shape.
inline constexpr OpId rms_norm_op{"rms_norm"};

// (x - mean) * rsqrt(var + eps) * weight + bias (Ba et al. 2016). in: x, weight or undefined, bias
// or undefined; out: x's shape.
inline constexpr OpId layer_norm_op{"layer_norm"};

// The output is laid out in memory as x is, so it may be a permuted view of a dense tensor.
// Groups of channels of [N, C, spatial...] (Wu & He 2018). in: x (any strides), weight [C] or undefined, bias [C] or
// undefined; out: x's shape, with x's memory order (channels-last stays channels-last).
struct GroupNormAttrs {
  float eps;
  std::int64_t groups;
};
inline constexpr OpId group_norm_op{"group_norm"};

}  // namespace tashika
