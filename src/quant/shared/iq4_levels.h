// The sixteen levels that iq4_nl and iq4_xs share: closer together near zero, where weights are dense.
#pragma once

#include "quant/shared/fit.h"

namespace tashika::quant {

inline constexpr std::int8_t iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};

// Index of the level nearest to x, the higher one at a tie.
inline int nearest_iq4(double x) {
  int index = 0;
  while (index < 15 && 2.0 * x >= iq4_levels[index] + iq4_levels[index + 1]) ++index;
  return index;
}

// The same as a value, without branches.
struct Iq4Level {
  float operator()(float x) const {
    float level = iq4_levels[0];
    for (int i = 0; i < 15; ++i) {
      const float between = 0.5f * static_cast<float>(iq4_levels[i] + iq4_levels[i + 1]);
      level += x >= between ? static_cast<float>(iq4_levels[i + 1] - iq4_levels[i]) : 0.0f;
    }
    return level;
  }
};

// Weights for the fit of a group of 32. `mean_square`: of the block, with importance only.
inline void iq4_weights(const float* x, const float* importance, float mean_square, float* w) {
  if (importance != nullptr) return importance_weights(x, importance, mean_square, 32, w);
  for (int i = 0; i < 32; ++i) w[i] = x[i] * x[i];
}

inline float fit_iq4_scale(const float* x, const float* weights) {
  return fit_scale<32>(x, weights, Iq4Level{}, {127.0f, 1.0f, 7});
}

}  // namespace tashika::quant
