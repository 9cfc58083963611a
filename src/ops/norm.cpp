#include "ops/norm.h"

#include "backend/contract/elementwise.h"
#include "backend/contract/norm.h"
#include "ops/autograd.h"
#include "ops/elementwise.h"
#include "ops/launch.h"
#include "ops/layout.h"
#include "ops/memory_order.h"

namespace tashika::ops {
namespace {

bool fusable(std::initializer_list<const Tensor*> inputs) {
  for (const Tensor* t : inputs) {
    if (t->defined() && (t->requires_grad() || t->dtype() == f64)) return false;
  }
  return true;
}

Tensor wide(const Tensor& t, const Tensor& like) { return cast(t, like.dtype() == f64 ? f64 : f32); }

void check_weight(std::string_view op, const Tensor& w, std::int64_t n, const Tensor& x) {
  expect(!w.defined() || (w.rank() == 1 && w.size(0) == n), op, "weight ", w.str(), " has not ", n, " elements for x ", x.str());
}

}  // namespace

Tensor rms_norm(const Tensor& x, const Tensor& weight, float eps) {
  check_weight("rms_norm", weight, x.size(-1), x);
  if (fusable({&x, &weight})) {
    Tensor out = Tensor::empty(x.runtime(), x.shape(), f32);
    const Tensor in[] = {x, weight};
    const NormAttrs attrs{eps};
    if (try_launch(rms_norm_op, x.runtime(), in, {&out, 1}, &attrs)) return out;
  }
  const Tensor scale_by = unary(Unary::rsqrt, affine(mean(mul(x, x), -1, true), 1.0f, eps));
  const Tensor y = mul(x, scale_by);
  return weight.defined() ? mul(y, wide(weight, x)) : y;
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, float eps) {
  check_weight("layer_norm", weight, x.size(-1), x);
  check_weight("layer_norm", bias, x.size(-1), x);
  if (fusable({&x, &weight, &bias})) {
    Tensor out = Tensor::empty(x.runtime(), x.shape(), f32);
    const Tensor in[] = {x, weight, bias};
    const NormAttrs attrs{eps};
    if (try_launch(layer_norm_op, x.runtime(), in, {&out, 1}, &attrs)) return out;
  }
  const Tensor centred = sub(x, mean(x, -1, true));
  Tensor y = mul(centred, unary(Unary::rsqrt, affine(mean(mul(centred, centred), -1, true), 1.0f, eps)));
  if (weight.defined()) y = mul(y, wide(weight, x));
  return bias.defined() ? add(y, wide(bias, x)) : y;
}

Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias, float eps) {
  expect(x.rank() >= 2 && groups > 0 && x.size(1) % groups == 0, "group_norm", groups, " groups of x ", x.str());
  check_weight("group_norm", weight, x.size(1), x);
  check_weight("group_norm", bias, x.size(1), x);
  if (fusable({&x, &weight, &bias})) {
    const MemoryOrder order(x);
    Tensor out = order.back(Tensor::empty(x.runtime(), order.into(x).shape(), f32));
    const Tensor in[] = {x, weight, bias};
    const GroupNormAttrs attrs{eps, groups};
    if (try_launch(group_norm_op, x.runtime(), in, {&out, 1}, &attrs)) return out;
  }
  Shape per_channel;
  for (int i = 0; i < x.rank(); ++i) per_channel.push_back(i == 1 ? x.size(1) : 1);
  const Tensor flat = reshape(x, {x.size(0), groups, -1});
  const Tensor centred = sub(flat, mean(flat, -1, true));
  const Tensor normal = mul(centred, unary(Unary::rsqrt, affine(mean(mul(centred, centred), -1, true), 1.0f, eps)));
  Tensor y = reshape(normal, x.shape());
  if (weight.defined()) y = mul(y, reshape(wide(weight, x), per_channel));
  return bias.defined() ? add(y, reshape(wide(bias, x), per_channel)) : y;
}

Tensor softmax(const Tensor& x) {
  if (fusable({&x})) {
    Tensor out = Tensor::empty(x.runtime(), x.shape(), f32);
    if (try_launch(softmax_op, x.runtime(), {&x, 1}, {&out, 1})) return out;
  }
  const Tensor e = exp(sub(x, max(x, -1, true)));
  return div(e, sum(e, -1, true));
}

Tensor log_softmax(const Tensor& x) {
  const Tensor shifted = sub(x, max(x, -1, true));
  return sub(shifted, unary(Unary::log, sum(exp(shifted), -1, true)));
}

TopK top_k(const Tensor& x, std::int64_t k) {
  expect(k >= 1 && k <= x.size(-1), "top_k", "the ", k, " largest of ", x.str());
  Shape shape = x.shape();
  shape[-1] = k;
  Tensor out[] = {Tensor::empty(x.runtime(), shape, f32), Tensor::empty(x.runtime(), shape, i32)};
  const TopKAttrs attrs{k};
  launch(top_k_op, x.runtime(), {&x, 1}, out, &attrs);
  return {out[0], out[1]};
}

}  // namespace tashika::ops
