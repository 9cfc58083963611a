// Functions of the portable vector code: the same bits on every instruction set, no libm.
//
// Polynomials are fitted by tools/numerics/fit_math.py. Bounds on the error in units in the last
// place, which tests/cpu checks on samples of every exponent: exp 1, log 1, erf 1.2, tanh 2,
// sigmoid 2.5, silu 3, log_sigmoid 3; sin, cos and pow, by way of doubles, 0.6.
#pragma once

#include "backend/cpu/isa/vec.h"

namespace tashika::cpu::TASHIKA_ISA_NS {

// 2^n · p for n in [-150, 128], in two steps so that neither factor leaves the normal range.
TASHIKA_INLINE F scale_by_power(F p, I n) {
  const I half = shift_right_signed<1>(n);
  const I rest = n - half;
  return p * floats(shift_left<23>(half + splat_i(127))) * floats(shift_left<23>(rest + splat_i(127)));
}

// Cody & Waite 1980: x = n ln 2 + r.
TASHIKA_INLINE F exp(F x) {
  x = min(splat(89.0f), max(splat(-104.5f), x));  // beyond: infinity and zero; NaN passes
  const F n = to_float(to_int(x * splat(0x1.715476p+0f)));
  F r = fnma(n, splat(0x1.62e4p-1f), x);
  r = fnma(n, splat(0x1.7f7d1cp-20f), r);
  F q = splat(0x1.9e188cp-13f);
  q = fma(q, r, splat(0x1.6d4f4ep-10f));
  q = fma(q, r, splat(0x1.111302p-7f));
  q = fma(q, r, splat(0x1.5554e6p-5f));
  q = fma(q, r, splat(0x1.555554p-3f));
  q = fma(q, r, splat(0.5f));
  const F p = fma(q, r * r, r) + splat(1.0f);
  const F y = scale_by_power(p, to_int(n));
  return select(x == x, y, x);
}

// x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)).
TASHIKA_INLINE F log(F x) {
  const M small = x < splat(0x1p-126f);
  const F scaled = select(small, x * splat(0x1p23f), x);
  const I u = bits(scaled) - splat_i(0x3f3504f3);
  const F k = to_float(shift_right_signed<23>(u)) - select(small, splat(23.0f), zero());
  const F f = floats((u & splat_i(0x7fffff)) + splat_i(0x3f3504f3)) - splat(1.0f);
  F q = splat(0x1.1484e8p-4f);
  q = fma(q, f, splat(-0x1.de1004p-4f));
  q = fma(q, f, splat(0x1.e6c03ep-4f));
  q = fma(q, f, splat(-0x1.fc26acp-4f));
  q = fma(q, f, splat(0x1.233b78p-3f));
  q = fma(q, f, splat(-0x1.555c4ep-3f));
  q = fma(q, f, splat(0x1.99a478p-3f));
  q = fma(q, f, splat(-0x1.000006p-2f));
  q = fma(q, f, splat(0x1.555548p-2f));
  const F ff = f * f;
  // k ln 2 + f - f²/2 + f³ q, the small parts first.
  F low = fma(q * f, ff, k * splat(0x1.7f7d1cp-20f));
  low = fnma(splat(0.5f), ff, low);
  F y = fma(k, splat(0x1.62e4p-1f), low + f);
  y = select(x == splat(__builtin_inff()), x, y);
  y = select(x == zero(), splat(-__builtin_inff()), y);
  const M negative = x < zero();
  return select(negative, splat(__builtin_nanf("")), select(x == x, y, x));
}

TASHIKA_INLINE F tanh(F x) {
  const F a = abs(x);
  const F s = x * x;
  F q = splat(0x1.18a826p-9f);
  q = fma(q, s, splat(-0x1.0bff3ap-7f));
  q = fma(q, s, splat(0x1.639466p-6f));
  q = fma(q, s, splat(-0x1.b9f04ap-5f));
  q = fma(q, s, splat(0x1.111076p-3f));
  q = fma(q, s, splat(-0x1.555554p-2f));
  const F small = fma(q * s, x, x);
  const F large = splat(1.0f) - splat(2.0f) / (exp(a + a) + splat(1.0f));
  return select(a < splat(0.6f), small, copy_sign(large, x));
}

TASHIKA_INLINE F sigmoid(F x) {
  const F z = exp(neg(abs(x)));
  const F numerator = select(x < zero(), z, splat(1.0f));
  return numerator / (splat(1.0f) + z);
}

TASHIKA_INLINE F log_sigmoid(F x) {  // min(x, 0) - log(1 + exp(-|x|))
  const F z = exp(neg(abs(x)));
  // log(1 + z) with the rounding of 1 + z undone (Goldberg 1991, theorem 4).
  const F u = splat(1.0f) + z;
  const F d = u - splat(1.0f);
  const F l = select(d == zero(), z, log(u) * (z / select(d == zero(), splat(1.0f), d)));
  return min(zero(), x) - l;
}

TASHIKA_INLINE F erf(F x) {
  const F a = abs(x);
  const F s = x * x;
  F q = splat(0x1.4f675ep-14f);
  q = fma(q, s, splat(-0x1.a60a2ep-11f));
  q = fma(q, s, splat(0x1.544a1ap-8f));
  q = fma(q, s, splat(-0x1.b8011ap-6f));
  q = fma(q, s, splat(0x1.ce2d64p-4f));
  q = fma(q, s, splat(-0x1.812740p-2f));
  q = fma(q, s, splat(0x1.06eba8p-3f));
  const F small = fma(q, x, x);
  const F t = min(splat(4.0f), a);
  F p = splat(0x1.78e138p-17f);
  p = fma(p, t, splat(-0x1.527e5ep-12f));
  p = fma(p, t, splat(0x1.dd6e38p-9f));
  p = fma(p, t, splat(-0x1.8551d2p-6f));
  p = fma(p, t, splat(0x1.b3259cp-4f));
  p = fma(p, t, splat(0x1.45328ap-1f));
  p = fma(p, t, splat(0x1.20ef1cp+0f));
  F large = splat(1.0f) - exp(neg(p * t));
  large = select(a < splat(3.95f), large, splat(1.0f));
  large = copy_sign(select(x == x, large, x), x);
  return select(a < splat(0.93f), small, large);
}

TASHIKA_INLINE F silu(F x) { return x * sigmoid(x); }
// x Φ(x); the error is absolute, about 1 ulp of x, where Φ is small (as in other libraries).
TASHIKA_INLINE F gelu(F x) { return splat(0.5f) * x * (splat(1.0f) + erf(x * splat(0x1.6a09e6p-1f))); }
TASHIKA_INLINE F gelu_tanh(F x) {
  const F inner = splat(0x1.988454p-1f) * fma(splat(0x1.6e4e26p-5f) * (x * x), x, x);
  return splat(0.5f) * x * (splat(1.0f) + tanh(inner));
}
TASHIKA_INLINE F gelu_quick(F x) { return x * sigmoid(splat(1.702f) * x); }

// ---- in doubles, one value at a time: exact enough that only the last rounding shows ----

TASHIKA_INLINE double round_double(double x) {  // to nearest even, |x| < 2^51
  const double big = 0x1.8p52;
  return (x + big) - big;
}

// x - n π/2 in [-π/4, π/4]; quadrant = n mod 4. Beyond 2^20 by Payne & Hanek 1983.
TASHIKA_INLINE double reduce_quarter(float x, int* quadrant) {
  const double ax = (double)(x < 0 ? -x : x);
  double r;
  int q;
  if (ax < 0x1p20) {
    const double n = round_double(ax * 0x1.45f306dc9c883p-1);
    r = (ax - n * 0x1.921fb544p+0) - n * 0x1.0b4611a626331p-34;
    q = (int)n & 3;
  } else {
    // 2/π from bit 0 (weight 2^31 of the first word, a leading word of zeros) on.
    static const uint32_t two_over_pi[] = {0x00000000, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0,
                                           0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561, 0xb7246e3a};
    union { float f; uint32_t u; } pun = {x};
    const int e = (int)(pun.u >> 23 & 255) - 150;
    const uint64_t m = (pun.u & 0x7fffff) | 0x800000;
    const int first_bit = 32 + e - 2;  // bits above only add multiples of 4 quarters
    const int word = first_bit / 32, shift = first_bit % 32;
    unsigned __int128 window = 0;
    for (int i = 0; i < 4; ++i) window = window << 32 | two_over_pi[word + i];
    if (shift > 0) window = window << shift | two_over_pi[word + 4] >> (32 - shift);
    window *= m;
    q = (int)(uint64_t)((window + ((unsigned __int128)1 << 125)) >> 126) & 3;
    const __int128 fraction = (__int128)(window << 2) >> 2;  // signed, in units of 2^-126
    r = (double)(int64_t)(fraction >> 64) * (0x1p-62 * 0x1.921fb54442d18p+0);
  }
  if (x < 0) {
    r = -r;
    q = (4 - q) & 3;
  }
  *quadrant = q;
  return r;
}
TASHIKA_INLINE double sin_small(double r) {
  const double s = r * r;
  double p = -1.0 / 39916800;
  p = p * s + 1.0 / 362880;
  p = p * s - 1.0 / 5040;
  p = p * s + 1.0 / 120;
  p = p * s - 1.0 / 6;
  return r + r * s * p;
}
TASHIKA_INLINE double cos_small(double r) {
  const double s = r * r;
  double p = 1.0 / 479001600;
  p = p * s - 1.0 / 3628800;
  p = p * s + 1.0 / 40320;
  p = p * s - 1.0 / 720;
  p = p * s + 1.0 / 24;
  p = p * s - 0.5;
  return 1.0 + s * p;
}
// sin of x, or with turn 1 its cosine.
TASHIKA_INLINE float sin_turned(float x, int turn) {
  if (!(x - x == 0.0f)) return __builtin_nanf("");
  int q;
  const double r = reduce_quarter(x, &q);
  q = (q + turn) & 3;
  const double y = (q & 1) != 0 ? cos_small(r) : sin_small(r);
  if (turn == 0 && x == 0.0f) return x;
  return (float)((q & 2) != 0 ? -y : y);
}

// x^y, x > 0 and finite, y finite.
TASHIKA_INLINE float power_positive(float x, float y) {
  union { double f; uint64_t u; } pun = {(double)x};
  const uint64_t u = pun.u - 0x3fe6a09e667f3bcd;
  const int k = (int)((int64_t)u >> 52);
  pun.u = (u & 0xfffffffffffff) + 0x3fe6a09e667f3bcd;
  const double s = (pun.f - 1) / (pun.f + 1), ss = s * s;
  double series = 0;
  for (int i = 23; i >= 3; i -= 2) series = (series + 1.0 / i) * ss;
  const double exponent = (double)y * ((double)k * 0x1.62e42fefa39efp-1 + 2 * s * (1 + series));
  if (exponent > 89.0) return __builtin_inff();
  if (exponent < -104.5) return 0.0f;
  const double n = round_double(exponent * 0x1.71547652b82fep+0);
  const double r = (exponent - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;
  double e = 1;
  for (int i = 14; i >= 1; --i) e = 1 + r * e / i;
  pun.u = (uint64_t)((int64_t)n + 1023) << 52;
  return (float)(e * pun.f);
}
TASHIKA_INLINE float power(float x, float y) {  // C's pow, its special cases included
  const float inf = __builtin_inff();
  if (y == 0.0f || x == 1.0f) return 1.0f;
  if (x != x || y != y) return x + y;
  const float ax = x < 0 ? -x : x, ay = y < 0 ? -y : y;
  // Floats from 2^24 on are even integers.
  const bool integer = ay >= 16777216.0f || (float)(int32_t)ay == ay;
  const bool odd = ay < 16777216.0f && integer && ((int32_t)ay & 1) != 0;
  union { float f; uint32_t u; } pun = {x};
  const bool minus = (pun.u >> 31) != 0;
  if (ay == inf) return ax == 1.0f ? 1.0f : (ax > 1.0f) == (y > 0) ? inf : 0.0f;
  float result;
  if (ax == 0.0f || ax == inf) result = (ax == inf) == (y > 0) ? inf : 0.0f;
  else if (minus && !integer) return __builtin_nanf("");
  else result = power_positive(ax, y);
  return minus && odd ? -result : result;
}

}  // namespace tashika::cpu::TASHIKA_ISA_NS
