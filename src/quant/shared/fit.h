// Choosing scales when a weight format is written: rounding helpers and weighted least squares.
//
// The fits minimise Σ w (x - x̂)² by trying a fan of starting scales around the one that just reaches the extreme
// value, re-solving for the best scale given the assigned levels, and then alternating the two steps until nothing
// improves. All sums are in double: no finite f32 input overflows or vanishes in them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "quant/shared/codec.h"

namespace tashika::quant {

// The value with the largest magnitude, the first one of equals.
inline float signed_extreme(const float* x, int n) {
  float best = 0.0f;
  for (int i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > std::fabs(best)) best = x[i];
  }
  return best;
}

// 1 / d, or 0 where that is not finite: then every level is the one that means zero.
inline float inverse_scale(float d) {
  const float inverse = 1.0f / d;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

// trunc(x + offset + 1/2) clamped to [0, top]: halves go up, as the reference quantisers of the 32-wide types do.
inline int round_up_half(float x, int offset, int top) {
  return static_cast<int>(std::clamp(x + (static_cast<float>(offset) + 0.5f), 0.0f, static_cast<float>(top)));
}

// Nearest integer, halves to even, clamped to [lo, hi]. NaN (0 * inf cannot arise here) would give lo.
inline int nearest_level(double x, int lo, int hi) {
  if (!(x > lo)) return lo;
  if (x >= hi) return hi;
  return static_cast<int>(std::nearbyint(x));
}

struct Grid {  // the levels lo, lo + 1, … hi
  int lo;
  int hi;
  int operator()(double x) const { return nearest_level(x, lo, hi); }
};

struct ScaleSearch {
  int extreme;  // the level that the extreme value takes at the middle of the fan
  double step;  // spacing of the fan, in levels
  int reach;    // candidates on each side
};

// The s that minimises Σ w (x - s q)² with q = level(x / s). `level` maps a real number to the nearest level. Zero for
// a group of zeros. s has either sign.
template <typename Level>
double fit_scale(const float* x, const float* w, int n, const Level& level, ScaleSearch search) {
  const double extreme = signed_extreme(x, n);
  if (extreme == 0.0) return 0.0;
  double best_scale = 0.0;
  double best_gain = 0.0;  // Σ w x² - error, to be maximised
  const auto attempt = [&](double inverse) {
    double wxq = 0.0;
    double wqq = 0.0;
    for (int i = 0; i < n; ++i) {
      const double q = level(inverse * x[i]);
      wxq += static_cast<double>(w[i]) * x[i] * q;
      wqq += static_cast<double>(w[i]) * q * q;
    }
    if (wqq <= 0.0 || wxq * wxq <= best_gain * wqq) return false;
    best_scale = wxq / wqq;
    best_gain = wxq * wxq / wqq;
    return true;
  };
  for (int side = -1; side <= 1; side += 2) {
    for (int t = -search.reach; t <= search.reach; ++t) attempt((search.extreme * side + search.step * t) / extreme);
  }
  for (int i = 0; i < 4 && best_scale != 0.0 && attempt(1.0 / best_scale); ++i) {
  }
  return best_scale;
}

struct Affine {  // x ≈ scale * q - offset, both at least 0
  double scale = 0.0;
  double offset = 0.0;
};

// Weighted least squares of x ≈ scale * q - offset with q in 0..top. `fan_low`, `fan_high`: the range of starting
// scales, in levels beyond `top`.
inline Affine fit_affine(const float* x, const float* w, int n, int top, double fan_low, double fan_high) {
  const double low = std::min(0.0f, *std::min_element(x, x + n));
  const double high = *std::max_element(x, x + n);
  if (high <= low) return {0.0, -low};
  double sum_w = 0.0;
  double sum_wx = 0.0;
  for (int i = 0; i < n; ++i) {
    sum_w += w[i];
    sum_wx += static_cast<double>(w[i]) * x[i];
  }
  Affine best{(high - low) / top, -low};
  std::array<std::uint8_t, 32> q{};
  const auto assign = [&](double scale, double offset) {
    for (int i = 0; i < n; ++i)
      q[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(nearest_level((x[i] + offset) / scale, 0, top));
  };
  const auto error = [&](const Affine& fit) {
    double sum = 0.0;
    for (int i = 0; i < n; ++i) {
      const double diff = fit.scale * q[static_cast<std::size_t>(i)] - fit.offset - x[i];
      sum += w[i] * diff * diff;
    }
    return sum;
  };
  assign(best.scale, best.offset);
  double best_error = error(best);
  const auto attempt = [&](double scale, double offset) {
    assign(scale, offset);
    double sum_wq = 0.0;
    double sum_wqq = 0.0;
    double sum_wxq = 0.0;
    for (int i = 0; i < n; ++i) {
      const double level = q[static_cast<std::size_t>(i)];
      sum_wq += w[i] * level;
      sum_wqq += w[i] * level * level;
      sum_wxq += static_cast<double>(w[i]) * x[i] * level;
    }
    const double determinant = sum_w * sum_wqq - sum_wq * sum_wq;
    if (!(determinant > 0.0)) return false;
    Affine fit{(sum_w * sum_wxq - sum_wx * sum_wq) / determinant, (sum_wq * sum_wxq - sum_wqq * sum_wx) / determinant};
    if (fit.offset < 0.0) fit = {sum_wxq / sum_wqq, 0.0};
    if (!(fit.scale > 0.0)) return false;
    const double err = error(fit);
    if (!(err < best_error)) return false;
    best = fit;
    best_error = err;
    return true;
  };
  for (double t = fan_low; t <= fan_high + 1e-9; t += 0.1) attempt((high - low) / (top + t), -low);
  for (int i = 0; i < 4 && attempt(best.scale, best.offset); ++i) {
  }
  return best;
}

}  // namespace tashika::quant
