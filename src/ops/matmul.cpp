#include "ops/matmul.h"

#include <memory>

#include "backend/contract/matmul.h"
#include "ops/autograd.h"
#include "ops/elementwise.h"
#include "ops/launch.h"
#include "ops/layout.h"

namespace tashika::ops {
namespace {

Tensor expand_leading(const Tensor& t, const Shape& leading) {
  Shape shape = leading;
  shape.push_back(t.size(-2));
  shape.push_back(t.size(-1));
  return t.expand(shape);
}

// The definition of `linear`, and its gradient.
Tensor linear_composed(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& addend) {
  const DType wide = x.dtype() == f64 ? f64 : f32;
  const Tensor w = cast(weight, wide);
  Tensor y = matmul(reshape(x, {-1, x.size(-1)}), transpose(w, 0, 1));
  Shape shape = x.shape();
  shape[-1] = weight.size(0);
  y = reshape(y, shape);
  if (bias.defined()) y = add(y, cast(bias, wide));
  if (addend.defined()) y = add(y, addend);
  return y;
}

Tensor as_rows(const Tensor& x) { return contiguous(x).view({x.size(-1) == 0 ? 0 : x.numel() / x.size(-1), x.size(-1)}); }

// The gradients of y = x W^T + bias + addend, each a linear map of its own: dx = g W, dW = g^T x. Where the weight is bf16, so
// are the factors, as in the forward; sums are f32.
// Maps of one input share its transpose.
Backward linear_backward(const Tensor& x, const LinearArgs& map, const std::shared_ptr<Tensor>& turned) {
  const bool narrow = map.weight.dtype() == bf16 && x.runtime().compute() == ComputeMode::fast;
  const DType factor = narrow ? DType(bf16) : DType(f32);
  const bool gx = x.requires_grad(), gw = map.weight.requires_grad();
  return [x = gw ? x.detach() : Tensor(), turned, shape = x.shape(), weight = map.weight.detach(), factor, gx, gw, gb = map.bias.requires_grad(),
          ga = map.addend.requires_grad()](const Tensor& grad) {
    const Tensor g = as_rows(grad);
    Tensor dx, dw, db;
    if (gx) dx = linear(g, cast(cast(weight, factor).transpose(0, 1), factor)).view(shape);
    if (gw) {
      if (!turned->defined() || turned->dtype() != factor) *turned = cast(as_rows(x).transpose(0, 1), factor);
      dw = linear(contiguous(g.transpose(0, 1)), *turned);
    }
    if (gb) db = sum(g, 0);
    return std::vector{dx, dw, db, ga ? grad : Tensor()};
  };
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  expect(a.rank() >= 2 && b.rank() >= 2 && a.size(-1) == b.size(-2), "matmul", a.str(), " times ", b.str());
  Shape leading;
  const int rank = std::max(a.rank(), b.rank()) - 2;
  for (int i = 0; i < rank; ++i) {
    const int ia = i - (rank - (a.rank() - 2)), ib = i - (rank - (b.rank() - 2));
    const std::int64_t da = ia < 0 ? 1 : a.size(ia), db = ib < 0 ? 1 : b.size(ib);
    expect(da == db || da == 1 || db == 1, "matmul", a.str(), " times ", b.str());
    leading.push_back(da == 1 ? db : da);
  }
  Shape shape = leading;
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-1));
  Tensor out = Tensor::empty(a.runtime(), shape, a.dtype() == f64 && b.dtype() == f64 ? f64 : f32);
  const Tensor in[] = {expand_leading(a, leading), expand_leading(b, leading)};
  launch(matmul_op, a.runtime(), in, {&out, 1});
  record(out, "matmul", {&a, &b}, [&]() -> Backward {
    return [a = a.detach(), b = b.detach(), ga = a.requires_grad(), gb = b.requires_grad()](const Tensor& g) {
      Tensor da, db;
      if (ga) da = sum_to(matmul(g, b.transpose(-1, -2)), a.shape());
      if (gb) db = sum_to(matmul(a.transpose(-1, -2), g), b.shape());
      return std::vector{da, db};
    };
  });
  return out;
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& addend) {
  const LinearArgs map{weight, bias, addend};
  return linears(x, {&map, 1})[0];
}

std::vector<Tensor> linears(const Tensor& x, std::span<const LinearArgs> maps) {
  for (const LinearArgs& map : maps) {
    expect(map.weight.rank() == 2 && map.weight.size(1) == x.size(-1), "linear", "x ", x.str(), ", weight ", map.weight.str(),
           ": x's last dimension must be the weight's second");
    expect(!map.bias.defined() || (map.bias.rank() == 1 && map.bias.size(0) == map.weight.size(0)), "linear", "bias ",
           map.bias.str(), " beside weight ", map.weight.str());
  }
  std::vector<Tensor> out;
  out.reserve(maps.size());
  if (x.dtype() == f32) {
    Runtime& rt = x.runtime();
    const std::int64_t m = x.size(-1) == 0 ? 0 : x.numel() / x.size(-1);
    const bool rows = x.rank() == 2 && x.strides()[1] == 1;
    std::vector<Tensor> in{rows ? x.detach() : contiguous(x.detach()).view({m, x.size(-1)})};
    for (const LinearArgs& map : maps) {
      const std::int64_t n = map.weight.size(0);
      in.push_back(map.weight);
      in.push_back(map.bias);
      in.push_back(map.addend.defined() ? contiguous(map.addend.detach()).view({m, n}) : Tensor{});
      out.push_back(Tensor::empty(rt, {m, n}, f32));
    }
    if (try_launch(linear_op, rt, in, out)) {
      std::shared_ptr<Tensor> turned;
      for (std::size_t i = 0; i < out.size(); ++i) {
        Shape shape = x.shape();
        shape[-1] = out[i].size(1);
        out[i] = out[i].view(shape);
        record(out[i], "linear", {&x, &maps[i].weight, &maps[i].bias, &maps[i].addend}, [&] {
          if (!turned) turned = std::make_shared<Tensor>();
          return linear_backward(x, maps[i], turned);
        });
      }
      return out;
    }
    out.clear();
  }
  for (const LinearArgs& map : maps) out.push_back(linear_composed(x, map.weight, map.bias, map.addend));
  return out;
}

Tensor grouped_linear(const Tensor& x, const Tensor& weight) {
  expect(x.rank() == 3 && weight.rank() == 3 && x.size(1) == weight.size(0) && x.size(2) == weight.size(2), "grouped_linear", "x ",
         x.str(), ", weight ", weight.str());
  if (!wants_grad({&x, &weight}) && x.dtype() == f32) {
    Tensor out = Tensor::empty(x.runtime(), {x.size(0), x.size(1), weight.size(1)}, f32);
    const Tensor in[] = {x, weight};
    if (try_launch(grouped_linear_op, x.runtime(), in, {&out, 1})) return out;
  }
  return transpose(matmul(transpose(x, 0, 1), transpose(cast(weight, x.dtype() == f64 ? f64 : f32), 1, 2)), 0, 1);
}

Tensor experts(const Tensor& x, const Tensor& ids, const Tensor& weights, std::span<const Expert> all, Unary act) {
  expect(x.rank() == 2 && ids.rank() == 2 && ids.shape() == weights.shape() && ids.size(0) == x.size(0), "experts", "x ",
         x.str(), ", ids ", ids.str(), ", weights ", weights.str());
  Runtime& rt = x.runtime();
  bool recorded = wants_grad({&x, &weights});
  for (const Expert& e : all) recorded = recorded || wants_grad({&e.gate, &e.up, &e.down});
  if (!recorded) {
    std::vector<Tensor> in{x, ids, weights};
    for (const Expert& e : all) in.insert(in.end(), {e.gate, e.up, e.down});
    Tensor out = Tensor::empty(rt, x.shape(), f32);
    const ExpertsAttrs attrs{static_cast<int>(act), static_cast<std::int64_t>(all.size())};
    if (try_launch(experts_op, rt, in, {&out, 1}, &attrs)) return out;
  }
  // Composition: the rows of each (expert, slot) go through that expert; slots are added in order.
  const std::vector<std::int64_t> chosen = ids.to_host_int();
  const std::int64_t tokens = x.size(0), slots = ids.size(1);
  Tensor out;
  for (std::int64_t j = 0; j < slots; ++j) {
    Tensor slot;
    for (std::size_t e = 0; e < all.size(); ++e) {
      std::vector<std::int32_t> rows;
      for (std::int64_t t = 0; t < tokens; ++t) {
        if (chosen[static_cast<std::size_t>(t * slots + j)] == static_cast<std::int64_t>(e)) rows.push_back(static_cast<std::int32_t>(t));
      }
      if (rows.empty()) continue;
      const Tensor index = Tensor::from_host(rt, {static_cast<std::int64_t>(rows.size())}, rows);
      const Tensor part = gather_rows(x, index);
      const Tensor hidden = gated(act, linear(part, all[e].gate), linear(part, all[e].up));
      const Tensor spread = scatter_add(linear(hidden, all[e].down), index, tokens);
      slot = slot.defined() ? add(slot, spread) : spread;
    }
    const Tensor weighted = mul(slot, slice(weights, 1, j, j + 1));
    out = out.defined() ? add(out, weighted) : weighted;
  }
  return out;
}

}  // namespace tashika::ops
