#include "ops/conv.h"

#include <vector>

#include "ops/autograd.h"
#include "ops/elementwise.h"
#include "ops/launch.h"
#include "ops/layout.h"
#include "ops/matmul.h"

namespace tashika::ops {
namespace {

// `before` and `after` zeros along a dimension; below zero: as many elements less.
Tensor padded(const Tensor& x, int dim, std::int64_t before, std::int64_t after) {
  Tensor middle = x.slice(dim, before < 0 ? -before : 0, x.size(dim) + (after < 0 ? after : 0));
  std::vector<Tensor> parts;
  const auto zeros = [&](std::int64_t n) {
    Shape shape = x.shape();
    shape[dim] = n;
    if (n > 0) parts.push_back(Tensor::full(x.runtime(), shape, 0.0f));
  };
  zeros(before);
  parts.push_back(middle);
  zeros(after);
  return parts.size() == 1 ? middle : concat(parts, dim);
}

// Elements `step` apart, zeros between them.
Tensor spread(const Tensor& x, int dim, std::int64_t step) {
  if (step == 1) return x;
  const Tensor apart = padded(contiguous(x).unsqueeze(dim + 1), dim + 1, 0, step - 1);
  Shape shape = x.shape();
  shape[dim] *= step;
  return apart.view(shape).slice(dim, 0, shape[dim] - step + 1);
}

Tensor reversed(const Tensor& x, int dim) {
  std::vector<Tensor> parts;
  for (std::int64_t i = x.size(dim); i > 0; --i) parts.push_back(x.slice(dim, i - 1, i));
  return parts.size() == 1 ? x : concat(parts, dim);
}

// The gradient of x is a convolution of the spread gradient with the turned kernel (Dumoulin & Visin 2016).
Tensor input_gradient(const Tensor& g, const Tensor& weight, const Shape& x, const Conv2dAttrs& a) {
  const std::int64_t groups = a.groups, out = weight.size(0) / groups, in = weight.size(1), kh = weight.size(2), kw = weight.size(3);
  Tensor turned = reversed(reversed(cast(weight, f32), 2), 3);
  turned = contiguous(contiguous(turned).view({groups, out, in, kh, kw}).transpose(1, 2)).view({groups * in, out, kh, kw});
  Tensor wide = spread(spread(g, 3, a.stride_w), 2, a.stride_h);
  const std::int64_t reach_h = a.dilation_h * (kh - 1), reach_w = a.dilation_w * (kw - 1);
  const std::int64_t top = reach_h - a.pad_h, left = reach_w - a.pad_w;
  wide = padded(wide, 2, top, x[2] + reach_h - wide.size(2) - top);
  wide = padded(wide, 3, left, x[3] + reach_w - wide.size(3) - left);
  return conv2d(wide, turned, {}, {1, 1, 0, 0, a.dilation_h, a.dilation_w, groups});
}

// For each place of the kernel, a product over images and positions of the gradient and the inputs that it met there.
Tensor weight_gradient(const Tensor& g, const Tensor& x, const Shape& weight, const Conv2dAttrs& a) {
  const std::int64_t n = g.size(0), h = g.size(2), w = g.size(3), groups = a.groups, out = weight[0] / groups, in = weight[1];
  const Tensor wide = contiguous(padded(padded(cast(x, f32), 2, a.pad_h, a.pad_h), 3, a.pad_w, a.pad_w));
  const std::int64_t row = wide.size(3), image = wide.size(2) * row;
  const Tensor slopes = contiguous(g).view({n, groups, out, h * w});
  std::vector<Tensor> places;
  for (std::int64_t i = 0; i < weight[2]; ++i) {
    for (std::int64_t j = 0; j < weight[3]; ++j) {
      const Tensor met = contiguous(wide.strided({n, x.size(1), h, w}, {x.size(1) * image, image, a.stride_h * row, a.stride_w},
                                                 i * a.dilation_h * row + j * a.dilation_w)).view({n, groups, in, h * w});
      places.push_back(sum(matmul(slopes, met.transpose(2, 3)), 0).view({weight[0], in, 1}));
    }
  }
  return concat(places, 2).view(weight);
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dAttrs& a) {
  expect(x.rank() == 4 && weight.rank() == 4 && a.groups > 0 && x.size(1) == weight.size(1) * a.groups && weight.size(0) % a.groups == 0,
         "conv2d", "x ", x.str(), ", weight ", weight.str(), ", ", a.groups, " groups");
  expect(!bias.defined() || (bias.rank() == 1 && bias.size(0) == weight.size(0)), "conv2d", "bias ", bias.str(), " beside ", weight.str());
  const std::int64_t h = (x.size(2) + 2 * a.pad_h - a.dilation_h * (weight.size(2) - 1) - 1) / a.stride_h + 1;
  const std::int64_t w = (x.size(3) + 2 * a.pad_w - a.dilation_w * (weight.size(3) - 1) - 1) / a.stride_w + 1;
  expect(h > 0 && w > 0, "conv2d", "x ", x.str(), " is smaller than the kernel ", weight.str());
  Tensor out = Tensor::empty(x.runtime(), {x.size(0), h, w, weight.size(0)}, f32).permute({0, 3, 1, 2});
  const Tensor in[] = {x.detach(), weight.detach(), bias};
  launch(conv2d_op, x.runtime(), in, {&out, 1}, &a);
  record(out, "conv2d", {&x, &weight, &bias}, [&]() -> Backward {
    return [x = in[0], weight = in[1], gx = x.requires_grad(), gw = weight.requires_grad(), gb = bias.requires_grad(), a](const Tensor& g) {
      Tensor db;
      if (gb) db = sum(contiguous(sum(sum(g, 3), 2)), 0);
      return std::vector{gx ? input_gradient(g, weight, x.shape(), a) : Tensor(), gw ? weight_gradient(g, x, weight.shape(), a) : Tensor(), db};
    };
  });
  return out;
}

Tensor channels_last(const Tensor& x) {
  expect(x.rank() == 4, "channels_last", x.str());
  return contiguous(x.permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
}

}  // namespace tashika::ops
