// Convolution over [n, c, h, w]; results are channels-last in memory.
#pragma once

#include "backend/contract/conv.h"
#include "tensor/tensor.h"

namespace tashika::ops {

// x [n, c, h, w], weight [o, c / groups, kh, kw], bias [o] or undefined. Has gradients.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dAttrs& attrs);

// The same elements with channels-last memory (a copy only when needed).
Tensor channels_last(const Tensor& x);

}  // namespace tashika::ops
