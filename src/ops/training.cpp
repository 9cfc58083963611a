#include "ops/training.h"

#include "base/error.h"
#include "ops/elementwise.h"
#include "ops/launch.h"

namespace tashika::ops {

CrossEntropy cross_entropy(const Tensor& logits, const Tensor& targets, double scale) {
  expect(logits.rank() == 2 && targets.rank() == 1 && targets.size(0) == logits.size(0) && targets.dtype() == i32, "cross_entropy",
         "logits ", logits.str(), ", targets ", targets.str());
  if (!targets.is_meta()) {
    for (const std::int64_t t : targets.to_host_int()) {
      if (t >= logits.size(1)) fail("label ", t, " is out of range: this model has ids 0 to ", logits.size(1) - 1);
    }
  }
  const DType wide = logits.dtype() == f64 ? f64 : f32;
  Tensor out[] = {Tensor::empty(logits.runtime(), targets.shape(), wide), Tensor::empty(logits.runtime(), logits.shape(), wide)};
  const Tensor in[] = {contiguous(logits.detach()), contiguous(targets)};
  const CrossEntropyAttrs attrs{scale};
  launch(cross_entropy_op, logits.runtime(), in, out, &attrs);
  return {out[0], out[1]};
}

double sum_squares(const Tensor& x) {
  const Tensor flat = contiguous(x.detach());
  Tensor out = Tensor::empty(x.runtime(), {(x.numel() + sum_squares_block - 1) / sum_squares_block}, f32);
  launch(sum_squares_op, x.runtime(), {&flat, 1}, {&out, 1});
  double total = 0;
  if (!out.is_meta()) {
    for (const float part : out.to_host()) total += static_cast<double>(part);
  }
  return total;
}

void accumulate(Tensor& total, const Tensor& x) {
  expect(total.shape() == x.shape() && total.is_contiguous(), "accumulate", x.str(), " into ", total.str());
  launch(accumulate_op, total.runtime(), {&x, 1}, {&total, 1});
}

void adamw(Tensor& parameter, Tensor& m, Tensor& v, const Tensor& gradient, const AdamWAttrs& attrs) {
  expect(parameter.shape() == gradient.shape() && m.shape() == gradient.shape() && v.shape() == gradient.shape(), "adamw", "gradient ",
         gradient.str(), " of ", parameter.str());
  const Tensor in = contiguous(gradient.detach());
  Tensor out[] = {parameter, m, v};
  launch(adamw_op, parameter.runtime(), {&in, 1}, out, &attrs);
}

}  // namespace tashika::ops
