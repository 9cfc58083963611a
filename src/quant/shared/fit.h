// Choosing scales when a weight format is written: rounding helpers and weighted least squares.
//
// The fits minimise Σ w (x - x̂)² by trying a fan of starting scales around the one that just reaches the extreme
// value, re-solving for the best scale given the assigned levels, and then alternating the two steps until nothing
// improves. They work on values divided by the group's extreme and weights divided by their largest: in f32 nothing
// finite overflows or vanishes that matters. Sums run in eight lanes with a fixed tree, so a compiler may use vectors
// and the result is the same with and without.
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
  constexpr double shift = 6755399441055744.0;  // 1.5 * 2^52: adding it leaves no bits below one
  return static_cast<int>(x + shift - shift);
}

struct Grid {  // the levels lo, lo + 1, … hi
  float lo;
  float hi;
  float operator()(float x) const {
    constexpr float shift = 12582912.0f;  // 1.5 * 2^23
    const float low = x > lo ? x : lo;
    return (low < hi ? low : hi) + shift - shift;
  }
};

// Weights for the fits of a group: what the format itself counts by, or, where the caller knows how much each column
// matters (the mean square of what it is multiplied by), importance * sqrt(mean square of the block + x²).
inline void importance_weights(const float* x, const float* importance, float mean_square, int n, float* w) {
  for (int i = 0; i < n; ++i) w[i] = importance[i] * std::sqrt(mean_square + x[i] * x[i]);
}

inline float mean_square(const float* x, int n) {
  double sum = 0.0;
  for (int i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  return static_cast<float>(sum / n);
}

inline float sum_of(const float* w, int n) {
  double sum = 0.0;
  for (int i = 0; i < n; ++i) sum += w[i];
  return static_cast<float>(sum);
}

// True when the importance of these columns is all zero: then it says nothing, and the format's own weights count.
inline bool says_nothing(const float* importance, int n) {
  return importance == nullptr || std::all_of(importance, importance + n, [](float v) { return !(v > 0.0f); });
}

// A sum over a group, in eight lanes. N is a multiple of 8.
struct Lanes {
  float lane[8] = {};
  float total() const {
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
  }
};

// w divided by its largest; all ones when there is none above zero.
template <int N>
void normalise_weights(const float* w, float* out) {
  const float largest = *std::max_element(w, w + N);
  const float inverse = largest > 0.0f ? 1.0f / largest : 0.0f;
  for (int i = 0; i < N; ++i) out[i] = std::isfinite(inverse) && inverse > 0.0f ? w[i] * inverse : 1.0f;
}

struct ScaleSearch {
  float extreme;  // the level that the extreme value takes at the middle of the fan
  float step;     // spacing of the fan, in levels
  int reach;      // candidates on each side
};

// The s that minimises Σ w (x - s q)² with q = level(x / s). `level` maps a real number to the nearest level. Zero for
// a group of zeros. s has either sign.
template <int N, typename Level>
float fit_scale(const float* x, const float* weights, const Level& level, ScaleSearch search) {
  static_assert(N % 8 == 0);
  const float extreme = signed_extreme(x, N);
  if (extreme == 0.0f) return 0.0f;
  float u[N];  // x / extreme
  float w[N];
  for (int i = 0; i < N; ++i) u[i] = static_cast<float>(static_cast<double>(x[i]) / extreme);
  normalise_weights<N>(weights, w);
  float best_scale = 0.0f;
  float best_gain = 0.0f;  // Σ w u² - error, to be maximised
  const auto attempt = [&](float inverse) {
    Lanes wuq, wqq;
    for (int i = 0; i < N; i += 8) {
      for (int j = 0; j < 8; ++j) {
        const float q = level(inverse * u[i + j]);
        const float wq = w[i + j] * q;
        wuq.lane[j] += wq * u[i + j];
        wqq.lane[j] += wq * q;
      }
    }
    const float dot = wuq.total(), square = wqq.total();
    if (square <= 0.0f || dot * dot <= best_gain * square) return false;
    best_scale = dot / square;
    best_gain = dot * dot / square;
    return true;
  };
  for (int side = -1; side <= 1; side += 2) {
    for (int t = -search.reach; t <= search.reach; ++t) {
      attempt(search.extreme * static_cast<float>(side) + search.step * static_cast<float>(t));
    }
  }
  for (int i = 0; i < 4 && best_scale != 0.0f && attempt(1.0f / best_scale); ++i) {
  }
  return best_scale * extreme;
}

struct Affine {  // x ≈ scale * q - offset, both at least 0
  float scale = 0.0f;
  float offset = 0.0f;
};

// Weighted least squares of x ≈ scale * q - offset with q in 0..top. `fan_low`, `fan_high`: the range of starting
// scales, in levels beyond `top`, tried in tenths. With `any_offset` the offset may be negative.
template <int N>
Affine fit_affine(const float* x, const float* weights, int top, float fan_low, float fan_high, bool any_offset = false) {
  static_assert(N % 8 == 0);
  const float least = *std::min_element(x, x + N);
  const double low = any_offset ? least : std::min(0.0f, least);
  const double range = *std::max_element(x, x + N) - low;
  if (!(range > 0.0)) return {0.0f, static_cast<float>(-low)};
  // In u = (x - low) / range the fit is u ≈ a q + b; an offset of at least 0 means b ≤ zero, where x is 0.
  float u[N], w[N], q[N] = {};
  for (int i = 0; i < N; ++i) u[i] = static_cast<float>((x[i] - low) / range);
  normalise_weights<N>(weights, w);
  const auto zero = any_offset ? 2.0f : static_cast<float>(-low / range);  // b never comes near 2
  const Grid level{0.0f, static_cast<float>(top)};
  Lanes ws, wus;
  for (int i = 0; i < N; i += 8) {
    for (int j = 0; j < 8; ++j) {
      ws.lane[j] += w[i + j];
      wus.lane[j] += w[i + j] * u[i + j];
    }
  }
  const float sum_w = ws.total(), sum_wu = wus.total();
  float best_a = 1.0f / static_cast<float>(top), best_b = 0.0f;
  const auto error = [&](float a, float b) {
    Lanes sum;
    for (int i = 0; i < N; i += 8) {
      for (int j = 0; j < 8; ++j) {
        const float diff = a * q[i + j] + b - u[i + j];
        sum.lane[j] += w[i + j] * diff * diff;
      }
    }
    return sum.total();
  };
  for (int i = 0; i < N; ++i) q[i] = level(u[i] * static_cast<float>(top));
  float best_error = error(best_a, best_b);
  const auto attempt = [&](float inverse, float shift) {
    Lanes wq, wqq, wuq;
    for (int i = 0; i < N; i += 8) {
      for (int j = 0; j < 8; ++j) {
        const float l = level((u[i + j] - shift) * inverse);
        const float wl = w[i + j] * l;
        q[i + j] = l;
        wq.lane[j] += wl;
        wqq.lane[j] += wl * l;
        wuq.lane[j] += wl * u[i + j];
      }
    }
    const float sum_wq = wq.total(), sum_wqq = wqq.total(), sum_wuq = wuq.total();
    const float determinant = sum_w * sum_wqq - sum_wq * sum_wq;
    if (!(determinant > 0.0f)) return false;
    float a = (sum_w * sum_wuq - sum_wu * sum_wq) / determinant;
    float b = (sum_wqq * sum_wu - sum_wq * sum_wuq) / determinant;
    if (b > zero) {
      b = zero;
      a = (sum_wuq - zero * sum_wq) / sum_wqq;
    }
    if (!(a > 0.0f)) return false;
    const float err = error(a, b);
    if (!(err < best_error)) return false;
    best_a = a;
    best_b = b;
    best_error = err;
    return true;
  };
  const int candidates = static_cast<int>((fan_high - fan_low) * 10.0f + 1.5f);
  for (int t = 0; t < candidates; ++t) {
    attempt(static_cast<float>(top) + fan_low + 0.1f * static_cast<float>(t), 0.0f);
  }
  for (int i = 0; i < 4 && attempt(1.0f / best_a, best_b); ++i) {
  }
  const double offset = -(best_b * range + low);
  return {static_cast<float>(best_a * range), static_cast<float>(any_offset ? offset : std::max(0.0, offset))};
}

// The steps in which a super-block stores its groups' scales and offsets, as 0..top. Where importance tells the groups
// apart the steps are fitted by the groups' weights, else the largest becomes `top`.
template <std::size_t N>
Affine fit_steps(const std::array<Affine, N>& fits, const std::array<float, N>& counts, bool fitted, int top) {
  std::array<float, N> scales, offsets;
  for (std::size_t g = 0; g < N; ++g) {
    scales[g] = fits[g].scale;
    offsets[g] = fits[g].offset;
  }
  const auto levels = static_cast<float>(top);
  if (!fitted) {
    return {*std::max_element(scales.begin(), scales.end()) / levels, *std::max_element(offsets.begin(), offsets.end()) / levels};
  }
  const Grid grid{0.0f, levels};
  const ScaleSearch search{levels, 0.1f, 9};
  return {fit_scale<N>(scales.data(), counts.data(), grid, search), fit_scale<N>(offsets.data(), counts.data(), grid, search)};
}

// A block of 32 with one scale, 2 * half levels and importance: stores d and hands each level (0 is -half) to set(i, q).
template <typename Block, typename Set>
void encode_fitted(const float* src, const float* importance, int half, Block& block, const Set& set) {
  float weights[32];
  importance_weights(src, importance, mean_square(src, 32), 32, weights);
  const auto extreme = static_cast<float>(half);
  block.d = store_scale(fit_scale<32>(src, weights, Grid{-extreme, extreme - 1.0f}, {extreme, 0.1f, 9}));
  const double d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) set(i, (d == 0.0 ? 0 : nearest_level(src[i] / d, -half, half - 1)) + half);
}

// The same with a minimum.
template <typename Block, typename Set>
void encode_fitted_affine(const float* src, const float* importance, int top, Block& block, const Set& set) {
  float weights[32];
  importance_weights(src, importance, mean_square(src, 32), 32, weights);
  const Affine fit = fit_affine<32>(src, weights, top, -1.0f, 1.0f, true);
  block.d = store_scale(fit.scale);
  block.m = store_scale(-fit.offset);
  const double d = f16_to_f32(block.d);
  const double m = f16_to_f32(block.m);
  for (int i = 0; i < 32; ++i) set(i, d == 0.0 ? 0 : nearest_level((src[i] - m) / d, 0, top));
}

}  // namespace tashika::quant
