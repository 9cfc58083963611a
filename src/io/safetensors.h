// safetensors: a header of JSON with names, dtypes, shapes and offsets, then the tensors' bytes.
//
//   u64 header length N (at most 100,000,000) | N bytes of JSON, padded with spaces | data
//
// Validated before anything is used: the header is UTF-8 JSON that starts with '{'; names are unique; each range has
// exactly the bytes that shape and dtype need; the ranges cover the data without gap, overlap or trailing bytes. What
// the data says is not looked at, and no page of it is touched.
//
// Source: https://github.com/huggingface/safetensors#format
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/weight_table.h"

namespace tashika {

class Safetensors final : public WeightTable {
 public:
  // A .safetensors file, or a "….safetensors.index.json" whose shards lie beside it.
  static std::unique_ptr<Safetensors> open(const std::string& path);
  // Bytes in memory; `owner` keeps them alive, `what` names them in messages.
  static std::unique_ptr<Safetensors> parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                            std::string what);

  // The strings under "__metadata__", in file order (of the first shard).
  const std::vector<std::pair<std::string, std::string>>& metadata() const { return metadata_; }

 private:
  Safetensors() = default;
  void add_part(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, const std::string& what);
  void open_index(const std::string& path);
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace tashika
