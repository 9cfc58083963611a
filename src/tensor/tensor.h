// Tensor: a value handle on shared storage. Copies are cheap, views are free.
//
// A tensor knows its dtype, shape (outermost first, as in PyTorch), strides (in elements) and the
// Runtime that owns its device, allocator and kernels. Rows of a block-quantised tensor are opaque:
// its last dimension is always contiguous and views may cut it at block boundaries only. On a meta
// runtime tensors have shapes and no bytes.
//
// Only backend/ reads or writes a tensor's bytes through data(); everyone else uses to_host() and
// from_host(). Shape errors are Error(internal) when the program is wrong; loading code checks
// shapes that come from files before it builds views.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

namespace tashika {

class Runtime;
struct GradNode;

class Tensor {
 public:
  Tensor() = default;

  // Uninitialised contiguous tensor from the runtime's allocator.
  static Tensor empty(Runtime& rt, const Shape& shape, DType dtype);
  static Tensor zeros(Runtime& rt, const Shape& shape, DType dtype);
  static Tensor full(Runtime& rt, const Shape& shape, float value);  // f32
  static Tensor from_host(Runtime& rt, const Shape& shape, std::span<const float> values);  // f32
  static Tensor from_host(Runtime& rt, const Shape& shape, std::span<const std::int32_t> values);  // i32
  static Tensor from_bytes(Runtime& rt, const Shape& shape, DType dtype, std::span<const std::byte> bytes);
  // A read-only view of memory that `owner` keeps alive (a mapped file).
  static Tensor map(Runtime& rt, const Shape& shape, DType dtype, std::span<const std::byte> bytes,
                    std::shared_ptr<const void> owner);

  bool defined() const { return storage_ != nullptr; }
  explicit operator bool() const { return defined(); }
  Runtime& runtime() const;
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }
  int rank() const { return shape_.rank(); }
  std::int64_t size(int dim) const { return shape_[dim]; }
  std::int64_t numel() const { return shape_.numel(); }
  std::int64_t nbytes() const;  // of the elements seen, as if contiguous
  bool is_contiguous() const;
  bool is_meta() const;
  std::string str() const;  // "f32[2, 3]"

  // Views: they share storage and never copy.
  Tensor view(const Shape& shape) const;  // contiguous tensors; one dimension may be -1
  Tensor slice(int dim, std::int64_t begin, std::int64_t end) const;
  Tensor select(int dim, std::int64_t index) const;  // slice of one, dimension dropped
  Tensor transpose(int a, int b) const;
  Tensor permute(std::span<const int> order) const;
  Tensor permute(std::initializer_list<int> order) const;
  Tensor unsqueeze(int dim) const;
  Tensor squeeze(int dim) const;
  Tensor expand(const Shape& shape) const;  // size-1 dimensions repeated by stride 0
  Tensor strided(const Shape& shape, const Shape& strides, std::int64_t offset = 0) const;  // offset in elements

  // Backend only.
  std::byte* data() const { return storage_->data() + offset_; }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data());
  }

  // Any dtype and layout to f32 / i64 on the host, in row-major order.
  std::vector<float> to_host() const;
  std::vector<std::int64_t> to_host_int() const;
  float item() const;
  // The raw bytes in row-major order (of a contiguous tensor).
  std::span<const std::byte> bytes() const;

  // Autograd (tensor/tape.h). Null when nothing is recorded.
  const std::shared_ptr<GradNode>& grad_node() const { return grad_; }
  void set_grad_node(std::shared_ptr<GradNode> node) { grad_ = std::move(node); }
  bool requires_grad() const { return grad_ != nullptr; }
  Tensor detach() const;

 private:
  StorageRef storage_;
  std::int64_t offset_ = 0;  // bytes
  DType dtype_;
  Shape shape_;
  Shape strides_;
  std::shared_ptr<GradNode> grad_;
};

}  // namespace tashika
