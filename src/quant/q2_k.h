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

// The weighted error of a group stored with these numbers, in units of d² (dmin = ratio * d).
inline float stored_error(const float* x, const float* w, float inverse_d, float ratio, int scale, int offset) {
  const float step = static_cast<float>(scale), shift = ratio * static_cast<float>(offset);
  const float inverse = scale > 0 ? 1.0f / step : 0.0f;
  const Grid level{0.0f, 3.0f};
  Lanes sum;
  for (int i = 0; i < 16; i += 8) {
    for (int j = 0; j < 8; ++j) {
      const float value = x[i + j] * inverse_d + shift;
      const float diff = value - step * level(value * inverse);
      sum.lane[j] += w[i + j] * diff * diff;
    }
  }
  return sum.total();
}

// Errors count in proportion to |x|: at two bits the large weights matter most. Four bits for a scale are coarse, so
// its neighbours are tried together with those of the minimum.
inline void encode_block(const float* src, const float* importance, BlockQ2K& block) {
  if (says_nothing(importance, 256)) importance = nullptr;
  const float square = importance == nullptr ? 0.0f : mean_square(src, 256);
  std::array<Affine, 16> fits;
  std::array<float, 16> counts;
  float all_weights[256];
  for (std::size_t g = 0; g < 16; ++g) {
    const float* x = src + g * 16;
    float* weights = all_weights + g * 16;
    if (importance != nullptr) {
      importance_weights(x, importance + g * 16, square, 16, weights);
    } else {
      for (int i = 0; i < 16; ++i) weights[i] = std::fabs(x[i]);
    }
    counts[g] = sum_of(weights, 16);
    fits[g] = fit_affine<16>(x, weights, 3, -0.5f, 1.0f);
  }
  const Affine steps = fit_steps(fits, counts, importance != nullptr, 15);
  block.d = store_scale(steps.scale);
  block.dmin = store_scale(steps.offset);
  const double d = f16_to_f32(block.d);
  const double dmin = f16_to_f32(block.dmin);
  for (int g = 0; g < 16; ++g) {
    const Affine& fit = fits[static_cast<std::size_t>(g)];
    int scale = d > 0.0 ? nearest_level(fit.scale / d, 0, 15) : 0;
    int offset = dmin > 0.0 ? nearest_level(fit.offset / dmin, 0, 15) : 0;
    if (d > 0.0) {
      float weights[16];
      normalise_weights<16>(all_weights + g * 16, weights);
      const auto inverse = static_cast<float>(1.0 / d), ratio = static_cast<float>(dmin / d);
      const float* x = src + g * 16;
      float best = stored_error(x, weights, inverse, ratio, scale, offset);
      const int scale_0 = scale, offset_0 = offset;
      for (int s = std::max(0, scale_0 - 1); s <= std::min(15, scale_0 + 1); ++s) {
        for (int o = std::max(0, offset_0 - 1); o <= std::min(15, offset_0 + 1); ++o) {
          const float error = stored_error(x, weights, inverse, ratio, s, o);
          if (!(error < best)) continue;
          best = error;
          scale = s;
          offset = o;
        }
      }
    }
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

inline constexpr WeightedEncoder weighted_q2_k{&q2_k, &quant::encode_weighted_blocks<quant::BlockQ2K>};

}  // namespace tashika
