// Integer dots and byte shuffles over 16 lanes, beside vec.h: what the kernels for quantised weights are made of.
//
// An I holds four bytes for each of 16 rows: four consecutive k. Sums are exact on every set.
#pragma once

#include "backend/cpu/isa/vec.h"

namespace tashika::cpu::TASHIKA_ISA_NS {

TASHIKA_INLINE int32_t four_bytes(const int8_t* p) {
  int32_t x;
  __builtin_memcpy(&x, p, 4);
  return x;
}
TASHIKA_INLINE int32_t two_halves(const int16_t* p) {
  int32_t x;
  __builtin_memcpy(&x, p, 4);
  return x;
}

#if defined(__AVX512F__)

TASHIKA_INLINE I load_bytes(const uint8_t* p) { return {_mm512_load_si512(p)}; }
TASHIKA_INLINE void store_bytes(uint8_t* p, I x) { _mm512_store_si512(p, x.v); }
TASHIKA_INLINE I mul(I x, I y) { return {_mm512_mullo_epi32(x.v, y.v)}; }
TASHIKA_INLINE I shift_right_by(I x, int n) { return {_mm512_srl_epi32(x.v, _mm_cvtsi32_si128(n))}; }
TASHIKA_INLINE int32_t sum_i(I x) { return _mm512_reduce_add_epi32(x.v); }
TASHIKA_INLINE void store_int8(int8_t* p, I x) { _mm_storeu_si128((__m128i*)p, _mm512_cvtsepi32_epi8(x.v)); }
TASHIKA_INLINE I madd16(I acc, I x, I y) {
#if defined(__AVX512VNNI__)
  return {_mm512_dpwssd_epi32(acc.v, x.v, y.v)};
#else
  return {_mm512_add_epi32(acc.v, _mm512_madd_epi16(x.v, y.v))};
#endif
}
TASHIKA_INLINE I lookup(const int8_t* table, I index) {
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)table)), index.v)};
}
// The f16 in the low half of each lane.
TASHIKA_INLINE F low_f16(I x) { return {_mm512_cvtph_ps(_mm512_cvtepi32_epi16(x.v))}; }

TASHIKA_INLINE __m512i four_rows(const uint8_t* const* rows, int first, int64_t offset) {
  const auto at = [&](int r) { return _mm_loadu_si128((const __m128i*)(rows[r] + offset)); };
  __m512i x = _mm512_castsi128_si512(at(first));
  x = _mm512_inserti32x4(x, at(first + 4), 1);
  x = _mm512_inserti32x4(x, at(first + 8), 2);
  return _mm512_inserti32x4(x, at(first + 12), 3);
}
// 16 bytes at `offset` of each of 16 rows: out[j] gets bytes 4j … 4j+3 of every row.
TASHIKA_INLINE void piece(const uint8_t* const* rows, int64_t offset, I out[4]) {
  const __m512i a = four_rows(rows, 0, offset), b = four_rows(rows, 1, offset);
  const __m512i c = four_rows(rows, 2, offset), d = four_rows(rows, 3, offset);
  const __m512i ab0 = _mm512_unpacklo_epi32(a, b), ab1 = _mm512_unpackhi_epi32(a, b);
  const __m512i cd0 = _mm512_unpacklo_epi32(c, d), cd1 = _mm512_unpackhi_epi32(c, d);
  out[0].v = _mm512_unpacklo_epi64(ab0, cd0);
  out[1].v = _mm512_unpackhi_epi64(ab0, cd0);
  out[2].v = _mm512_unpacklo_epi64(ab1, cd1);
  out[3].v = _mm512_unpackhi_epi64(ab1, cd1);
}

#if defined(__AVX512VNNI__)
// Weights of eight bits lie in the panel as w + 128 and the sum starts from -128 · sum(a).
#define TASHIKA_OFFSET_PANEL 1
// acc += dot of four unsigned bytes of each lane with the four signed ones at a. Assembly, because GCC 12 copies
// accumulators in loops that it does not unroll wholly.
TASHIKA_INLINE void dot_u(I& acc, I w, const int8_t* a) {
  __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc.v) : "v"(w.v), "m"(*(const int32_t(*)[1])a));
}
TASHIKA_INLINE void dot_s(I& acc, I w, const int8_t* a) { dot_u(acc, w, a); }
#else
#define TASHIKA_OFFSET_PANEL 0
// Unsigned bytes up to 63 only: pairs are summed in 16 bits.
TASHIKA_INLINE void dot_u(I& acc, I w, const int8_t* a) {
  const __m512i pairs = _mm512_maddubs_epi16(w.v, _mm512_set1_epi32(four_bytes(a)));
  acc.v = _mm512_add_epi32(acc.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
// Signed bytes: |w| times a with w's sign; 128 · 127 · 2 still fits 16 bits.
TASHIKA_INLINE void dot_s(I& acc, I w, const int8_t* a) {
  const __m512i x = _mm512_set1_epi32(four_bytes(a));
  const __m512i sx = _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(w.v), _mm512_setzero_si512(), x);
  const __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(w.v), sx);
  acc.v = _mm512_add_epi32(acc.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
#endif

#elif defined(__AVX2__)
#define TASHIKA_OFFSET_PANEL 0

TASHIKA_INLINE I load_bytes(const uint8_t* p) { return load_i((const int32_t*)p); }
TASHIKA_INLINE void store_bytes(uint8_t* p, I x) { store_i((int32_t*)p, x); }
TASHIKA_INLINE I shift_right_by(I x, int n) {
  const __m128i by = _mm_cvtsi32_si128(n);
  return {_mm256_srl_epi32(x.a, by), _mm256_srl_epi32(x.b, by)};
}
TASHIKA_INLINE I mul(I x, I y) { return {_mm256_mullo_epi32(x.a, y.a), _mm256_mullo_epi32(x.b, y.b)}; }
TASHIKA_INLINE __m128i pack_int8(__m128i a, __m128i b, __m128i c, __m128i d) {
  return _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d));
}
TASHIKA_INLINE int32_t sum_four(__m128i x) {
  const __m128i two = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}
TASHIKA_INLINE int32_t sum_i(I x) {
  const __m256i eight = _mm256_add_epi32(x.a, x.b);
  return sum_four(_mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1)));
}
TASHIKA_INLINE void store_int8(int8_t* p, I x) {
  _mm_storeu_si128((__m128i*)p, pack_int8(_mm256_castsi256_si128(x.a), _mm256_extracti128_si256(x.a, 1),
                                          _mm256_castsi256_si128(x.b), _mm256_extracti128_si256(x.b, 1)));
}
TASHIKA_INLINE I madd16(I acc, I x, I y) {
  return {_mm256_add_epi32(acc.a, _mm256_madd_epi16(x.a, y.a)), _mm256_add_epi32(acc.b, _mm256_madd_epi16(x.b, y.b))};
}
TASHIKA_INLINE I lookup(const int8_t* table, I index) {
  const __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)table));
  return {_mm256_shuffle_epi8(t, index.a), _mm256_shuffle_epi8(t, index.b)};
}
TASHIKA_INLINE F low_f16(I x) {
  uint16_t half[16];
  store_low_16(half, x & splat_i(0xffff));
  return load_f16(half);
}

TASHIKA_INLINE __m256i two_rows(const uint8_t* const* rows, int r, int64_t offset) {
  const auto at = [&](int i) { return _mm_loadu_si128((const __m128i*)(rows[i] + offset)); };
  return _mm256_inserti128_si256(_mm256_castsi128_si256(at(r)), at(r + 4), 1);
}
TASHIKA_INLINE void piece_half(const uint8_t* const* rows, int64_t offset, __m256i out[4]) {
  const __m256i a = two_rows(rows, 0, offset), b = two_rows(rows, 1, offset);
  const __m256i c = two_rows(rows, 2, offset), d = two_rows(rows, 3, offset);
  const __m256i ab0 = _mm256_unpacklo_epi32(a, b), ab1 = _mm256_unpackhi_epi32(a, b);
  const __m256i cd0 = _mm256_unpacklo_epi32(c, d), cd1 = _mm256_unpackhi_epi32(c, d);
  out[0] = _mm256_unpacklo_epi64(ab0, cd0);
  out[1] = _mm256_unpackhi_epi64(ab0, cd0);
  out[2] = _mm256_unpacklo_epi64(ab1, cd1);
  out[3] = _mm256_unpackhi_epi64(ab1, cd1);
}
TASHIKA_INLINE void piece(const uint8_t* const* rows, int64_t offset, I out[4]) {
  __m256i low[4], high[4];
  piece_half(rows, offset, low);
  piece_half(rows + 8, offset, high);
  for (int j = 0; j < 4; ++j) out[j] = {low[j], high[j]};
}

// See the AVX-512 form for the bounds.
TASHIKA_INLINE void dot_u(I& acc, I w, const int8_t* a) {
  const __m256i x = _mm256_set1_epi32(four_bytes(a)), one = _mm256_set1_epi16(1);
  acc.a = _mm256_add_epi32(acc.a, _mm256_madd_epi16(_mm256_maddubs_epi16(w.a, x), one));
  acc.b = _mm256_add_epi32(acc.b, _mm256_madd_epi16(_mm256_maddubs_epi16(w.b, x), one));
}
TASHIKA_INLINE void dot_s(I& acc, I w, const int8_t* a) {
  const __m256i x = _mm256_set1_epi32(four_bytes(a)), one = _mm256_set1_epi16(1);
  const __m256i p = _mm256_maddubs_epi16(_mm256_abs_epi8(w.a), _mm256_sign_epi8(x, w.a));
  const __m256i q = _mm256_maddubs_epi16(_mm256_abs_epi8(w.b), _mm256_sign_epi8(x, w.b));
  acc.a = _mm256_add_epi32(acc.a, _mm256_madd_epi16(p, one));
  acc.b = _mm256_add_epi32(acc.b, _mm256_madd_epi16(q, one));
}

#else  // SSE2
#define TASHIKA_OFFSET_PANEL 0

TASHIKA_INLINE I load_bytes(const uint8_t* p) { return load_i((const int32_t*)p); }
TASHIKA_INLINE void store_bytes(uint8_t* p, I x) { store_i((int32_t*)p, x); }
TASHIKA_INLINE __m128i mul_part(__m128i x, __m128i y) {
  const __m128i even = _mm_mul_epu32(x, y), odd = _mm_mul_epu32(_mm_srli_epi64(x, 32), _mm_srli_epi64(y, 32));
  return _mm_unpacklo_epi32(_mm_shuffle_epi32(even, 8), _mm_shuffle_epi32(odd, 8));
}
TASHIKA_INLINE int32_t sum_four(__m128i x) {
  const __m128i two = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}
TASHIKA_INLINE int32_t sum_i(I x) { return sum_four(_mm_add_epi32(_mm_add_epi32(x.a, x.b), _mm_add_epi32(x.c, x.d))); }
TASHIKA_INLINE void store_int8(int8_t* p, I x) {
  _mm_storeu_si128((__m128i*)p, _mm_packs_epi16(_mm_packs_epi32(x.a, x.b), _mm_packs_epi32(x.c, x.d)));
}
TASHIKA_INLINE I shift_right_by(I x, int n) {
  const __m128i by = _mm_cvtsi32_si128(n);
  return {_mm_srl_epi32(x.a, by), _mm_srl_epi32(x.b, by), _mm_srl_epi32(x.c, by), _mm_srl_epi32(x.d, by)};
}
TASHIKA_INLINE I mul(I x, I y) { return {mul_part(x.a, y.a), mul_part(x.b, y.b), mul_part(x.c, y.c), mul_part(x.d, y.d)}; }
TASHIKA_INLINE I madd16(I acc, I x, I y) {
  return {_mm_add_epi32(acc.a, _mm_madd_epi16(x.a, y.a)), _mm_add_epi32(acc.b, _mm_madd_epi16(x.b, y.b)),
          _mm_add_epi32(acc.c, _mm_madd_epi16(x.c, y.c)), _mm_add_epi32(acc.d, _mm_madd_epi16(x.d, y.d))};
}
TASHIKA_INLINE I lookup(const int8_t* table, I index) {
  uint8_t bytes[64];
  store_bytes(bytes, index);
  for (int i = 0; i < 64; ++i) bytes[i] = (uint8_t)table[bytes[i] & 15];
  return load_bytes(bytes);
}
TASHIKA_INLINE F low_f16(I x) {
  uint16_t half[16];
  store_low_16(half, x);
  return load_f16(half);
}
TASHIKA_INLINE void piece_part(const uint8_t* const* rows, int64_t offset, __m128i out[4]) {
  const auto at = [&](int r) { return _mm_loadu_si128((const __m128i*)(rows[r] + offset)); };
  const __m128i ab0 = _mm_unpacklo_epi32(at(0), at(1)), ab1 = _mm_unpackhi_epi32(at(0), at(1));
  const __m128i cd0 = _mm_unpacklo_epi32(at(2), at(3)), cd1 = _mm_unpackhi_epi32(at(2), at(3));
  out[0] = _mm_unpacklo_epi64(ab0, cd0);
  out[1] = _mm_unpackhi_epi64(ab0, cd0);
  out[2] = _mm_unpacklo_epi64(ab1, cd1);
  out[3] = _mm_unpackhi_epi64(ab1, cd1);
}
TASHIKA_INLINE void piece(const uint8_t* const* rows, int64_t offset, I out[4]) {
  __m128i a[4], b[4], c[4], d[4];
  piece_part(rows, offset, a);
  piece_part(rows + 4, offset, b);
  piece_part(rows + 8, offset, c);
  piece_part(rows + 12, offset, d);
  for (int j = 0; j < 4; ++j) out[j] = {a[j], b[j], c[j], d[j]};
}
TASHIKA_INLINE __m128i dot_halves(__m128i low, __m128i high, __m128i a) {  // four int16 a lane pair
  const __m128 x = _mm_castsi128_ps(_mm_madd_epi16(low, a)), y = _mm_castsi128_ps(_mm_madd_epi16(high, a));
  return _mm_add_epi32(_mm_castps_si128(_mm_shuffle_ps(x, y, 0x88)), _mm_castps_si128(_mm_shuffle_ps(x, y, 0xdd)));
}
TASHIKA_INLINE __m128i spread(const int8_t* a) {
  const __m128i x = _mm_set1_epi32(four_bytes(a));
  return _mm_srai_epi16(_mm_unpacklo_epi8(x, x), 8);
}
TASHIKA_INLINE __m128i dot_u_part(__m128i acc, __m128i w, __m128i a) {
  const __m128i zero = _mm_setzero_si128();
  return _mm_add_epi32(acc, dot_halves(_mm_unpacklo_epi8(w, zero), _mm_unpackhi_epi8(w, zero), a));
}
TASHIKA_INLINE __m128i dot_s_part(__m128i acc, __m128i w, __m128i a) {
  return _mm_add_epi32(acc, dot_halves(_mm_srai_epi16(_mm_unpacklo_epi8(w, w), 8), _mm_srai_epi16(_mm_unpackhi_epi8(w, w), 8), a));
}
TASHIKA_INLINE void dot_u(I& acc, I w, const int8_t* a) {
  const __m128i x = spread(a);
  acc = {dot_u_part(acc.a, w.a, x), dot_u_part(acc.b, w.b, x), dot_u_part(acc.c, w.c, x), dot_u_part(acc.d, w.d, x)};
}
TASHIKA_INLINE void dot_s(I& acc, I w, const int8_t* a) {
  const __m128i x = spread(a);
  acc = {dot_s_part(acc.a, w.a, x), dot_s_part(acc.b, w.b, x), dot_s_part(acc.c, w.c, x), dot_s_part(acc.d, w.d, x)};
}
#endif

// A lane's weight bytes as they go into a panel of signed bytes.
TASHIKA_INLINE I to_panel(I bytes) {
#if TASHIKA_OFFSET_PANEL
  return bytes ^ splat_i((int32_t)0x80808080u);
#else
  return bytes;
#endif
}
TASHIKA_INLINE I byte_of(I x, int j) {  // j is a constant where this is inlined
  const I mask = splat_i(0xff);
  switch (j) {
    case 0: return x & mask;
    case 1: return shift_right<8>(x) & mask;
    case 2: return shift_right<16>(x) & mask;
    default: return shift_right<24>(x);
  }
}
TASHIKA_INLINE I signed_byte_of(I x, int j) {
  switch (j) {
    case 0: return shift_right_signed<24>(shift_left<24>(x));
    case 1: return shift_right_signed<24>(shift_left<16>(x));
    case 2: return shift_right_signed<24>(shift_left<8>(x));
    default: return shift_right_signed<24>(x);
  }
}

}  // namespace tashika::cpu::TASHIKA_ISA_NS
