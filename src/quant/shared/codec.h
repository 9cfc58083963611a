// What the weight formats share: walking over packed blocks and storing scales as f16.
//
// A format's header defines `struct Block…` (the exact bytes of one block, in file order), `decode_block` and
// `encode_block` for it, a constexpr record that hands `decode_blocks` and `encode_blocks` to the rest of the
// program, and one that hands out `encode_weighted_blocks`. Everything is little-endian; blocks may lie at any address,
// so they are copied out before they are read.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "base/half.h"

namespace tashika {

struct DTypeInfo;

// Writes n elements of a row like DTypeInfo::encode, making the error small where importance[i] (at least 0, finite) is
// large. A format that has no use for importance ignores it.
struct WeightedEncoder {
  const DTypeInfo* type;
  void (*encode)(const float* src, const float* importance, void* dst, std::int64_t n);
};

namespace quant {

// Bits of an f16, stored as they are in the file.
using Half = std::uint16_t;

template <typename Block>
void decode_blocks(const void* src, float* dst, std::int64_t n) {
  const auto* bytes = static_cast<const unsigned char*>(src);
  for (std::int64_t i = 0; i < n; i += Block::size, bytes += sizeof(Block)) {
    Block block;
    std::memcpy(&block, bytes, sizeof block);
    decode_block(block, dst + i);
  }
}

// Throws Error(input) when a value is NaN or infinite (a block format cannot hold it, and one such value would spoil
// its whole block unseen) or beyond 1e9, which no format's f16 scale reaches: so the fits may square values in f32.
template <typename Block>
void encode_weighted_blocks(const float* src, const float* importance, void* dst, std::int64_t n) {
  auto* bytes = static_cast<unsigned char*>(dst);
  for (std::int64_t i = 0; i < n; i += Block::size, bytes += sizeof(Block)) {
    for (std::int64_t j = i; j < i + Block::size; ++j) {
      if (!(src[j] >= -1e9f && src[j] <= 1e9f)) fail("cannot quantise: element ", j, " is ", src[j]);
    }
    Block block{};
    encode_block(src + i, importance == nullptr ? nullptr : importance + i, block);
    std::memcpy(bytes, &block, sizeof block);
  }
}

template <typename Block>
void encode_blocks(const float* src, void* dst, std::int64_t n) {
  encode_weighted_blocks<Block>(src, nullptr, dst, n);
}

// The f16 bits of a scale. Throws Error(input) when it is beyond f16's range (65504).
inline Half store_scale(float scale) {
  const Half half = f32_to_f16(scale);
  if ((half & 0x7c00u) == 0x7c00u) fail("cannot quantise: a value is too large, its block's scale does not fit f16");
  return half;
}

}  // namespace quant
}  // namespace tashika
