#include "ops/layout.h"

#include "backend/contract/elementwise.h"
#include "ops/autograd.h"
#include "ops/elementwise.h"
#include "ops/launch.h"

namespace tashika::ops {

Tensor reshape(const Tensor& x, const Shape& shape) {
  Tensor out = contiguous(x).view(shape);
  record(out, "reshape", {&x}, [&]() -> Backward {
    return [shape = x.shape()](const Tensor& g) { return std::vector{contiguous(g).view(shape)}; };
  });
  return out;
}

Tensor transpose(const Tensor& x, int a, int b) {
  Tensor out = x.transpose(a, b);
  record(out, "transpose", {&x}, [&]() -> Backward {
    return [a, b](const Tensor& g) { return std::vector{g.transpose(a, b)}; };
  });
  return out;
}

Tensor slice(const Tensor& x, int dim, std::int64_t begin, std::int64_t end) {
  if (dim < 0) dim += x.rank();
  Tensor out = x.slice(dim, begin, end);
  record(out, "slice", {&x}, [&]() -> Backward {
    return [shape = x.shape(), dim, begin, end](const Tensor& g) {
      std::vector<Tensor> parts;
      Shape before = shape, after = shape;
      before[dim] = begin;
      after[dim] = shape[dim] - end;
      if (begin > 0) parts.push_back(cast(Tensor::full(g.runtime(), before, 0.0f), g.dtype()));
      parts.push_back(g);
      if (after[dim] > 0) parts.push_back(cast(Tensor::full(g.runtime(), after, 0.0f), g.dtype()));
      return std::vector{concat(parts, dim)};
    };
  });
  return out;
}

Tensor concat(std::span<const Tensor> parts, int dim) {
  expect(!parts.empty(), "concat", "no tensors");
  Shape shape = parts[0].shape();
  if (dim < 0) dim += shape.rank();
  shape[dim] = 0;
  for (const Tensor& part : parts) {
    expect(part.rank() == shape.rank() && part.dtype() == parts[0].dtype(), "concat", part.str(), " beside ", parts[0].str());
    shape[dim] += part.size(dim);
  }
  Tensor out = Tensor::empty(parts[0].runtime(), shape, parts[0].dtype());
  std::int64_t outer = 1, inner = 1;
  for (int i = 0; i < dim; ++i) outer *= shape[i];
  for (int i = dim + 1; i < shape.rank(); ++i) inner *= shape[i];
  std::vector<Tensor> flat;
  for (const Tensor& part : parts) flat.push_back(contiguous(part).view({outer, part.size(dim), inner}));
  Tensor flat_out = out.view({outer, shape[dim], inner});
  launch(concat_op, out.runtime(), flat, {&flat_out, 1});
  bool wants = false;
  for (const Tensor& part : parts) wants = wants || part.requires_grad();
  if (wants) {
    auto node = std::make_shared<GradNode>();
    node->op = "concat";
    std::vector<std::int64_t> sizes;
    for (const Tensor& part : parts) {
      node->inputs.push_back(part.grad_node());
      sizes.push_back(part.size(dim));
    }
    node->backward = [sizes, dim](const Tensor& g) {
      std::vector<Tensor> grads;
      std::int64_t begin = 0;
      for (const std::int64_t n : sizes) {
        grads.push_back(contiguous(g.slice(dim, begin, begin + n)));
        begin += n;
      }
      return grads;
    };
    out.set_grad_node(std::move(node));
  }
  return out;
}

Tensor gather_rows(const Tensor& table, const Tensor& ids) {
  expect(table.rank() >= 2 && ids.dtype() == i32, "gather_rows", table.str(), " by ", ids.str());
  if (!ids.is_meta()) {
    for (const std::int64_t id : ids.to_host_int()) {
      if (id < 0 || id >= table.size(0)) fail("id ", id, " is out of range: there are ", table.size(0));
    }
  }
  Shape shape = ids.shape();
  for (int i = 1; i < table.rank(); ++i) shape.push_back(table.size(i));
  Tensor out = Tensor::empty(table.runtime(), shape, table.dtype() == f64 ? f64 : f32);
  const Tensor in[] = {table, ids};
  launch(gather_rows_op, table.runtime(), in, {&out, 1});
  record(out, "gather_rows", {&table}, [&]() -> Backward {
    return [ids, shape = table.shape()](const Tensor& g) {
      Shape rows = shape;
      rows[0] = ids.numel();
      return std::vector{scatter_add(contiguous(g).view(rows), ids.view({ids.numel()}), shape[0])};
    };
  });
  return out;
}

Tensor scatter_add(const Tensor& rows, const Tensor& ids, std::int64_t n) {
  expect(ids.rank() == 1 && ids.size(0) == rows.size(0), "scatter_add", rows.str(), " by ", ids.str());
  Shape shape = rows.shape();
  shape[0] = n;
  Tensor out = Tensor::empty(rows.runtime(), shape, rows.dtype());
  const Tensor in[] = {rows, ids};
  launch(scatter_add_op, rows.runtime(), in, {&out, 1});
  record(out, "scatter_add", {&rows}, [&]() -> Backward {
    return [ids](const Tensor& g) { return std::vector{gather_rows(g, ids)}; };
  });
  return out;
}

}  // namespace tashika::ops
