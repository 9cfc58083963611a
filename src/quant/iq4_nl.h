// iq4_nl: 32 values share one f16 scale; 4 bits each choose one of sixteen uneven levels, x = d * level[q]. 4.5 bits a
// weight.
//
//   bytes 0–1    d       f16
//   bytes 2–17   qs[16]  low nibbles are elements 0–15, high nibbles elements 16–31
//
// Source: GGUF specification, ggml_type 20; levels in quant/shared/iq4_levels.h.
#pragma once

#include "quant/shared/iq4_levels.h"
#include "tensor/dtype.h"

namespace tashika {
namespace quant {

struct BlockIQ4NL {
  static constexpr int size = 32;
  Half d;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockIQ4NL) == 18);

inline void decode_block(const BlockIQ4NL& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 16; ++i) {
    dst[i] = d * static_cast<float>(iq4_levels[block.qs[i] & 15]);
    dst[i + 16] = d * static_cast<float>(iq4_levels[block.qs[i] >> 4]);
  }
}

inline void encode_block(const float* src, const float* importance, BlockIQ4NL& block) {
  if (says_nothing(importance, 32)) importance = nullptr;
  float weights[32];
  iq4_weights(src, importance, importance == nullptr ? 0.0f : 2.0f * mean_square(src, 32), weights);
  block.d = store_scale(fit_iq4_scale(src, weights));
  const double d = f16_to_f32(block.d);
  if (d == 0.0) return;
  for (int i = 0; i < 16; ++i) {
    block.qs[i] = static_cast<std::uint8_t>(nearest_iq4(src[i] / d) | (nearest_iq4(src[i + 16] / d) << 4));
  }
}

}  // namespace quant

inline constexpr DTypeInfo iq4_nl{"iq4_nl",
                                  NumberKind::floating,
                                  quant::BlockIQ4NL::size,
                                  sizeof(quant::BlockIQ4NL),
                                  20,
                                  "",
                                  &quant::decode_blocks<quant::BlockIQ4NL>,
                                  &quant::encode_blocks<quant::BlockIQ4NL>};

inline constexpr WeightedEncoder weighted_iq4_nl{&iq4_nl, &quant::encode_weighted_blocks<quant::BlockIQ4NL>};

}  // namespace tashika
