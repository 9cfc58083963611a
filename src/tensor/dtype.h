// Element types. A DType is a handle to a constant record; there is no enum of types anywhere.
//
// Plain types have their records here; block-quantised formats have one header each in quant/. A
// block holds `block` consecutive elements of one row in `bytes` bytes. The list of all records is
// generated: find_dtype() looks a name or a GGUF id up in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tashika {

enum class NumberKind { floating, integer, boolean };

struct DTypeInfo {
  std::string_view name;              // "f32", "q4_k": lower case, as users write it
  NumberKind kind = NumberKind::floating;
  std::int32_t block = 1;             // elements in a block; 1 for plain types
  std::int32_t bytes = 0;             // bytes of a block
  std::int32_t gguf_id = -1;          // ggml_type number, -1 when GGUF has none
  std::string_view safetensors_name;  // "F32"; empty when safetensors has none
  // n elements (a multiple of `block`) from src to f32, and back (round to nearest even for plain
  // floats; null when the format cannot be written). Byte order is little-endian; src may be
  // unaligned.
  void (*decode)(const void* src, float* dst, std::int64_t n) = nullptr;
  void (*encode)(const float* src, void* dst, std::int64_t n) = nullptr;
};

class DType {
 public:
  constexpr DType() = default;
  constexpr DType(const DTypeInfo& info) : info_(&info) {}
  constexpr const DTypeInfo* operator->() const { return info_; }
  constexpr const DTypeInfo& operator*() const { return *info_; }
  constexpr explicit operator bool() const { return info_ != nullptr; }
  friend constexpr bool operator==(DType a, DType b) { return a.info_ == b.info_; }

  constexpr bool is_block() const { return info_->block > 1; }
  constexpr bool is_floating() const { return info_->kind == NumberKind::floating; }
  // Bytes of n consecutive elements of a row; n must be a multiple of the block.
  constexpr std::int64_t row_bytes(std::int64_t n) const { return n / info_->block * info_->bytes; }

 private:
  const DTypeInfo* info_ = nullptr;
};

extern const DTypeInfo f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean;
// Stored by some checkpoints, never computed with. c64 and the 6-bit types have no decode; the 4- and 6-bit ones are blocks
// of whole bytes.
extern const DTypeInfo f8_e4m3, f8_e5m2, f8_e8m0, f8_e4m3fnuz, f8_e5m2fnuz, f4, f6_e2m3, f6_e3m2, c64;

std::span<const DTypeInfo* const> plain_dtypes();

}  // namespace tashika
