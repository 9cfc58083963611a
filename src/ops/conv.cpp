#include "ops/conv.h"

#include "ops/elementwise.h"
#include "ops/launch.h"

namespace tashika::ops {

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dAttrs& a) {
  expect(x.rank() == 4 && weight.rank() == 4 && a.groups > 0 && x.size(1) == weight.size(1) * a.groups && weight.size(0) % a.groups == 0,
         "conv2d", "x ", x.str(), ", weight ", weight.str(), ", ", a.groups, " groups");
  expect(!bias.defined() || (bias.rank() == 1 && bias.size(0) == weight.size(0)), "conv2d", "bias ", bias.str(), " beside ", weight.str());
  const std::int64_t h = (x.size(2) + 2 * a.pad_h - a.dilation_h * (weight.size(2) - 1) - 1) / a.stride_h + 1;
  const std::int64_t w = (x.size(3) + 2 * a.pad_w - a.dilation_w * (weight.size(3) - 1) - 1) / a.stride_w + 1;
  expect(h > 0 && w > 0, "conv2d", "x ", x.str(), " is smaller than the kernel ", weight.str());
  Tensor out = Tensor::empty(x.runtime(), {x.size(0), h, w, weight.size(0)}, f32).permute({0, 3, 1, 2});
  const Tensor in[] = {x, weight, bias};
  launch(conv2d_op, x.runtime(), in, {&out, 1}, &a);
  return out;
}

Tensor channels_last(const Tensor& x) {
  expect(x.rank() == 4, "channels_last", x.str());
  return contiguous(x.permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
}

}  // namespace tashika::ops
