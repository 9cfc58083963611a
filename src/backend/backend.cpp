#include "backend/backend.h"

#include <algorithm>
#include <bit>

namespace tashika {
namespace {

std::size_t hash(const OpId* op) { return (reinterpret_cast<std::uintptr_t>(op) >> 4) * 0x9e3779b97f4a7c15ull >> 32; }

}  // namespace

KernelTable::KernelTable(std::span<const KernelFile* const> files, std::string_view isa) : isa_(isa) {
  for (const KernelFile* file : files) kernels_.insert(kernels_.end(), file->kernels.begin(), file->kernels.end());
  std::stable_sort(kernels_.begin(), kernels_.end(), [](const Kernel& a, const Kernel& b) { return a.op < b.op; });
  ranges_.resize(std::bit_ceil(kernels_.size() * 2 + 2), Range{nullptr, 0, 0});
  const std::size_t mask = ranges_.size() - 1;
  for (std::uint32_t begin = 0; begin < kernels_.size();) {
    std::uint32_t end = begin;
    while (end < kernels_.size() && kernels_[end].op == kernels_[begin].op) ++end;
    std::size_t slot = hash(kernels_[begin].op) & mask;
    while (ranges_[slot].op != nullptr) slot = (slot + 1) & mask;
    ranges_[slot] = {kernels_[begin].op, begin, end};
    begin = end;
  }
}

const Kernel* KernelTable::find(const OpId& op, const Call& call) const {
  const std::size_t mask = ranges_.size() - 1;
  for (std::size_t slot = hash(&op) & mask; ranges_[slot].op != nullptr; slot = (slot + 1) & mask) {
    if (ranges_[slot].op != &op) continue;
    for (std::uint32_t i = ranges_[slot].begin; i < ranges_[slot].end; ++i) {
      if (kernels_[i].accepts == nullptr || kernels_[i].accepts(call)) return &kernels_[i];
    }
    return nullptr;
  }
  return nullptr;
}

bool KernelTable::has(const OpId& op) const {
  return std::ranges::any_of(kernels_, [&](const Kernel& k) { return k.op == &op; });
}

}  // namespace tashika
