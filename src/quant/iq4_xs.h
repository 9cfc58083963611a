// iq4_xs: super-blocks of 256 = 8 groups of 32 values; 4 bits each choose one of sixteen uneven levels,
// x = (d * (scale - 32)) * level[q], the scale 6 bits a group. 4.25 bits a weight.
//
//   bytes 0–1    d            f16
//   bytes 2–3    scales_h     bits 2g and 2g + 1 are the high two bits of group g's scale
//   bytes 4–7    scales_l[4]  nibble g (low nibble first) is the low four bits of group g's scale
//   bytes 8–135  qs[128]      group g has bytes 16g…16g+15: low nibbles are its elements 0–15, high nibbles 16–31
//
// Source: GGUF specification, ggml_type 23; levels in quant/shared/iq4_levels.h.
#pragma once

#include "quant/shared/iq4_levels.h"
#include "tensor/dtype.h"

namespace tashika {
namespace quant {

struct BlockIQ4XS {
  static constexpr int size = 256;
  Half d;
  std::uint16_t scales_h;
  std::uint8_t scales_l[4];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockIQ4XS) == 136);

inline void decode_block(const BlockIQ4XS& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 8; ++g) {
    const int low = (block.scales_l[g / 2] >> (g % 2 * 4)) & 15;
    const int high = (block.scales_h >> (2 * g)) & 3;
    const float scale = d * static_cast<float>((low | (high << 4)) - 32);
    for (int i = 0; i < 16; ++i) {
      const int byte = block.qs[g * 16 + i];
      dst[g * 32 + i] = scale * static_cast<float>(iq4_levels[byte & 15]);
      dst[g * 32 + i + 16] = scale * static_cast<float>(iq4_levels[byte >> 4]);
    }
  }
}

inline void encode_block(const float* src, const float* importance, BlockIQ4XS& block) {
  if (says_nothing(importance, 256)) importance = nullptr;
  const float square = importance == nullptr ? 0.0f : 2.0f * mean_square(src, 256);
  std::array<float, 8> scales;
  for (std::size_t g = 0; g < 8; ++g) {
    float weights[32];
    iq4_weights(src + g * 32, importance == nullptr ? nullptr : importance + g * 32, square, weights);
    scales[g] = fit_iq4_scale(src + g * 32, weights);
  }
  block.d = store_scale(signed_extreme(scales.data(), 8) / -32.0f);
  const double d = f16_to_f32(block.d);
  for (int g = 0; g < 8; ++g) {
    const int scale = d == 0.0 ? 0 : nearest_level(scales[static_cast<std::size_t>(g)] / d, -32, 31);
    const int stored = scale + 32;
    block.scales_l[g / 2] = static_cast<std::uint8_t>(block.scales_l[g / 2] | ((stored & 15) << (g % 2 * 4)));
    block.scales_h = static_cast<std::uint16_t>(block.scales_h | ((stored >> 4) << (2 * g)));
    if (scale == 0) continue;
    const double step = d * scale;
    for (int i = 0; i < 16; ++i) {
      const float* x = src + g * 32 + i;
      block.qs[g * 16 + i] = static_cast<std::uint8_t>(nearest_iq4(x[0] / step) | (nearest_iq4(x[16] / step) << 4));
    }
  }
}

}  // namespace quant

inline constexpr DTypeInfo iq4_xs{"iq4_xs",
                                  NumberKind::floating,
                                  quant::BlockIQ4XS::size,
                                  sizeof(quant::BlockIQ4XS),
                                  23,
                                  "",
                                  &quant::decode_blocks<quant::BlockIQ4XS>,
                                  &quant::encode_blocks<quant::BlockIQ4XS>};

inline constexpr WeightedEncoder weighted_iq4_xs{&iq4_xs, &quant::encode_weighted_blocks<quant::BlockIQ4XS>};

}  // namespace tashika
