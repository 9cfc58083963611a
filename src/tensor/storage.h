// Reference-counted bytes behind tensors, recycled by the Runtime that made them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace tashika {

class Runtime;

class Storage {
 public:
  std::byte* data() const { return data_; }  // null on meta
  std::int64_t bytes() const { return bytes_; }
  Runtime& runtime() const { return *runtime_; }

 private:
  friend class StorageRef;
  friend class Runtime;
  std::atomic<std::int32_t> refs_{0};
  std::byte* data_ = nullptr;
  std::int64_t bytes_ = 0;      // asked for
  std::int64_t capacity_ = 0;   // of the recycled block; 0 when the memory is not ours
  Runtime* runtime_ = nullptr;
  std::shared_ptr<const void> owner_;  // keeps mapped memory alive
  Storage* next_free_ = nullptr;
};

// Intrusive pointer; the last one gives the storage back to its Runtime.
class StorageRef {
 public:
  StorageRef() = default;
  explicit StorageRef(Storage* storage) : storage_(storage) { retain(); }
  StorageRef(const StorageRef& other) : storage_(other.storage_) { retain(); }
  StorageRef(StorageRef&& other) noexcept : storage_(std::exchange(other.storage_, nullptr)) {}
  StorageRef& operator=(StorageRef other) noexcept {
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~StorageRef() { release(); }
  Storage* operator->() const { return storage_; }
  Storage* get() const { return storage_; }
  bool operator==(std::nullptr_t) const { return storage_ == nullptr; }
  std::int32_t use_count() const { return storage_ ? storage_->refs_.load(std::memory_order_relaxed) : 0; }

 private:
  void retain() {
    if (storage_) storage_->refs_.fetch_add(1, std::memory_order_relaxed);
  }
  void release();
  Storage* storage_ = nullptr;
};

}  // namespace tashika
