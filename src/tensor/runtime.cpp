#include "tensor/runtime.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <new>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread_pool.h"

namespace tashika {

// Blocks are kept by capacity and handed out again, so that a warm decode step asks the system for
// nothing. Capacities are rounded up to an eighth of their power of two: at most 12.5 % is wasted.
struct Runtime::Arena {
  std::mutex mutex;
  std::multimap<std::int64_t, Storage*> free_blocks;
  Storage* free_handles = nullptr;  // handles without memory
  MemoryUse use;
  std::int64_t cached = 0;

  static std::int64_t round_up(std::int64_t bytes) {
    if (bytes <= 1024) return 1024;
    const auto power = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(bytes)));
    const std::int64_t step = std::max<std::int64_t>(power / 8, 1024);
    return (bytes + step - 1) / step * step;
  }

  Storage* handle() {
    if (free_handles == nullptr) return new Storage;
    return std::exchange(free_handles, free_handles->next_free_);
  }

  void drop_blocks() {
    for (auto& [capacity, block] : free_blocks) {
      std::free(block->data_);
      delete block;
    }
    free_blocks.clear();
    cached = 0;
  }
};

Runtime::Runtime(std::string name, std::shared_ptr<const KernelTable> kernels, const RuntimeOptions& options)
    : name_(std::move(name)),
      kernels_(std::move(kernels)),
      pool_(std::make_unique<ThreadPool>(is_meta() ? 1 : options.threads > 0 ? options.threads : usable_cores())),
      compute_(options.compute),
      budget_(options.memory_budget),
      arena_(std::make_unique<Arena>()) {}

Runtime::~Runtime() {
  arena_->drop_blocks();
  while (arena_->free_handles != nullptr) delete std::exchange(arena_->free_handles, arena_->free_handles->next_free_);
}

StorageRef Runtime::allocate(std::int64_t bytes) {
  check(bytes >= 0, "negative allocation");
  std::lock_guard lock(arena_->mutex);
  Arena& arena = *arena_;
  if (budget_ > 0 && arena.use.live + bytes > budget_) {
    fail_with(ErrorKind::limit, cat("memory budget of ", budget_, " bytes would be passed: ", arena.use.live,
                                    " in use, ", bytes, " more asked for; use a shorter context or a larger budget"));
  }
  Storage* storage = nullptr;
  if (is_meta()) {
    storage = arena.handle();
    storage->data_ = nullptr;
    storage->capacity_ = 0;
  } else {
    const std::int64_t capacity = Arena::round_up(bytes);
    const auto it = arena.free_blocks.lower_bound(capacity);
    if (it != arena.free_blocks.end() && it->first <= capacity + capacity / 4) {
      storage = it->second;
      arena.cached -= it->first;
      arena.free_blocks.erase(it);
    } else {
      void* memory = allocate_memory(capacity);
      if (memory == nullptr) fail_with(ErrorKind::limit, cat("out of memory: ", bytes, " bytes could not be allocated"));
      storage = arena.handle();
      storage->data_ = static_cast<std::byte*>(memory);
      storage->capacity_ = capacity;
    }
  }
  storage->bytes_ = bytes;
  storage->runtime_ = this;
  arena.use.live += bytes;
  arena.use.peak = std::max(arena.use.peak, arena.use.live);
  return StorageRef(storage);
}

StorageRef Runtime::adopt(std::byte* data, std::int64_t bytes, std::shared_ptr<const void> owner) {
  std::lock_guard lock(arena_->mutex);
  Storage* storage = arena_->handle();
  storage->data_ = is_meta() ? nullptr : data;
  storage->bytes_ = bytes;
  storage->capacity_ = -1;  // not ours
  storage->runtime_ = this;
  storage->owner_ = std::move(owner);
  return StorageRef(storage);
}

void Runtime::recycle(Storage* storage) {
  std::shared_ptr<const void> owner;  // released after the lock
  std::lock_guard lock(arena_->mutex);
  Arena& arena = *arena_;
  owner = std::move(storage->owner_);
  if (storage->capacity_ >= 0) arena.use.live -= storage->bytes_;
  if (storage->capacity_ > 0) {
    arena.free_blocks.emplace(storage->capacity_, storage);
    arena.cached += storage->capacity_;
    return;
  }
  storage->data_ = nullptr;
  storage->next_free_ = arena.free_handles;
  arena.free_handles = storage;
}

void Runtime::trim() {
  std::lock_guard lock(arena_->mutex);
  arena_->drop_blocks();
}

MemoryUse Runtime::memory() const {
  std::lock_guard lock(arena_->mutex);
  return arena_->use;
}

void Runtime::reset_peak() {
  std::lock_guard lock(arena_->mutex);
  arena_->use.peak = arena_->use.live;
}

void Runtime::throw_if_cancelled() const {
  if (cancelled_.load(std::memory_order_relaxed)) fail_with(ErrorKind::cancelled, "interrupted");
}

void StorageRef::release() {
  if (storage_ != nullptr && storage_->refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    storage_->runtime_->recycle(storage_);
  }
}

}  // namespace tashika
