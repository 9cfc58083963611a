// What both weight formats share: the list of tensors with their bytes, found by name.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/weights.h"

namespace tashika {

class MappedFile;

class WeightTable : public WeightSource {
 public:
  const std::vector<WeightInfo>& list() const override { return infos_; }
  const WeightInfo* find(std::string_view name) const override;
  // A view of the bytes where they lie. Only a plain tensor that is not aligned for its element type (safetensors
  // allows that) is copied.
  Tensor load(std::string_view name, Runtime& rt) const override;
  std::string origin() const override { return origin_; }

  // The bytes of list()[index]. They live as long as any tensor loaded from here, or this object.
  std::span<const std::byte> bytes(std::size_t index) const;

 protected:
  struct Part {  // one file
    std::string name;
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
    std::size_t first_tensor = 0;
  };
  struct Range {  // in its part's bytes
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
  };

  // Sorts names for find(); throws when two tensors share one.
  void index_names();

  std::string origin_;
  std::vector<Part> parts_;
  std::vector<WeightInfo> infos_;
  std::vector<Range> ranges_;  // beside infos_

 private:
  const Part& part_of(std::size_t index) const;
  std::vector<std::uint32_t> by_name_;
};

// Bytes of a tensor, or nothing when they do not fit in 63 bits. Every dimension is at least 0; the product of those
// that are not 0 must fit too, so that strides can be computed.
bool tensor_bytes(const Shape& shape, DType dtype, std::uint64_t& bytes);

}  // namespace tashika
