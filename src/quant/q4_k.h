// q4_k: super-blocks of 256 = 8 groups of 32 values; 4 bits each, x = (d * scale) * q - (dmin * min), q in 0..15,
// scale and min 6 bits a group. 4.5 bits a weight.
//
//   bytes 0–1     d           f16
//   bytes 2–3     dmin        f16
//   bytes 4–15    scales[12]  quant/shared/scales_k4.h
//   bytes 16–143  qs[128]     bytes 32k…32k+31: low nibbles are group 2k, high nibbles group 2k + 1
//
// Source: GGUF specification, ggml_type 12.
#pragma once

#include "quant/shared/scales_k4.h"
#include "tensor/dtype.h"

namespace tashika {
namespace quant {

struct BlockQ4K {
  static constexpr int size = 256;
  Half d;
  Half dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockQ4K) == 144);

inline void decode_block(const BlockQ4K& block, float* dst) {
  const float d = f16_to_f32(block.d);
  const float dmin = f16_to_f32(block.dmin);
  for (int g = 0; g < 8; ++g) {
    const ScaleMin group = unpack_scale_min(block.scales, g);
    const float scale = d * static_cast<float>(group.scale);
    const float min = dmin * static_cast<float>(group.min);
    for (int i = 0; i < 32; ++i) {
      const int q = (block.qs[g / 2 * 32 + i] >> (g % 2 * 4)) & 15;
      dst[g * 32 + i] = scale * static_cast<float>(q) - min;
    }
  }
}

inline void encode_block(const float* src, const float* importance, BlockQ4K& block) {
  encode_groups_of_32(src, importance, block, 15, [&block](int i, int q) {
    std::uint8_t& byte = block.qs[i / 64 * 32 + i % 32];
    byte = static_cast<std::uint8_t>(byte | (q << (i / 32 % 2 * 4)));
  });
}

}  // namespace quant

inline constexpr DTypeInfo q4_k{"q4_k",
                                NumberKind::floating,
                                quant::BlockQ4K::size,
                                sizeof(quant::BlockQ4K),
                                12,
                                "",
                                &quant::decode_blocks<quant::BlockQ4K>,
                                &quant::encode_blocks<quant::BlockQ4K>};

inline constexpr WeightedEncoder weighted_q4_k{&q4_k, &quant::encode_weighted_blocks<quant::BlockQ4K>};

}  // namespace tashika
