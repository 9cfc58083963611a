// q2_k: super-blocks of 256 = 16 groups of 16 values; 2 bits each, x = (d * scale) * q - (dmin * min), q in 0..3,
// scale and min 4 bits a group. 2.625 bits a weight.
//
//   bytes 0–15   scales[16]  group g: low nibble scale, high nibble min
//   bytes 16–79  qs[64]      half h (128 elements) has bytes 32h…32h+31; bit pair p of byte l is element 128h + 32p + l
//   bytes 80–81  d           f16
//   bytes 82–83  dmin        f16
//
// Source: GGUF specification, ggml_type 10.
#pragma once

#include "quant/shared/fit.h"
#include "tensor/dtype.h"

namespace tashika {
namespace quant {

struct BlockQ2K {
  static constexpr int size = 256;
  std::uint8_t scales[16];
  std::uint8_t qs[64];
  Half d;
  Half dmin;
};
static_assert(sizeof(BlockQ2K) == 84);

inline void decode_block(const BlockQ2K& block, float* dst) {
  const float d = f16_to_f32(block.d);
  const float dmin = f16_to_f32(block.dmin);
  for (int i = 0; i < 256; ++i) {
    const int group = block.scales[i / 16];
    const int q = (block.qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    dst[i] = d * static_cast<float>(group & 15) * static_cast<float>(q) - dmin * static_cast<float>(group >> 4);
  }
}

// Errors count in proportion to |x|: at two bits the large weights matter most.
inline void encode_block(const float* src, BlockQ2K& block) {
  std::array<Affine, 16> fits;
  double max_scale = 0.0;
  double max_offset = 0.0;
  for (std::size_t g = 0; g < 16; ++g) {
    const float* x = src + g * 16;
    float weights[16];
    for (int i = 0; i < 16; ++i) weights[i] = std::fabs(x[i]);
    fits[g] = fit_affine(x, weights, 16, 3, -0.5, 1.0);
    max_scale = std::max(max_scale, fits[g].scale);
    max_offset = std::max(max_offset, fits[g].offset);
  }
  block.d = store_scale(static_cast<float>(max_scale / 15.0));
  block.dmin = store_scale(static_cast<float>(max_offset / 15.0));
  const double d = f16_to_f32(block.d);
  const double dmin = f16_to_f32(block.dmin);
  for (int g = 0; g < 16; ++g) {
    const Affine& fit = fits[static_cast<std::size_t>(g)];
    const int scale = d > 0.0 ? nearest_level(fit.scale / d, 0, 15) : 0;
    const int offset = dmin > 0.0 ? nearest_level(fit.offset / dmin, 0, 15) : 0;
    block.scales[g] = static_cast<std::uint8_t>(scale | (offset << 4));
    if (scale == 0) continue;
    for (int i = g * 16; i < g * 16 + 16; ++i) {
      const int q = nearest_level((src[i] + dmin * offset) / (d * scale), 0, 3);
      std::uint8_t& byte = block.qs[i / 128 * 32 + i % 32];
      byte = static_cast<std::uint8_t>(byte | (q << (i % 128 / 32 * 2)));
    }
  }
}

}  // namespace quant

inline constexpr DTypeInfo q2_k{"q2_k",
                                NumberKind::floating,
                                quant::BlockQ2K::size,
                                sizeof(quant::BlockQ2K),
                                10,
                                "",
                                &quant::decode_blocks<quant::BlockQ2K>,
                                &quant::encode_blocks<quant::BlockQ2K>};

}  // namespace tashika
