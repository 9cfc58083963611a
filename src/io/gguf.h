// GGUF: one file (or split files) with key-value facts, a tokenizer's tables and tensors, mapped and read where they
// lie.
//
//   "GGUF" | u32 version | u64 tensors | u64 pairs | pairs | tensor infos | padding to general.alignment | data
//
// Little-endian, versions 2 and 3. Validated before anything is used: every length against the bytes that remain,
// types, duplicate keys and names, UTF-8 of keys, names and text, alignment, block divisibility, and that each tensor's
// range is aligned, inside the file and shares no byte with another. No page of the data is touched.
//
// Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/weight_table.h"

namespace tashika {

// The numbers are the file format's.
enum class GgufType : std::uint32_t {
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  float32,
  truth,
  text,
  array,
  uint64,
  int64,
  float64
};

std::string_view gguf_type_name(GgufType type);
// Bytes of one value; 0 for text and arrays.
std::uint64_t gguf_type_bytes(GgufType type);

// One key-value pair, as it lies in the file.
struct GgufField {
  std::string_view key;
  GgufType type = GgufType::uint8;  // of the value, or of an array's elements
  bool is_array = false;
  std::uint64_t count = 1;           // elements
  std::span<const std::byte> bytes;  // encoded value(s), without type and count
};

struct GgufContents;

class Gguf final : public WeightTable {
 public:
  // A .gguf file. Of a split file ("…-00001-of-00005.gguf") any part opens the whole.
  static std::unique_ptr<Gguf> open(const std::string& path);
  // Bytes in memory; `owner` keeps them alive, `what` names them in messages.
  static std::unique_ptr<Gguf> parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                     std::string what);

  // The pairs of the (first) file, in file order. Views into the mapping, which this object holds.
  const std::vector<GgufField>& fields() const { return fields_; }
  const GgufField* field(std::string_view key) const;  // null when absent
  std::uint32_t alignment() const { return alignment_; }

  // Every scalar, and arrays while they are short: at most 4096 elements each and 131072 together. Bytes of a text that
  // are no UTF-8 stand as U+FFFD.
  Metadata metadata() const;

  // Typed access to arrays, without the length limit of metadata(). Empty optional when the key is absent; throws when
  // it has another type or more than max_array elements.
  static constexpr std::uint64_t max_array = 1 << 22;
  std::optional<std::vector<std::string_view>> texts(std::string_view key) const;  // any bytes; views into the mapping
  std::optional<std::vector<float>> floats(std::string_view key) const;            // of f32 or f64
  std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;   // of any integer type or bool

 private:
  Gguf() = default;
  void add_part(GgufContents contents, std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                const std::string& what);
  const GgufField* array(std::string_view key) const;
  std::vector<GgufField> fields_;
  std::uint32_t alignment_ = 32;
};

}  // namespace tashika
