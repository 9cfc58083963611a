// Convolution. Shapes are [N, C, H, W]; memory is usually channels-last, by strides.
#pragma once

#include "backend/backend.h"

namespace tashika {

struct Conv2dAttrs {
  std::int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1, groups = 1;
};
// in: x [n, c, h, w], weight [o, c/groups, kh, kw], bias [o] or undefined; out: f32 [n, o, h', w'] laid out channels-last.
inline constexpr OpId conv2d_op{"conv2d"};

}  // namespace tashika
