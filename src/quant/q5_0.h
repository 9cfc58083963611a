// q5_0: 32 values share one f16 scale; 5 bits each, x = d * (q - 16), q in 0..31. 5.5 bits a weight.
//
//   bytes 0–1    d       f16
//   bytes 2–5    qh[4]   bit i (little-endian) is the fifth bit of element i
//   bytes 6–21   qs[16]  low nibbles are elements 0–15, high nibbles elements 16–31
//
// Source: GGUF specification, ggml_type 6.
#pragma once

#include "quant/shared/fit.h"
#include "tensor/dtype.h"

namespace tashika {
namespace quant {

struct BlockQ5_0 {
  static constexpr int size = 32;
  Half d;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_0) == 22);

inline void decode_block(const BlockQ5_0& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) {
    const int nibble = i < 16 ? block.qs[i] & 15 : block.qs[i - 16] >> 4;
    const int fifth = (block.qh[i / 8] >> (i % 8)) & 1;
    dst[i] = d * static_cast<float>((nibble | (fifth << 4)) - 16);
  }
}

// The value of the largest magnitude becomes -16, exactly.
inline void encode_block(const float* src, const float* importance, BlockQ5_0& block) {
  const auto set = [&block](int i, int q) {
    block.qs[i % 16] = static_cast<std::uint8_t>(block.qs[i % 16] | ((q & 15) << (i / 16 * 4)));
    block.qh[i / 8] = static_cast<std::uint8_t>(block.qh[i / 8] | ((q >> 4) << (i % 8)));
  };
  if (!says_nothing(importance, 32)) return encode_fitted(src, importance, 16, block, set);
  const float d = signed_extreme(src, 32) / -16.0f;
  const float inverse = inverse_scale(d);
  block.d = store_scale(d);
  for (int i = 0; i < 32; ++i) set(i, round_up_half(src[i] * inverse, 16, 31));
}

}  // namespace quant

inline constexpr DTypeInfo q5_0{"q5_0",
                                NumberKind::floating,
                                quant::BlockQ5_0::size,
                                sizeof(quant::BlockQ5_0),
                                6,
                                "",
                                &quant::decode_blocks<quant::BlockQ5_0>,
                                &quant::encode_blocks<quant::BlockQ5_0>};

inline constexpr WeightedEncoder weighted_q5_0{&q5_0, &quant::encode_weighted_blocks<quant::BlockQ5_0>};

}  // namespace tashika
