#include "ops/elementwise.h"

#include <algorithm>

#include "backend/contract/training.h"
#include "ops/autograd.h"
#include "ops/launch.h"
#include "ops/layout.h"
#include "ops/memory_order.h"

namespace tashika::ops {
namespace {

DType result_dtype(const Tensor& a, const Tensor& b) { return a.dtype() == f64 && b.dtype() == f64 ? f64 : f32; }

Shape broadcast(const Tensor& a, const Tensor& b) {
  Shape out;
  const int rank = std::max(a.rank(), b.rank());
  for (int i = 0; i < rank; ++i) {
    const int ia = i - (rank - a.rank()), ib = i - (rank - b.rank());
    const std::int64_t da = ia < 0 ? 1 : a.size(ia), db = ib < 0 ? 1 : b.size(ib);
    expect(da == db || da == 1 || db == 1, "broadcast", a.str(), " and ", b.str(), " do not fit");
    out.push_back(da == 1 ? db : da);
  }
  return out;
}

// d fn / dx at x, where the forward result y is known.
Tensor unary_slope(Unary fn, const Tensor& x, const Tensor& y) {
  switch (fn) {
    case Unary::neg: return affine(y, 0.0f, -1.0f);
    case Unary::exp: return y;
    case Unary::log: return unary(Unary::reciprocal, x);
    case Unary::sqrt: return scale(unary(Unary::reciprocal, y), 0.5f);
    case Unary::rsqrt: return scale(mul(y, mul(y, y)), -0.5f);
    case Unary::tanh: return affine(mul(y, y), -1.0f, 1.0f);
    case Unary::sigmoid: return mul(y, affine(y, -1.0f, 1.0f));
    case Unary::relu: return cast(binary(Binary::less, affine(x, 0.0f, 0.0f), x), x.dtype());
    case Unary::silu: {
      const Tensor s = sigmoid(x);
      return mul(s, affine(mul(x, affine(s, -1.0f, 1.0f)), 1.0f, 1.0f));
    }
    case Unary::gelu: {  // Phi(x) + x phi(x)
      const Tensor cdf = affine(unary(Unary::erf, scale(x, 0.70710678118654752f)), 0.5f, 0.5f);
      return add(cdf, mul(x, scale(exp(scale(mul(x, x), -0.5f)), 0.39894228040143268f)));
    }
    case Unary::gelu_tanh: {
      constexpr float a = 0.79788456080286536f, b = 0.044715f;
      const Tensor t = tanh(scale(add(x, scale(mul(x, mul(x, x)), b)), a));
      const Tensor inner = affine(mul(x, x), 3.0f * b * a, a);
      return add(affine(t, 0.5f, 0.5f), scale(mul(x, mul(affine(mul(t, t), -1.0f, 1.0f), inner)), 0.5f));
    }
    case Unary::gelu_quick: {
      const Tensor s = sigmoid(scale(x, 1.702f));
      return add(s, scale(mul(x, mul(s, affine(s, -1.0f, 1.0f))), 1.702f));
    }
    case Unary::sin: return unary(Unary::cos, x);
    case Unary::cos: return unary(Unary::neg, unary(Unary::sin, x));
    case Unary::erf: return scale(exp(unary(Unary::neg, mul(x, x))), 1.1283791670955126f);
    case Unary::square: return scale(x, 2.0f);
    case Unary::reciprocal: return unary(Unary::neg, mul(y, y));
    case Unary::log_sigmoid: return affine(sigmoid(x), -1.0f, 1.0f);
    case Unary::abs: {
      const Tensor zero = affine(x, 0.0f, 0.0f);
      return sub(cast(binary(Binary::less, zero, x), x.dtype()), cast(binary(Binary::less, x, zero), x.dtype()));
    }
  }
  return {};
}

}  // namespace

Tensor sum_to(const Tensor& grad, const Shape& shape) {
  Tensor g = grad;
  while (g.rank() > shape.rank()) g = sum(g, 0);
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1 && g.size(i) != 1) g = sum(g, i, true);
  }
  return g;
}

Tensor unary(Unary fn, const Tensor& x) {
  const MemoryOrder order(x);
  const Tensor in = order.into(x);
  Tensor out = Tensor::empty(x.runtime(), in.shape(), x.dtype() == f64 ? f64 : f32);
  const UnaryAttrs attrs{fn};
  launch(unary_op, x.runtime(), {&in, 1}, {&out, 1}, &attrs);
  out = order.back(out);
  record(out, "unary", {&x}, [&]() -> Backward {
    return [fn, x = x.detach(), y = out.detach()](const Tensor& g) { return std::vector{mul(g, unary_slope(fn, x, y))}; };
  });
  return out;
}

Tensor binary(Binary fn, const Tensor& a, const Tensor& b) {
  const Shape shape = broadcast(a, b);
  const bool compares = fn == Binary::less || fn == Binary::less_equal || fn == Binary::equal;
  const Tensor wide[] = {a.expand(shape), b.expand(shape)};
  const MemoryOrder order(a.shape() == shape ? wide[0] : wide[1]);
  const Tensor in[] = {order.into(wide[0]), order.into(wide[1])};
  Tensor out = Tensor::empty(a.runtime(), in[0].shape(), compares ? DType(boolean) : result_dtype(a, b));
  const BinaryAttrs attrs{fn};
  launch(binary_op, a.runtime(), in, {&out, 1}, &attrs);
  out = order.back(out);
  if (compares) return out;
  record(out, "binary", {&a, &b}, [&]() -> Backward {
    return [fn, a = a.detach(), b = b.detach(), y = out.detach()](const Tensor& g) {
      Tensor da, db;
      switch (fn) {
        case Binary::add: da = g; db = g; break;
        case Binary::sub: da = g; db = unary(Unary::neg, g); break;
        case Binary::mul: da = mul(g, b); db = mul(g, a); break;
        case Binary::div: da = div(g, b); db = unary(Unary::neg, div(mul(g, y), b)); break;
        case Binary::pow: {
          da = mul(g, mul(b, binary(Binary::pow, a, affine(b, 1.0f, -1.0f))));
          db = mul(g, mul(y, unary(Unary::log, a)));
          break;
        }
        default: {  // maximum, minimum: the gradient goes to the one chosen, to `a` on a tie
          const Tensor first = fn == Binary::maximum ? binary(Binary::less_equal, b, a) : binary(Binary::less_equal, a, b);
          const Tensor zero = affine(g, 0.0f, 0.0f);
          da = where(first, g, zero);
          db = where(first, zero, g);
        }
      }
      return std::vector{sum_to(da, a.shape()), sum_to(db, b.shape())};
    };
  });
  return out;
}

Tensor affine(const Tensor& x, float scale_by, float offset) {
  const MemoryOrder order(x);
  const Tensor in = order.into(x);
  Tensor out = Tensor::empty(x.runtime(), in.shape(), x.dtype() == f64 ? f64 : f32);
  const AffineAttrs attrs{scale_by, offset};
  launch(affine_op, x.runtime(), {&in, 1}, {&out, 1}, &attrs);
  out = order.back(out);
  record(out, "affine", {&x}, [&]() -> Backward {
    return [scale_by](const Tensor& g) { return std::vector{affine(g, scale_by, 0.0f)}; };
  });
  return out;
}

namespace {

Tensor reduce(Reduce fn, const Tensor& x, int dim, bool keep) {
  if (dim < 0) dim += x.rank();
  expect(dim >= 0 && dim < x.rank(), "reduce", x.str(), " has no such dimension");
  const Tensor last = x.transpose(dim, -1);
  Shape shape = last.shape();
  shape[-1] = 1;
  Shape reduced;
  for (int i = 0; i + 1 < shape.rank(); ++i) reduced.push_back(shape[i]);
  Tensor out = Tensor::empty(x.runtime(), reduced, x.dtype() == f64 ? f64 : f32);
  const ReduceAttrs attrs{fn};
  launch(reduce_op, x.runtime(), {&last, 1}, {&out, 1}, &attrs);
  out = out.unsqueeze(-1).transpose(dim, -1);
  return keep ? out : contiguous(out).squeeze(dim);
}

}  // namespace

Tensor sum(const Tensor& x, int dim, bool keep) {
  Tensor out = reduce(Reduce::sum, x, dim, keep);
  record(out, "sum", {&x}, [&]() -> Backward {
    return [shape = x.shape(), dim = dim < 0 ? dim + x.rank() : dim, keep](const Tensor& g) {
      return std::vector{contiguous((keep ? g : g.unsqueeze(dim)).expand(shape))};
    };
  });
  return out;
}

Tensor max(const Tensor& x, int dim, bool keep) { return reduce(Reduce::max, x.detach(), dim, keep); }

Tensor mean(const Tensor& x, int dim, bool keep) {
  return scale(sum(x, dim, keep), 1.0f / static_cast<float>(x.size(dim)));
}

Tensor sum_all(const Tensor& x) {
  Tensor flat = reshape(x, {x.numel()});
  return sum(flat, 0);
}

Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b) {
  const Shape shape = broadcast(a, b);
  Tensor out = Tensor::empty(a.runtime(), shape, result_dtype(a, b));
  const Tensor in[] = {mask.expand(shape), a.expand(shape), b.expand(shape)};
  launch(where_op, a.runtime(), in, {&out, 1});
  record(out, "where", {&a, &b}, [&]() -> Backward {
    return [mask, sa = a.shape(), sb = b.shape()](const Tensor& g) {
      const Tensor zero = affine(g, 0.0f, 0.0f);
      return std::vector{sum_to(where(mask, g, zero), sa), sum_to(where(mask, zero, g), sb)};
    };
  });
  return out;
}

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype && x.is_contiguous()) return x;
  Tensor out = Tensor::empty(x.runtime(), x.shape(), dtype);
  launch(copy_op, x.runtime(), {&x, 1}, {&out, 1});
  record(out, "cast", {&x}, [&]() -> Backward {
    return [to = x.dtype()](const Tensor& g) { return std::vector{cast(g, to == f64 ? f64 : f32)}; };
  });
  return out;
}

Tensor contiguous(const Tensor& x) { return x.is_contiguous() ? x : cast(x, x.dtype()); }

namespace {

// With a backward in one pass, where the backend has one; else undefined.
Tensor gated_recorded(Unary act, const Tensor& gate, const Tensor& up) {
  Runtime& rt = gate.runtime();
  const bool plain = gate.dtype() == f32 && up.dtype() == f32 && gate.is_contiguous() && up.is_contiguous();
  if (!plain || act != Unary::silu || !has_kernel(gated_grad_op, rt)) return {};
  Tensor out = Tensor::empty(rt, gate.shape(), f32);
  const Tensor in[] = {gate.detach(), up.detach()};
  const GatedAttrs attrs{act};
  if (!try_launch(gated_op, rt, in, {&out, 1}, &attrs)) return {};
  record(out, "gated", {&gate, &up}, [&]() -> Backward {
    return [gate = in[0], up = in[1], attrs](const Tensor& g) {
      std::vector<Tensor> grads{Tensor::empty(gate.runtime(), gate.shape(), f32), Tensor::empty(gate.runtime(), gate.shape(), f32)};
      const Tensor of[] = {gate, up, contiguous(g)};
      expect(try_launch(gated_grad_op, gate.runtime(), of, grads, &attrs), "gated", "no backward for ", gate.str());
      return grads;
    };
  });
  return out;
}

}  // namespace

Tensor gated(Unary act, const Tensor& gate, const Tensor& up) {
  expect(gate.shape() == up.shape(), "gated", gate.str(), " and ", up.str(), " differ");
  if (!wants_grad({&gate, &up}) && gate.dtype() == f32 && up.dtype() == f32) {
    Tensor out = Tensor::empty(gate.runtime(), gate.shape(), f32);
    const Tensor in[] = {gate, up};
    const GatedAttrs attrs{act};
    if (try_launch(gated_op, gate.runtime(), in, {&out, 1}, &attrs)) return out;
  }
  if (Tensor out = gated_recorded(act, gate, up); out.defined()) return out;
  return mul(unary(act, gate), up);
}

}  // namespace tashika::ops
