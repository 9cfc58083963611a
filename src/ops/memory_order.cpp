#include "ops/memory_order.h"

#include <algorithm>

namespace tashika::ops {

MemoryOrder::MemoryOrder(const Tensor& like) : rank_(like.rank()) {
  if (like.is_contiguous() || like.numel() == 0) return;
  for (int i = 0; i < rank_; ++i) order_[static_cast<std::size_t>(i)] = i;
  std::stable_sort(order_.begin(), order_.begin() + rank_, [&](int a, int b) { return like.strides()[a] > like.strides()[b]; });
  if (!like.permute(span(order_)).is_contiguous()) return;
  for (int i = 0; i < rank_; ++i) inverse_[static_cast<std::size_t>(order_[static_cast<std::size_t>(i)])] = i;
  identity_ = false;
}

}  // namespace tashika::ops
