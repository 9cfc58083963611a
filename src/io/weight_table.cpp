#include "io/weight_table.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/reader.h"
#include "tensor/runtime.h"

namespace tashika {

const WeightInfo* WeightTable::find(std::string_view name) const {
  const auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                   [this](std::uint32_t i, std::string_view key) { return infos_[i].name < key; });
  return at != by_name_.end() && infos_[*at].name == name ? &infos_[*at] : nullptr;
}

const WeightTable::Part& WeightTable::part_of(std::size_t index) const {
  auto part = parts_.end();
  while ((--part)->first_tensor > index) {
  }
  return *part;
}

std::span<const std::byte> WeightTable::bytes(std::size_t index) const {
  return part_of(index).bytes.subspan(ranges_[index].begin, ranges_[index].size);
}

Tensor WeightTable::load(std::string_view name, Runtime& rt) const {
  const WeightInfo* info = find(name);
  if (!info) fail(origin_, ": has no tensor \"", printable(name), "\"");
  if (rt.is_meta()) return Tensor::empty(rt, info->shape, info->dtype);
  const auto index = static_cast<std::size_t>(info - infos_.data());
  const auto data = bytes(index);
  const auto address = reinterpret_cast<std::uintptr_t>(data.data());
  // Blocks are read as bytes and 16-bit scales.
  const std::uintptr_t alignment = info->dtype.is_block() ? 2 : static_cast<std::uintptr_t>(info->dtype->bytes);
  if (address % alignment != 0) return Tensor::from_bytes(rt, info->shape, info->dtype, data);
  return Tensor::map(rt, info->shape, info->dtype, data, part_of(index).owner);
}

void WeightTable::index_names() {
  by_name_.resize(infos_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(),
            [this](std::uint32_t a, std::uint32_t b) { return infos_[a].name < infos_[b].name; });
  const auto twin = std::adjacent_find(by_name_.begin(), by_name_.end(), [this](std::uint32_t a, std::uint32_t b) {
    return infos_[a].name == infos_[b].name;
  });
  if (twin != by_name_.end()) fail(origin_, ": tensor \"", printable(infos_[*twin].name), "\" appears twice");
}

bool tensor_bytes(const Shape& shape, DType dtype, std::uint64_t& bytes) {
  constexpr std::uint64_t most = INT64_MAX;
  std::uint64_t nonzero = 1;
  bool empty = false;
  for (const std::int64_t dim : shape.dims()) {
    if (dim < 0) return false;
    empty = empty || dim == 0;
    const auto product = checked_mul(nonzero, dim == 0 ? 1 : static_cast<std::uint64_t>(dim));
    if (!product || *product > most) return false;
    nonzero = *product;
  }
  const auto total =
      checked_mul(nonzero / static_cast<std::uint64_t>(dtype->block), static_cast<std::uint64_t>(dtype->bytes));
  if (!total || *total > most) return false;
  bytes = empty ? 0 : *total;
  return true;
}

}  // namespace tashika
