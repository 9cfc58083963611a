// Shape ops with gradients (views where possible), concatenation, gathering and scattering of rows.
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace tashika::ops {

Tensor reshape(const Tensor& x, const Shape& shape);  // copies only when x is not contiguous
Tensor transpose(const Tensor& x, int a, int b);
Tensor slice(const Tensor& x, int dim, std::int64_t begin, std::int64_t end);
Tensor concat(std::span<const Tensor> parts, int dim);

// Rows of a table [n, ...] of any dtype by i32 ids of any shape, as f32. Error(input) when an id is out of range.
Tensor gather_rows(const Tensor& table, const Tensor& ids);
// [n, ...] with rows[i] added to row ids[i], in ascending i.
Tensor scatter_add(const Tensor& rows, const Tensor& ids, std::int64_t n);

}  // namespace tashika::ops
