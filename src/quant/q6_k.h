// q6_k: super-blocks of 256 = 16 groups of 16 values; 6 bits each, x = (d * scale) * (q - 32), q in 0..63, the scale a
// signed byte a group. 6.5625 bits a weight.
//
//   bytes 0–127    ql[128]     low four bits; half h (128 elements) has bytes 64h…64h+63: low nibbles are its elements
//                              0–63, high nibbles its elements 64–127
//   bytes 128–191  qh[64]      high two bits; half h has bytes 32h…32h+31; bit pair p of byte l is element 32p + l of
//   it bytes 192–207  scales[16]  signed bytes 208–209  d           f16
//
// Source: GGUF specification, ggml_type 14.
#pragma once

#include "quant/shared/fit.h"
#include "tensor/dtype.h"

namespace tashika {
namespace quant {

struct BlockQ6K {
  static constexpr int size = 256;
  std::uint8_t ql[128];
  std::uint8_t qh[64];
  std::int8_t scales[16];
  Half d;
};
static_assert(sizeof(BlockQ6K) == 210);

inline void decode_block(const BlockQ6K& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int low = (block.ql[half * 64 + i % 64] >> (i % 128 / 64 * 4)) & 15;
    const int high = (block.qh[half * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    dst[i] = d * static_cast<float>(block.scales[i / 16]) * static_cast<float>((low | (high << 4)) - 32);
  }
}

inline void encode_block(const float* src, const float* importance, BlockQ6K& block) {
  if (says_nothing(importance, 256)) importance = nullptr;
  std::array<float, 16> scales;
  for (std::size_t g = 0; g < 16; ++g) {
    const float* x = src + g * 16;
    float weights[16];
    for (std::size_t i = 0; i < 16; ++i) weights[i] = importance != nullptr ? importance[g * 16 + i] : x[i] * x[i];
    scales[g] = fit_scale<16>(x, weights, Grid{-32, 31}, {32, 0.2f, 4});
  }
  block.d = store_scale(signed_extreme(scales.data(), 16) / -128.0f);
  const double d = f16_to_f32(block.d);
  for (int g = 0; g < 16; ++g) {
    const int scale = d == 0.0 ? 0 : nearest_level(scales[static_cast<std::size_t>(g)] / d, -128, 127);
    block.scales[g] = static_cast<std::int8_t>(scale);
    for (int i = g * 16; i < g * 16 + 16; ++i) {
      const int q = (scale == 0 ? 0 : nearest_level(src[i] / (d * scale), -32, 31)) + 32;
      const int half = i / 128;
      std::uint8_t& low = block.ql[half * 64 + i % 64];
      std::uint8_t& high = block.qh[half * 32 + i % 32];
      low = static_cast<std::uint8_t>(low | ((q & 15) << (i % 128 / 64 * 4)));
      high = static_cast<std::uint8_t>(high | ((q >> 4) << (i % 128 / 32 * 2)));
    }
  }
}

}  // namespace quant

inline constexpr DTypeInfo q6_k{"q6_k",
                                NumberKind::floating,
                                quant::BlockQ6K::size,
                                sizeof(quant::BlockQ6K),
                                14,
                                "",
                                &quant::decode_blocks<quant::BlockQ6K>,
                                &quant::encode_blocks<quant::BlockQ6K>};

inline constexpr WeightedEncoder weighted_q6_k{&q6_k, &quant::encode_weighted_blocks<quant::BlockQ6K>};

}  // namespace tashika
