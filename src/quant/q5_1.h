// q5_1: 32 values share an f16 scale and an f16 minimum; 5 bits each, x = d * q + m, q in 0..31. 6 bits a weight.
//
//   bytes 0–1    d       f16
//   bytes 2–3    m       f16
//   bytes 4–7    qh[4]   bit i (little-endian) is the fifth bit of element i
//   bytes 8–23   qs[16]  low nibbles are elements 0–15, high nibbles elements 16–31
//
// Source: GGUF specification, ggml_type 7.
#pragma once

#include "quant/shared/fit.h"
#include "tensor/dtype.h"

namespace tashika {
namespace quant {

struct BlockQ5_1 {
  static constexpr int size = 32;
  Half d;
  Half m;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_1) == 24);

inline void decode_block(const BlockQ5_1& block, float* dst) {
  const float d = f16_to_f32(block.d);
  const float m = f16_to_f32(block.m);
  for (int i = 0; i < 32; ++i) {
    const int nibble = i < 16 ? block.qs[i] & 15 : block.qs[i - 16] >> 4;
    const int fifth = (block.qh[i / 8] >> (i % 8)) & 1;
    dst[i] = d * static_cast<float>(nibble | (fifth << 4)) + m;
  }
}

inline void encode_block(const float* src, const float* importance, BlockQ5_1& block) {
  const auto set = [&block](int i, int q) {
    block.qs[i % 16] = static_cast<std::uint8_t>(block.qs[i % 16] | ((q & 15) << (i / 16 * 4)));
    block.qh[i / 8] = static_cast<std::uint8_t>(block.qh[i / 8] | ((q >> 4) << (i % 8)));
  };
  if (!says_nothing(importance, 32)) return encode_fitted_affine(src, importance, 31, block, set);
  const float low = *std::min_element(src, src + 32);
  const float d = (*std::max_element(src, src + 32) - low) / 31.0f;
  const float inverse = inverse_scale(d);
  block.d = store_scale(d);
  block.m = store_scale(low);
  for (int i = 0; i < 32; ++i) set(i, round_up_half((src[i] - low) * inverse, 0, 31));
}

}  // namespace quant

inline constexpr DTypeInfo q5_1{"q5_1",
                                NumberKind::floating,
                                quant::BlockQ5_1::size,
                                sizeof(quant::BlockQ5_1),
                                7,
                                "",
                                &quant::decode_blocks<quant::BlockQ5_1>,
                                &quant::encode_blocks<quant::BlockQ5_1>};

inline constexpr WeightedEncoder weighted_q5_1{&q5_1, &quant::encode_weighted_blocks<quant::BlockQ5_1>};

}  // namespace tashika
