// The 12 bytes in which q4_k and q5_k pack eight pairs of 6-bit numbers, a scale and a min for each group of 32.
//
//   groups 0–3: scale = low six bits of byte g, min = low six bits of byte g + 4
//   groups 4–7: scale = low nibble of byte g + 4 | top two bits of byte g - 4,
//               min   = high nibble of byte g + 4 | top two bits of byte g
#pragma once

#include "quant/shared/fit.h"

namespace tashika::quant {

struct ScaleMin {
  int scale;
  int min;
};

inline ScaleMin unpack_scale_min(const std::uint8_t* packed, int group) {
  if (group < 4) return {packed[group] & 63, packed[group + 4] & 63};
  return {(packed[group + 4] & 15) | (packed[group - 4] >> 6 << 4),
          (packed[group + 4] >> 4) | (packed[group] >> 6 << 4)};
}

// `packed` starts as zeros.
inline void pack_scale_min(std::uint8_t* packed, int group, ScaleMin value) {
  const auto merge = [packed](int at, int bits) { packed[at] = static_cast<std::uint8_t>(packed[at] | bits); };
  if (group < 4) {
    merge(group, value.scale);
    merge(group + 4, value.min);
  } else {
    merge(group + 4, (value.scale & 15) | ((value.min & 15) << 4));
    merge(group - 4, value.scale >> 4 << 6);
    merge(group, value.min >> 4 << 6);
  }
}

// Fits eight groups of 32, stores d, dmin and the packed scales, and hands each element's level to set(i, q).
template <typename Block, typename Set>
void encode_groups_of_32(const float* src, const float* importance, Block& block, int top, const Set& set) {
  if (says_nothing(importance, 256)) importance = nullptr;
  const float square = importance == nullptr ? 0.0f : 2.0f * mean_square(src, 256);
  std::array<Affine, 8> fits;
  std::array<float, 8> counts;
  for (std::size_t g = 0; g < 8; ++g) {
    const float* x = src + g * 32;
    float weights[32];
    if (importance != nullptr) {
      importance_weights(x, importance + g * 32, square, 32, weights);
    } else {
      const float rms = std::sqrt(mean_square(x, 32));  // large weights matter more, small ones still count
      for (int i = 0; i < 32; ++i) weights[i] = rms + std::fabs(x[i]);
    }
    counts[g] = sum_of(weights, 32);
    fits[g] = fit_affine<32>(x, weights, top, -1.0f, 1.0f);
  }
  const Affine steps = fit_steps(fits, counts, importance != nullptr, 63);
  block.d = store_scale(steps.scale);
  block.dmin = store_scale(steps.offset);
  const double d = f16_to_f32(block.d);
  const double dmin = f16_to_f32(block.dmin);
  for (int g = 0; g < 8; ++g) {
    const Affine& fit = fits[static_cast<std::size_t>(g)];
    const ScaleMin stored{d > 0.0 ? nearest_level(fit.scale / d, 0, 63) : 0,
                          dmin > 0.0 ? nearest_level(fit.offset / dmin, 0, 63) : 0};
    pack_scale_min(block.scales, g, stored);
    if (stored.scale == 0) continue;
    for (int i = g * 32; i < g * 32 + 32; ++i) {
      set(i, nearest_level((src[i] + dmin * stored.min) / (d * stored.scale), 0, top));
    }
  }
}

}  // namespace tashika::quant
