// Writing safetensors files: durable, data aligned for every dtype.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tensor/weights.h"

namespace tashika {

class DurableFile;

using SafetensorsMetadata = std::vector<std::pair<std::string, std::string>>;

// The order in which the data lies: larger elements first (so that all are aligned), then by name.
std::vector<WeightInfo> safetensors_order(std::vector<WeightInfo> tensors);
// Length and JSON of a file that holds `tensors` in this order; a multiple of 8 bytes long. Throws for a dtype that the
// format lacks, a duplicate name or a header beyond the format's limit.
std::string safetensors_header(const std::vector<WeightInfo>& tensors, const SafetensorsMetadata& metadata);

// Streams a file: the header at once, then the bytes of order()'s tensors one after the other, in pieces of any size.
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::string& path, std::vector<WeightInfo> tensors, const SafetensorsMetadata& metadata);
  ~SafetensorsWriter();
  const std::vector<WeightInfo>& order() const { return order_; }
  void write(std::span<const std::byte> bytes);
  void commit();  // throws when not exactly all bytes were written

 private:
  std::vector<WeightInfo> order_;
  std::uint64_t total_ = 0;
  std::unique_ptr<DurableFile> file_;
};

// Contiguous tensors of a host runtime.
void save_safetensors(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                      const SafetensorsMetadata& metadata = {});

}  // namespace tashika
