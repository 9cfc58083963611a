// Elementwise results keep their input's memory order: a channels-last image stays channels-last.
#pragma once

#include <array>
#include <span>

#include "tensor/tensor.h"

namespace tashika::ops {

// The permutation that makes a dense tensor's memory row-major, and its inverse; the identity for
// tensors that are contiguous or have gaps or repeated elements.
struct MemoryOrder {
  explicit MemoryOrder(const Tensor& like);
  Tensor into(const Tensor& t) const { return identity_ ? t : t.permute(span(order_)); }      // logical to memory order
  Tensor back(const Tensor& t) const { return identity_ ? t : t.permute(span(inverse_)); }    // memory to logical order

 private:
  std::span<const int> span(const std::array<int, Shape::max_rank>& a) const { return {a.data(), static_cast<std::size_t>(rank_)}; }
  bool identity_ = true;
  int rank_ = 0;
  std::array<int, Shape::max_rank> order_{}, inverse_{};
};

}  // namespace tashika::ops
