// q4_1: 32 values share an f16 scale and an f16 minimum; 4 bits each, x = d * q + m, q in 0..15. 5 bits a weight.
//
//   bytes 0–1    d       f16
//   bytes 2–3    m       f16
//   bytes 4–19   qs[16]  low nibbles are elements 0–15, high nibbles elements 16–31
//
// Source: GGUF specification, ggml_type 3.
#pragma once

#include "quant/shared/fit.h"
#include "tensor/dtype.h"

namespace tashika {
namespace quant {

struct BlockQ4_1 {
  static constexpr int size = 32;
  Half d;
  Half m;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_1) == 20);

inline void decode_block(const BlockQ4_1& block, float* dst) {
  const float d = f16_to_f32(block.d);
  const float m = f16_to_f32(block.m);
  for (int i = 0; i < 16; ++i) {
    dst[i] = d * static_cast<float>(block.qs[i] & 15) + m;
    dst[i + 16] = d * static_cast<float>(block.qs[i] >> 4) + m;
  }
}

inline void encode_block(const float* src, const float* importance, BlockQ4_1& block) {
  const auto set = [&block](int i, int q) {
    block.qs[i % 16] = static_cast<std::uint8_t>(block.qs[i % 16] | (q << (i / 16 * 4)));
  };
  if (!says_nothing(importance, 32)) return encode_fitted_affine(src, importance, 15, block, set);
  const float low = *std::min_element(src, src + 32);
  const float d = (*std::max_element(src, src + 32) - low) / 15.0f;
  const float inverse = inverse_scale(d);
  block.d = store_scale(d);
  block.m = store_scale(low);
  for (int i = 0; i < 32; ++i) set(i, round_up_half((src[i] - low) * inverse, 0, 15));
}

}  // namespace quant

inline constexpr DTypeInfo q4_1{"q4_1",
                                NumberKind::floating,
                                quant::BlockQ4_1::size,
                                sizeof(quant::BlockQ4_1),
                                3,
                                "",
                                &quant::decode_blocks<quant::BlockQ4_1>,
                                &quant::encode_blocks<quant::BlockQ4_1>};

inline constexpr WeightedEncoder weighted_q4_1{&q4_1, &quant::encode_weighted_blocks<quant::BlockQ4_1>};

}  // namespace tashika
