// vec.h for plain x86-64: four registers of 4 lanes.
#pragma once

namespace tashika::cpu::TASHIKA_ISA_NS {

struct F { __m128 a, b, c, d; };
struct I { __m128i a, b, c, d; };
struct M { __m128 a, b, c, d; };

TASHIKA_INLINE F splat(float x) { const __m128 v = _mm_set1_ps(x); return {v, v, v, v}; }
TASHIKA_INLINE I splat_i(int32_t x) { const __m128i v = _mm_set1_epi32(x); return {v, v, v, v}; }
TASHIKA_INLINE F load(const float* p) { return {_mm_loadu_ps(p), _mm_loadu_ps(p + 4), _mm_loadu_ps(p + 8), _mm_loadu_ps(p + 12)}; }
TASHIKA_INLINE void store(float* p, F x) {
  _mm_storeu_ps(p, x.a);
  _mm_storeu_ps(p + 4, x.b);
  _mm_storeu_ps(p + 8, x.c);
  _mm_storeu_ps(p + 12, x.d);
}
TASHIKA_INLINE I load_i(const int32_t* p) {
  return {_mm_loadu_si128((const __m128i*)p), _mm_loadu_si128((const __m128i*)(p + 4)),
          _mm_loadu_si128((const __m128i*)(p + 8)), _mm_loadu_si128((const __m128i*)(p + 12))};
}
TASHIKA_INLINE void store_i(int32_t* p, I x) {
  _mm_storeu_si128((__m128i*)p, x.a);
  _mm_storeu_si128((__m128i*)(p + 4), x.b);
  _mm_storeu_si128((__m128i*)(p + 8), x.c);
  _mm_storeu_si128((__m128i*)(p + 12), x.d);
}
TASHIKA_INLINE M first(int64_t n) {
  const __m128i count = _mm_set1_epi32(n > 16 ? 16 : (int)n);
  const __m128i lane = _mm_setr_epi32(0, 1, 2, 3);
  return {_mm_castsi128_ps(_mm_cmpgt_epi32(count, lane)),
          _mm_castsi128_ps(_mm_cmpgt_epi32(count, _mm_add_epi32(lane, _mm_set1_epi32(4)))),
          _mm_castsi128_ps(_mm_cmpgt_epi32(count, _mm_add_epi32(lane, _mm_set1_epi32(8)))),
          _mm_castsi128_ps(_mm_cmpgt_epi32(count, _mm_add_epi32(lane, _mm_set1_epi32(12))))};
}
TASHIKA_INLINE F load_n(const float* p, int64_t n) {
  float lanes[16] = {};
  for (int64_t i = 0; i < n && i < 16; ++i) lanes[i] = p[i];
  return load(lanes);
}
TASHIKA_INLINE void store_n(float* p, F x, int64_t n) {
  float lanes[16];
  store(lanes, x);
  for (int64_t i = 0; i < n && i < 16; ++i) p[i] = lanes[i];
}

// x·y + z rounded once. The product of two floats is exact in a double; the sum is rounded to odd
// (Boldo & Melquiond 2008: its error, from Knuth's two-sum, moves an even significand towards the
// exact value), so that the last rounding, to float, is the only one that counts.
TASHIKA_INLINE __m128d fma_odd(__m128d x, __m128d y, __m128d z) {
  const __m128d p = _mm_mul_pd(x, y);
  const __m128d s = _mm_add_pd(p, z);
  const __m128d back = _mm_sub_pd(s, p);
  const __m128d error = _mm_add_pd(_mm_sub_pd(p, _mm_sub_pd(s, back)), _mm_sub_pd(z, back));
  const __m128d zero = _mm_setzero_pd();
  // Inexact and even; false for NaN, which infinities give.
  const __m128i inexact = _mm_castpd_si128(_mm_or_pd(_mm_cmplt_pd(error, zero), _mm_cmpgt_pd(error, zero)));
  const __m128i one = _mm_set_epi32(0, 1, 0, 1);
  const __m128i even = _mm_andnot_si128(_mm_castpd_si128(s), one);
  const __m128i move = _mm_and_si128(even, inexact);  // 1 or 0
  // Away from zero when the error has the sum's sign, else towards it.
  const __m128d same = _mm_cmpgt_pd(_mm_xor_pd(error, _mm_and_pd(s, _mm_set1_pd(-0.0))), zero);
  const __m128i away = _mm_castpd_si128(same);
  const __m128i up = _mm_and_si128(move, away), down = _mm_andnot_si128(away, move);
  return _mm_castsi128_pd(_mm_sub_epi64(_mm_add_epi64(_mm_castpd_si128(s), up), down));
}
// Not inlined: every use would be sixty instructions, and compiling them takes minutes.
[[maybe_unused]] static __attribute__((noinline)) __m128 fma_part(__m128 x, __m128 y, __m128 z) {
  const __m128d low = fma_odd(_mm_cvtps_pd(x), _mm_cvtps_pd(y), _mm_cvtps_pd(z));
  const __m128d high = fma_odd(_mm_cvtps_pd(_mm_movehl_ps(x, x)), _mm_cvtps_pd(_mm_movehl_ps(y, y)), _mm_cvtps_pd(_mm_movehl_ps(z, z)));
  return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
}

TASHIKA_INLINE F operator+(F x, F y) { return {_mm_add_ps(x.a, y.a), _mm_add_ps(x.b, y.b), _mm_add_ps(x.c, y.c), _mm_add_ps(x.d, y.d)}; }
TASHIKA_INLINE F operator-(F x, F y) { return {_mm_sub_ps(x.a, y.a), _mm_sub_ps(x.b, y.b), _mm_sub_ps(x.c, y.c), _mm_sub_ps(x.d, y.d)}; }
TASHIKA_INLINE F operator*(F x, F y) { return {_mm_mul_ps(x.a, y.a), _mm_mul_ps(x.b, y.b), _mm_mul_ps(x.c, y.c), _mm_mul_ps(x.d, y.d)}; }
TASHIKA_INLINE F operator/(F x, F y) { return {_mm_div_ps(x.a, y.a), _mm_div_ps(x.b, y.b), _mm_div_ps(x.c, y.c), _mm_div_ps(x.d, y.d)}; }
TASHIKA_INLINE F fma(F x, F y, F z) {
  return {fma_part(x.a, y.a, z.a), fma_part(x.b, y.b, z.b), fma_part(x.c, y.c, z.c), fma_part(x.d, y.d, z.d)};
}
TASHIKA_INLINE F min(F x, F y) { return {_mm_min_ps(x.a, y.a), _mm_min_ps(x.b, y.b), _mm_min_ps(x.c, y.c), _mm_min_ps(x.d, y.d)}; }
TASHIKA_INLINE F max(F x, F y) { return {_mm_max_ps(x.a, y.a), _mm_max_ps(x.b, y.b), _mm_max_ps(x.c, y.c), _mm_max_ps(x.d, y.d)}; }
TASHIKA_INLINE F sqrt(F x) { return {_mm_sqrt_ps(x.a), _mm_sqrt_ps(x.b), _mm_sqrt_ps(x.c), _mm_sqrt_ps(x.d)}; }

TASHIKA_INLINE I bits(F x) { return {_mm_castps_si128(x.a), _mm_castps_si128(x.b), _mm_castps_si128(x.c), _mm_castps_si128(x.d)}; }
TASHIKA_INLINE F floats(I x) { return {_mm_castsi128_ps(x.a), _mm_castsi128_ps(x.b), _mm_castsi128_ps(x.c), _mm_castsi128_ps(x.d)}; }
TASHIKA_INLINE I to_int(F x) { return {_mm_cvtps_epi32(x.a), _mm_cvtps_epi32(x.b), _mm_cvtps_epi32(x.c), _mm_cvtps_epi32(x.d)}; }
TASHIKA_INLINE F to_float(I x) { return {_mm_cvtepi32_ps(x.a), _mm_cvtepi32_ps(x.b), _mm_cvtepi32_ps(x.c), _mm_cvtepi32_ps(x.d)}; }
TASHIKA_INLINE I operator+(I x, I y) { return {_mm_add_epi32(x.a, y.a), _mm_add_epi32(x.b, y.b), _mm_add_epi32(x.c, y.c), _mm_add_epi32(x.d, y.d)}; }
TASHIKA_INLINE I operator-(I x, I y) { return {_mm_sub_epi32(x.a, y.a), _mm_sub_epi32(x.b, y.b), _mm_sub_epi32(x.c, y.c), _mm_sub_epi32(x.d, y.d)}; }
TASHIKA_INLINE I operator&(I x, I y) { return {_mm_and_si128(x.a, y.a), _mm_and_si128(x.b, y.b), _mm_and_si128(x.c, y.c), _mm_and_si128(x.d, y.d)}; }
TASHIKA_INLINE I operator|(I x, I y) { return {_mm_or_si128(x.a, y.a), _mm_or_si128(x.b, y.b), _mm_or_si128(x.c, y.c), _mm_or_si128(x.d, y.d)}; }
TASHIKA_INLINE I operator^(I x, I y) { return {_mm_xor_si128(x.a, y.a), _mm_xor_si128(x.b, y.b), _mm_xor_si128(x.c, y.c), _mm_xor_si128(x.d, y.d)}; }
template <int N>
TASHIKA_INLINE I shift_left(I x) { return {_mm_slli_epi32(x.a, N), _mm_slli_epi32(x.b, N), _mm_slli_epi32(x.c, N), _mm_slli_epi32(x.d, N)}; }
template <int N>
TASHIKA_INLINE I shift_right(I x) { return {_mm_srli_epi32(x.a, N), _mm_srli_epi32(x.b, N), _mm_srli_epi32(x.c, N), _mm_srli_epi32(x.d, N)}; }
template <int N>
TASHIKA_INLINE I shift_right_signed(I x) { return {_mm_srai_epi32(x.a, N), _mm_srai_epi32(x.b, N), _mm_srai_epi32(x.c, N), _mm_srai_epi32(x.d, N)}; }

TASHIKA_INLINE M operator<(F x, F y) { return {_mm_cmplt_ps(x.a, y.a), _mm_cmplt_ps(x.b, y.b), _mm_cmplt_ps(x.c, y.c), _mm_cmplt_ps(x.d, y.d)}; }
TASHIKA_INLINE M operator<=(F x, F y) { return {_mm_cmple_ps(x.a, y.a), _mm_cmple_ps(x.b, y.b), _mm_cmple_ps(x.c, y.c), _mm_cmple_ps(x.d, y.d)}; }
TASHIKA_INLINE M operator==(F x, F y) { return {_mm_cmpeq_ps(x.a, y.a), _mm_cmpeq_ps(x.b, y.b), _mm_cmpeq_ps(x.c, y.c), _mm_cmpeq_ps(x.d, y.d)}; }
TASHIKA_INLINE M less(I x, I y) {
  return {_mm_castsi128_ps(_mm_cmplt_epi32(x.a, y.a)), _mm_castsi128_ps(_mm_cmplt_epi32(x.b, y.b)), _mm_castsi128_ps(_mm_cmplt_epi32(x.c, y.c)), _mm_castsi128_ps(_mm_cmplt_epi32(x.d, y.d))};
}
TASHIKA_INLINE __m128 select_part(__m128 m, __m128 x, __m128 y) { return _mm_or_ps(_mm_and_ps(m, x), _mm_andnot_ps(m, y)); }
TASHIKA_INLINE F select(M m, F x, F y) {
  return {select_part(m.a, x.a, y.a), select_part(m.b, x.b, y.b), select_part(m.c, x.c, y.c), select_part(m.d, x.d, y.d)};
}
TASHIKA_INLINE bool any(M m) { return _mm_movemask_ps(_mm_or_ps(_mm_or_ps(m.a, m.b), _mm_or_ps(m.c, m.d))) != 0; }

// 16 bit floats.
TASHIKA_INLINE I load_low_16(const uint16_t* p) {
  const __m128i x = _mm_loadu_si128((const __m128i*)p), y = _mm_loadu_si128((const __m128i*)(p + 8)), zero = _mm_setzero_si128();
  return {_mm_unpacklo_epi16(x, zero), _mm_unpackhi_epi16(x, zero), _mm_unpacklo_epi16(y, zero), _mm_unpackhi_epi16(y, zero)};
}
TASHIKA_INLINE F load_bf16(const uint16_t* p) { return floats(shift_left<16>(load_low_16(p))); }
TASHIKA_INLINE __m128i pack_part(__m128i x, __m128i y) {  // the low halves, whatever the high ones hold
  const __m128i sx = _mm_srai_epi32(_mm_slli_epi32(x, 16), 16), sy = _mm_srai_epi32(_mm_slli_epi32(y, 16), 16);
  return _mm_packs_epi32(sx, sy);
}
TASHIKA_INLINE void store_low_16(uint16_t* p, I x) {
  _mm_storeu_si128((__m128i*)p, pack_part(x.a, x.b));
  _mm_storeu_si128((__m128i*)(p + 8), pack_part(x.c, x.d));
}
// Subnormals and normals alike: the magnitude's bits, moved to a float's place, are the value times
// 2^-112; infinities and NaN then keep an exponent of all ones.
TASHIKA_INLINE F load_f16(const uint16_t* p) {
  const I h = load_low_16(p);
  const I magnitude = shift_left<13>(h & splat_i(0x7fff));
  const F value = floats(magnitude) * splat(0x1p112f);
  const M special = less(splat_i((0x7c00 << 13) - 1), magnitude);
  // A signalling NaN is made quiet, as the instruction does.
  const M nan = less(splat_i(0x7c00 << 13), magnitude);
  const F wide = floats(magnitude | splat_i(0x7f800000));
  const F quiet = floats(bits(wide) | splat_i(0x00400000));
  return floats(bits(select(special, select(nan, quiet, wide), value)) | shift_left<16>(h & splat_i(0x8000)));
}
TASHIKA_INLINE void store_f16(uint16_t* p, F x) {
  const I u = bits(x);
  const I sign = shift_right<16>(u) & splat_i(0x8000);
  const I magnitude = u & splat_i(0x7fffffff);
  const I rounded = shift_right<13>(magnitude + splat_i(0xfff) + (shift_right<13>(magnitude) & splat_i(1)) - splat_i(0x38000000));
  const I tiny = bits(floats(magnitude) + splat(0.5f)) - splat_i(0x3f000000);
  F out = select(less(magnitude, splat_i(0x38800000)), floats(tiny), floats(rounded));
  out = select(less(splat_i(0x477fffff), magnitude), floats(splat_i(0x7c00)), out);
  const I nan = (shift_right<13>(magnitude) & splat_i(0x1ff)) | splat_i(0x7e00);
  out = select(less(splat_i(0x7f800000), magnitude), floats(nan), out);
  store_low_16(p, bits(out) | sign);
}

TASHIKA_INLINE float sum(F x) {
  const __m128 four = _mm_add_ps(_mm_add_ps(x.a, x.c), _mm_add_ps(x.b, x.d));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
TASHIKA_INLINE float max_of(F x) {
  const __m128 four = _mm_max_ps(_mm_max_ps(x.a, x.c), _mm_max_ps(x.b, x.d));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

}  // namespace tashika::cpu::TASHIKA_ISA_NS
