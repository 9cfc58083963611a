// What kernels ask of their Runtime: the instruction set, threads and scratch memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/backend.h"
#include "backend/cpu/isa.h"
#include "base/thread_pool.h"
#include "tensor/storage.h"

namespace tashika::cpu {

class CpuTable : public KernelTable {
 public:
  CpuTable(std::span<const KernelFile* const> files, Isa isa, std::string_view name)
      : KernelTable(files, name), isa_level_(isa) {}
  Isa isa_level() const { return isa_level_; }

 private:
  Isa isa_level_;
};

// Every Runtime that runs these kernels was built with cpu_kernels().
inline Isa isa_of(const Call& call) { return static_cast<const CpuTable&>(call.rt.kernels()).isa_level(); }
inline bool exact(const Call& call) { return call.rt.compute() == ComputeMode::exact; }

// Temporary memory of one kernel call, from the Runtime's recycling allocator: made once before
// the fork, never in a chunk. Slices are 64-byte aligned and a cache line apart.
class Scratch {
 public:
  // `each` bytes for every thread of the pool.
  static Scratch per_thread(Runtime& rt, std::int64_t each) { return Scratch(rt, each, rt.pool().threads()); }
  static Scratch shared(Runtime& rt, std::int64_t bytes) { return Scratch(rt, bytes, 1); }

  template <typename T>
  T* get(int slice = 0) const {
    return reinterpret_cast<T*>(storage_->data() + slice * step_);
  }

 private:
  Scratch(Runtime& rt, std::int64_t each, int count)
      : step_((each + 63) / 64 * 64 + 64), storage_(rt.allocate(step_ * count)) {}
  std::int64_t step_;
  StorageRef storage_;
};

// body(begin, end, thread) over [0, count) items that cost about `cost` element operations each:
// inline when the whole is too small for a fork to pay.
inline constexpr std::int64_t fork_threshold = 16384;
template <typename Body>
void for_items(const Call& call, std::int64_t count, std::int64_t cost, const Body& body) {
  const std::int64_t each = cost > 0 ? cost : 1;
  const std::int64_t grain = (fork_threshold + each - 1) / each;
  call.rt.pool().parallel_for(count, grain, body);
}

}  // namespace tashika::cpu
