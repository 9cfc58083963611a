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

struct Iq4Level {
  int operator()(double x) const { return iq4_levels[nearest_iq4(x)]; }
};

inline double fit_iq4_scale(const float* x) {
  float weights[32];
  for (int i = 0; i < 32; ++i) weights[i] = x[i] * x[i];
  return fit_scale(x, weights, 32, Iq4Level{}, {127, 1.0, 7});
}

}  // namespace tashika::quant
