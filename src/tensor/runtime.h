// Runtime: owns what a computation needs. Nothing is global; several may live side by side.
//
// It holds the kernel table of its backend, the thread pool, a recycling allocator with a byte
// budget, the numeric mode and the cancellation flag. A Runtime must outlive its tensors. One
// thread at a time runs ops on a Runtime; the ops themselves use the pool.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/storage.h"

namespace tashika {

class Log;
class ThreadPool;
class KernelTable;  // backend/backend.h
class Profiler;     // backend/profile.h

enum class ComputeMode {
  fast,   // `auto`: quantised and bf16 arithmetic where the weights allow it
  exact,  // `f32`: weights widened, all arithmetic in f32
};

struct RuntimeOptions {
  std::string backend = "cpu";  // name of a registered backend: cpu, ref; "meta" has shapes only
  int threads = 0;              // 0: the cores that affinity and the cgroup allow
  ComputeMode compute = ComputeMode::fast;
  std::int64_t memory_budget = 0;  // bytes of live allocations; 0: no limit
};

struct MemoryUse {
  std::int64_t live = 0;  // bytes handed out now
  std::int64_t peak = 0;  // highest `live` since the last reset
};

class Runtime {
 public:
  // `kernels` may be null: a meta runtime. Built by registry/ for programs, by hand in tests.
  Runtime(std::string name, std::shared_ptr<const KernelTable> kernels, const RuntimeOptions& options);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const std::string& name() const { return name_; }
  bool is_meta() const { return kernels_ == nullptr; }
  const KernelTable& kernels() const { return *kernels_; }
  ThreadPool& pool() { return *pool_; }
  ComputeMode compute() const { return compute_; }

  // Throws Error(limit) when the budget would be passed. 64-byte aligned, contents undefined.
  StorageRef allocate(std::int64_t bytes);
  StorageRef adopt(std::byte* data, std::int64_t bytes, std::shared_ptr<const void> owner);
  void trim();  // gives recycled blocks back to the system
  MemoryUse memory() const;
  void reset_peak();

  // Set by a signal handler or another thread; models look at it between layers.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  void clear_cancel() { cancelled_.store(false, std::memory_order_relaxed); }
  void throw_if_cancelled() const;

  Profiler* profiler = nullptr;  // not owned; null: off
  Log* log = nullptr;            // not owned; null: silent. Told, at debug, which fused ops had to be composed

 private:
  friend class StorageRef;
  void recycle(Storage* storage);

  std::string name_;
  std::shared_ptr<const KernelTable> kernels_;
  std::unique_ptr<ThreadPool> pool_;
  ComputeMode compute_;
  std::int64_t budget_;
  std::atomic<bool> cancelled_{false};
  struct Arena;
  std::unique_ptr<Arena> arena_;
};

}  // namespace tashika
