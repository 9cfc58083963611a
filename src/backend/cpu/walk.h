// Walking several tensors of one shape together, whatever their strides.
//
// Dimensions are taken in the memory order of the first operand, and those that lie together in every operand
// are merged: contiguous tensors, and channels-last ones beside each other, become one long row. What is left is
// walked in pieces of at most `walk_piece` elements of the innermost dimension.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "backend/backend.h"
#include "backend/cpu/isa/elementwise.h"
#include "backend/cpu/table.h"

namespace tashika::cpu {

inline constexpr std::int64_t walk_piece = 1024;  // a multiple of every block size

template <int operands>
class Walk {
 public:
  // All tensors have the same shape; the first is usually the output.
  explicit Walk(const std::array<const Tensor*, operands>& tensors) {
    const Shape& shape = tensors[0]->shape();
    std::array<int, Shape::max_rank> order{};
    for (int d = 0; d < shape.rank(); ++d) {  // by descending stride, equal ones as they come
      int at = d;
      for (; at > 0 && tensors[0]->strides()[order[at - 1]] < tensors[0]->strides()[d]; --at) order[at] = order[at - 1];
      order[at] = d;
    }
    for (int i = 0; i < shape.rank(); ++i) {
      const int d = order[i];
      if (shape[d] == 1) continue;
      bool merge = rank_ > 0;
      for (int k = 0; k < operands && merge; ++k) merge = strides_[k][rank_ - 1] == tensors[k]->strides()[d] * shape[d];
      if (!merge) ++rank_;
      size_[rank_ - 1] = merge ? size_[rank_ - 1] * shape[d] : shape[d];
      for (int k = 0; k < operands; ++k) strides_[k][rank_ - 1] = tensors[k]->strides()[d];
    }
    if (rank_ == 0) {
      rank_ = 1;
      size_[0] = shape.numel() == 0 ? 0 : 1;
      for (int k = 0; k < operands; ++k) strides_[k][0] = 1;
    }
    rows_ = 1;
    for (int d = 0; d + 1 < rank_; ++d) rows_ *= size_[d];
    inner_ = size_[rank_ - 1];
    pieces_ = (inner_ + walk_piece - 1) / walk_piece;
    for (int k = 0; k < operands; ++k) {
      data_[k] = tensors[k]->data();
      dtype_[k] = tensors[k]->dtype();
    }
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t inner() const { return inner_; }
  std::int64_t units() const { return rows_ * pieces_; }
  std::int64_t stride(int k) const { return strides_[k][rank_ - 1]; }  // of the inner dimension
  std::int64_t unit_elements() const { return inner_ < walk_piece ? inner_ : walk_piece; }

  struct Piece {
    std::array<std::byte*, operands> at;  // first element of each operand
    std::int64_t n;
  };
  Piece unit(std::int64_t u) const {
    std::int64_t row = u / pieces_;
    const std::int64_t begin = (u - row * pieces_) * walk_piece;
    std::array<std::int64_t, operands> offset;
    for (int k = 0; k < operands; ++k) offset[k] = begin * strides_[k][rank_ - 1];
    for (int d = rank_ - 2; d >= 0; --d) {
      const std::int64_t next = row / size_[d], index = row - next * size_[d];
      for (int k = 0; k < operands; ++k) offset[k] += index * strides_[k][d];
      row = next;
    }
    Piece piece;
    piece.n = inner_ - begin < walk_piece ? inner_ - begin : walk_piece;
    for (int k = 0; k < operands; ++k) piece.at[k] = data_[k] + dtype_[k].row_bytes(offset[k]);
    return piece;
  }

 private:
  int rank_ = 0;
  std::array<std::int64_t, Shape::max_rank> size_{};
  std::array<std::array<std::int64_t, Shape::max_rank>, operands> strides_{};
  std::array<std::byte*, operands> data_{};
  std::array<DType, operands> dtype_{};
  std::int64_t rows_ = 0, inner_ = 0, pieces_ = 0;
};

// n elements from `at`, `stride` apart, as f32: a pointer to them where they lie when they are
// contiguous f32, else into `buffer`.
inline const float* read_f32(const ElementwiseFns& fns, DType dtype, const std::byte* at, std::int64_t stride,
                             std::int64_t n, float* buffer) {
  if (stride == 1 || n == 1 || dtype.is_block()) {
    if (dtype == f32) return reinterpret_cast<const float*>(at);
    if (dtype == f16) fns.from_f16(at, buffer, n);
    else if (dtype == bf16) fns.from_bf16(at, buffer, n);
    else dtype->decode(at, buffer, n);
    return buffer;
  }
  if (stride == 0) {
    dtype->decode(at, buffer, 1);
    for (std::int64_t i = 1; i < n; ++i) buffer[i] = buffer[0];
  } else if (dtype == f32) {
    const float* x = reinterpret_cast<const float*>(at);
    for (std::int64_t i = 0; i < n; ++i) buffer[i] = x[i * stride];
  } else {
    for (std::int64_t i = 0; i < n; ++i) dtype->decode(at + i * stride * dtype->bytes, buffer + i, 1);
  }
  return buffer;
}

// Where f32 results for n contiguous elements of `dtype` go: straight to `at`, or `buffer` for write_f32().
inline float* write_target(DType dtype, std::byte* at, float* buffer) {
  return dtype == f32 ? reinterpret_cast<float*>(at) : buffer;
}
inline void write_f32(const ElementwiseFns& fns, DType dtype, const float* values, std::byte* at, std::int64_t n) {
  if (dtype == f32) return;
  if (dtype == f16) fns.to_f16(values, at, n);
  else if (dtype == bf16) fns.to_bf16(values, at, n);
  else dtype->encode(values, at, n);
}

// Types that f32 arithmetic may read and write.
inline bool computable(const Tensor& t) { return t.dtype()->decode != nullptr && t.dtype() != f64; }
inline bool writable(const Tensor& t) { return t.dtype()->encode != nullptr && !t.dtype().is_block() && t.dtype() != f64; }

}  // namespace tashika::cpu
