// vec.h for AVX-512 (F, BW, DQ, VL): one register of 16 lanes, one mask register.
#pragma once

namespace tashika::cpu::TASHIKA_ISA_NS {

struct F { __m512 v; };
struct I { __m512i v; };
struct M { __mmask16 v; };

TASHIKA_INLINE F splat(float x) { return {_mm512_set1_ps(x)}; }
TASHIKA_INLINE I splat_i(int32_t x) { return {_mm512_set1_epi32(x)}; }
TASHIKA_INLINE F load(const float* p) { return {_mm512_loadu_ps(p)}; }
TASHIKA_INLINE void store(float* p, F x) { _mm512_storeu_ps(p, x.v); }
TASHIKA_INLINE I load_i(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
TASHIKA_INLINE void store_i(int32_t* p, I x) { _mm512_storeu_si512(p, x.v); }
TASHIKA_INLINE M first(int64_t n) { return {static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1u)}; }
TASHIKA_INLINE F load_n(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(first(n).v, p)}; }
TASHIKA_INLINE void store_n(float* p, F x, int64_t n) { _mm512_mask_storeu_ps(p, first(n).v, x.v); }

TASHIKA_INLINE F operator+(F a, F b) { return {_mm512_add_ps(a.v, b.v)}; }
TASHIKA_INLINE F operator-(F a, F b) { return {_mm512_sub_ps(a.v, b.v)}; }
TASHIKA_INLINE F operator*(F a, F b) { return {_mm512_mul_ps(a.v, b.v)}; }
TASHIKA_INLINE F operator/(F a, F b) { return {_mm512_div_ps(a.v, b.v)}; }
TASHIKA_INLINE F fma(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
TASHIKA_INLINE F min(F a, F b) { return {_mm512_min_ps(a.v, b.v)}; }
TASHIKA_INLINE F max(F a, F b) { return {_mm512_max_ps(a.v, b.v)}; }
TASHIKA_INLINE F sqrt(F a) { return {_mm512_sqrt_ps(a.v)}; }

TASHIKA_INLINE I bits(F a) { return {_mm512_castps_si512(a.v)}; }
TASHIKA_INLINE F floats(I a) { return {_mm512_castsi512_ps(a.v)}; }
TASHIKA_INLINE I to_int(F a) { return {_mm512_cvtps_epi32(a.v)}; }  // to nearest even; out of range: INT32_MIN
TASHIKA_INLINE F to_float(I a) { return {_mm512_cvtepi32_ps(a.v)}; }
TASHIKA_INLINE I operator+(I a, I b) { return {_mm512_add_epi32(a.v, b.v)}; }
TASHIKA_INLINE I operator-(I a, I b) { return {_mm512_sub_epi32(a.v, b.v)}; }
TASHIKA_INLINE I operator&(I a, I b) { return {_mm512_and_si512(a.v, b.v)}; }
TASHIKA_INLINE I operator|(I a, I b) { return {_mm512_or_si512(a.v, b.v)}; }
TASHIKA_INLINE I operator^(I a, I b) { return {_mm512_xor_si512(a.v, b.v)}; }
template <int N>
TASHIKA_INLINE I shift_left(I a) { return {_mm512_slli_epi32(a.v, N)}; }
template <int N>
TASHIKA_INLINE I shift_right(I a) { return {_mm512_srli_epi32(a.v, N)}; }
template <int N>
TASHIKA_INLINE I shift_right_signed(I a) { return {_mm512_srai_epi32(a.v, N)}; }

TASHIKA_INLINE M operator<(F a, F b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
TASHIKA_INLINE M operator<=(F a, F b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
TASHIKA_INLINE M operator==(F a, F b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
TASHIKA_INLINE M less(I a, I b) { return {_mm512_cmplt_epi32_mask(a.v, b.v)}; }
TASHIKA_INLINE F select(M m, F a, F b) { return {_mm512_mask_blend_ps(m.v, b.v, a.v)}; }
TASHIKA_INLINE bool any(M m) { return m.v != 0; }

// 16 bit floats.
TASHIKA_INLINE F load_bf16(const uint16_t* p) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16))};
}
TASHIKA_INLINE F load_f16(const uint16_t* p) { return {_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p))}; }
TASHIKA_INLINE void store_low_16(uint16_t* p, I x) { _mm256_storeu_si256((__m256i*)p, _mm512_cvtepi32_epi16(x.v)); }
TASHIKA_INLINE void store_f16(uint16_t* p, F x) {
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

TASHIKA_INLINE float sum(F a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
TASHIKA_INLINE float max_of(F a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

}  // namespace tashika::cpu::TASHIKA_ISA_NS
