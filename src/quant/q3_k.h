// q3_k: super-blocks of 256 = 16 groups of 16 values; 3 bits each, x = (d * (scale - 32)) * (q - 4), q in 0..7, the
// scale 6 bits a group. 3.4375 bits a weight.
//
//   bytes 0–31    hmask[32]   bit b of byte l is the third bit of element 32b + l
//   bytes 32–95   qs[64]      low two bits; half h has bytes 32h…32h+31; bit pair p of byte l is element 128h + 32p + l
//   bytes 96–107  scales[12]  group g: low four bits in byte g % 8 (low nibble for g < 8, else high nibble),
//                             high two bits in byte 8 + g % 4, bit pair g / 4
//   bytes 108–109 d           f16
//
// Source: GGUF specification, ggml_type 11.
#pragma once

#include "quant/shared/fit.h"
#include "tensor/dtype.h"

namespace tashika {
namespace quant {

struct BlockQ3K {
  static constexpr int size = 256;
  std::uint8_t hmask[32];
  std::uint8_t qs[64];
  std::uint8_t scales[12];
  Half d;
};
static_assert(sizeof(BlockQ3K) == 110);

inline void decode_block(const BlockQ3K& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 16; ++g) {
    const int low = (block.scales[g % 8] >> (g / 8 * 4)) & 15;
    const int high = (block.scales[8 + g % 4] >> (g / 4 * 2)) & 3;
    const float scale = d * static_cast<float>((low | (high << 4)) - 32);
    for (int i = g * 16; i < g * 16 + 16; ++i) {
      const int pair = (block.qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
      const int third = (block.hmask[i % 32] >> (i / 32)) & 1;
      dst[i] = scale * static_cast<float>((pair | (third << 2)) - 4);
    }
  }
}

inline void encode_block(const float* src, const float* importance, BlockQ3K& block) {
  if (says_nothing(importance, 256)) importance = nullptr;
  const float square = importance == nullptr ? 0.0f : 2.0f * mean_square(src, 256);
  std::array<float, 16> scales, counts;
  for (std::size_t g = 0; g < 16; ++g) {
    const float* x = src + g * 16;
    float weights[16];
    if (importance != nullptr) {
      importance_weights(x, importance + g * 16, square, 16, weights);
    } else {
      const float share = mean_square(x, 16) / 2.0f;  // large weights matter more, small ones still count
      for (int i = 0; i < 16; ++i) weights[i] = x[i] * x[i] + share;
    }
    counts[g] = sum_of(weights, 16);
    scales[g] = fit_scale<16>(x, weights, Grid{-4, 3}, {4, 0.1f, 9});
  }
  block.d = store_scale(importance == nullptr ? signed_extreme(scales.data(), 16) / -32.0f
                                              : fit_scale<16>(scales.data(), counts.data(), Grid{-32, 31}, {32, 0.1f, 9}));
  const double d = f16_to_f32(block.d);
  for (int g = 0; g < 16; ++g) {
    const int scale = d == 0.0 ? 0 : nearest_level(scales[static_cast<std::size_t>(g)] / d, -32, 31);
    const int stored = scale + 32;
    block.scales[g % 8] = static_cast<std::uint8_t>(block.scales[g % 8] | ((stored & 15) << (g / 8 * 4)));
    block.scales[8 + g % 4] = static_cast<std::uint8_t>(block.scales[8 + g % 4] | ((stored >> 4) << (g / 4 * 2)));
    for (int i = g * 16; i < g * 16 + 16; ++i) {
      const int q = (scale == 0 ? 0 : nearest_level(src[i] / (d * scale), -4, 3)) + 4;
      std::uint8_t& byte = block.qs[i / 128 * 32 + i % 32];
      byte = static_cast<std::uint8_t>(byte | ((q & 3) << (i % 128 / 32 * 2)));
      block.hmask[i % 32] = static_cast<std::uint8_t>(block.hmask[i % 32] | ((q >> 2) << (i / 32)));
    }
  }
}

}  // namespace quant

inline constexpr DTypeInfo q3_k{"q3_k",
                                NumberKind::floating,
                                quant::BlockQ3K::size,
                                sizeof(quant::BlockQ3K),
                                11,
                                "",
                                &quant::decode_blocks<quant::BlockQ3K>,
                                &quant::encode_blocks<quant::BlockQ3K>};

inline constexpr WeightedEncoder weighted_q3_k{&q3_k, &quant::encode_weighted_blocks<quant::BlockQ3K>};

}  // namespace tashika
