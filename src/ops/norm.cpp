#include "ops/norm.h"

#include "backend/contract/elementwise.h"
#include "backend/contract/norm.h"
#include "backend/contract/training.h"
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

// With a backward in one pass, where the backend has one; else undefined.
Tensor rms_norm_recorded(const Tensor& x, const Tensor& weight, float eps) {
  Runtime& rt = x.runtime();
  if (x.dtype() != f32 || !x.is_contiguous() || (weight.defined() && weight.dtype() != f32) || !has_kernel(rms_norm_grad_op, rt)) return {};
  Tensor out = Tensor::empty(rt, x.shape(), f32);
  const Tensor in[] = {x.detach(), weight.defined() ? weight.detach() : Tensor()};
  const NormAttrs attrs{eps};
  if (!try_launch(rms_norm_op, rt, in, {&out, 1}, &attrs)) return {};
  record(out, "rms_norm", {&x, &weight}, [&]() -> Backward {
    return [x = in[0], weight = in[1], eps](const Tensor& g) {
      std::vector<Tensor> grads{Tensor::empty(x.runtime(), x.shape(), f32), weight.defined() ? Tensor::empty(x.runtime(), weight.shape(), f32) : Tensor()};
      const Tensor of[] = {x, weight, contiguous(g)};
      const NormGradAttrs grad_attrs{eps};
      expect(try_launch(rms_norm_grad_op, x.runtime(), of, grads, &grad_attrs), "rms_norm", "no backward for ", x.str());
      return grads;
    };
  });
  return out;
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
  if (Tensor out = rms_norm_recorded(x, weight, eps); out.defined()) return out;
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
  if (x.dtype() == f32 && has_kernel(softmax_op, x.runtime())) {
    Tensor out = Tensor::empty(x.runtime(), x.shape(), f32);
    const Tensor in = x.detach();
    if (try_launch(softmax_op, x.runtime(), {&in, 1}, {&out, 1})) {
      record(out, "softmax", {&x}, [&]() -> Backward {
        return [y = out.detach()](const Tensor& g) {
          const Tensor gy = mul(g, y);
          return std::vector{sub(gy, mul(y, sum(gy, -1, true)))};
        };
      });
      return out;
    }
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
  record(out[0], "top_k", {&x}, [&]() -> Backward {
    return [shape = x.shape(), k, ids = out[1]](const Tensor& g) {
      // Each chosen element is a row of a table of one column.
      std::vector<std::int32_t> rows;
      const std::vector<std::int64_t> chosen = ids.to_host_int();
      for (std::size_t i = 0; i < chosen.size(); ++i) {
        rows.push_back(static_cast<std::int32_t>(static_cast<std::int64_t>(i) / k * shape[-1] + chosen[i]));
      }
      const Shape column{static_cast<std::int64_t>(rows.size()), 1};
      const Tensor index = Tensor::from_host(g.runtime(), {column[0]}, rows);
      return std::vector{scatter_add(contiguous(g).view(column), index, shape.numel()).view(shape)};
    };
  });
  return {out[0], out[1]};
}

}  // namespace tashika::ops
