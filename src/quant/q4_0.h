// q4_0: 32 values share one f16 scale; 4 bits each, x = d * (q - 8), q in 0..15. 4.5 bits a weight.
//
//   bytes 0–1    d       f16
//   bytes 2–17   qs[16]  low nibbles are elements 0–15, high nibbles elements 16–31
//
// Source: GGUF specification, ggml_type 2.
#pragma once

#include "quant/shared/fit.h"
#include "tensor/dtype.h"

namespace tashika {
namespace quant {

struct BlockQ4_0 {
  static constexpr int size = 32;
  Half d;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_0) == 18);

inline void decode_block(const BlockQ4_0& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 16; ++i) {
    dst[i] = d * static_cast<float>((block.qs[i] & 15) - 8);
    dst[i + 16] = d * static_cast<float>((block.qs[i] >> 4) - 8);
  }
}

// The value of the largest magnitude becomes -8, exactly.
inline void encode_block(const float* src, const float* importance, BlockQ4_0& block) {
  const auto set = [&block](int i, int q) {
    block.qs[i % 16] = static_cast<std::uint8_t>(block.qs[i % 16] | (q << (i / 16 * 4)));
  };
  if (!says_nothing(importance, 32)) return encode_fitted(src, importance, 8, block, set);
  const float d = signed_extreme(src, 32) / -8.0f;
  const float inverse = inverse_scale(d);
  block.d = store_scale(d);
  for (int i = 0; i < 32; ++i) set(i, round_up_half(src[i] * inverse, 8, 15));
}

}  // namespace quant

inline constexpr DTypeInfo q4_0{"q4_0",
                                NumberKind::floating,
                                quant::BlockQ4_0::size,
                                sizeof(quant::BlockQ4_0),
                                2,
                                "",
                                &quant::decode_blocks<quant::BlockQ4_0>,
                                &quant::encode_blocks<quant::BlockQ4_0>};

inline constexpr WeightedEncoder weighted_q4_0{&q4_0, &quant::encode_weighted_blocks<quant::BlockQ4_0>};

}  // namespace tashika
