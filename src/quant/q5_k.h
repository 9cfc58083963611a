// q5_k: super-blocks of 256 = 8 groups of 32 values; 5 bits each, x = (d * scale) * q - (dmin * min), q in 0..31,
// scale and min 6 bits a group. 5.5 bits a weight.
//
//   bytes 0–1     d           f16
//   bytes 2–3     dmin        f16
//   bytes 4–15    scales[12]  quant/shared/scales_k4.h
//   bytes 16–47   qh[32]      bit g of byte l is the fifth bit of element l of group g
//   bytes 48–175  qs[128]     bytes 32k…32k+31: low nibbles are group 2k, high nibbles group 2k + 1
//
// Source: GGUF specification, ggml_type 13.
#pragma once

#include "quant/shared/scales_k4.h"
#include "tensor/dtype.h"

namespace tashika {
namespace quant {

struct BlockQ5K {
  static constexpr int size = 256;
  Half d;
  Half dmin;
  std::uint8_t scales[12];
  std::uint8_t qh[32];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockQ5K) == 176);

inline void decode_block(const BlockQ5K& block, float* dst) {
  const float d = f16_to_f32(block.d);
  const float dmin = f16_to_f32(block.dmin);
  for (int g = 0; g < 8; ++g) {
    const ScaleMin group = unpack_scale_min(block.scales, g);
    const float scale = d * static_cast<float>(group.scale);
    const float min = dmin * static_cast<float>(group.min);
    for (int i = 0; i < 32; ++i) {
      const int nibble = (block.qs[g / 2 * 32 + i] >> (g % 2 * 4)) & 15;
      const int fifth = (block.qh[i] >> g) & 1;
      dst[g * 32 + i] = scale * static_cast<float>(nibble | (fifth << 4)) - min;
    }
  }
}

inline void encode_block(const float* src, const float* importance, BlockQ5K& block) {
  encode_groups_of_32(src, importance, block, 31, [&block](int i, int q) {
    std::uint8_t& byte = block.qs[i / 64 * 32 + i % 32];
    byte = static_cast<std::uint8_t>(byte | ((q & 15) << (i / 32 % 2 * 4)));
    block.qh[i % 32] = static_cast<std::uint8_t>(block.qh[i % 32] | ((q >> 4) << (i / 32)));
  });
}

}  // namespace quant

inline constexpr DTypeInfo q5_k{"q5_k",
                                NumberKind::floating,
                                quant::BlockQ5K::size,
                                sizeof(quant::BlockQ5K),
                                13,
                                "",
                                &quant::decode_blocks<quant::BlockQ5K>,
                                &quant::encode_blocks<quant::BlockQ5K>};

inline constexpr WeightedEncoder weighted_q5_k{&q5_k, &quant::encode_weighted_blocks<quant::BlockQ5K>};

}  // namespace tashika
