// Sixteen f32 lanes on every instruction set, so that one source gives the same bits on each.
//
// F holds 16 floats, I 16 int32, M 16 truth values: one 512-bit register, two of 256 or four of
// 128. fma(x, y, z) = x·y + z is exact everywhere: plain x86-64 has no such instruction, and the
// one of vec_sse2.h rounds correctly by way of doubles. min(x, y) and max(x, y) give y when either
// is NaN, as the instructions do. sum() and max_of() fold lanes by +8, +4, +2, +1.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#ifndef TASHIKA_ISA_NS
#error "compiled by backend/cpu/CMakeLists.txt, once for each instruction set"
#endif

#define TASHIKA_INLINE [[maybe_unused]] static inline __attribute__((always_inline))

#if defined(__AVX512F__)
#include "backend/cpu/isa/vec_avx512.h"
#elif defined(__AVX2__)
#include "backend/cpu/isa/vec_avx2.h"
#else
#include "backend/cpu/isa/vec_sse2.h"
#endif

namespace tashika::cpu::TASHIKA_ISA_NS {

TASHIKA_INLINE F zero() { return splat(0.0f); }
TASHIKA_INLINE F fnma(F x, F y, F z) { return fma(floats(bits(x) ^ splat_i(INT32_MIN)), y, z); }  // z - x·y
TASHIKA_INLINE F neg(F x) { return floats(bits(x) ^ splat_i(INT32_MIN)); }
TASHIKA_INLINE F abs(F x) { return floats(bits(x) & splat_i(INT32_MAX)); }
TASHIKA_INLINE F copy_sign(F magnitude, F sign) {
  return floats((bits(magnitude) & splat_i(INT32_MAX)) | (bits(sign) & splat_i(INT32_MIN)));
}

// One scalar fma, the same bits as a lane of fma().
TASHIKA_INLINE float fma1(float x, float y, float z) {
#if defined(__FMA__)
  return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(x), _mm_set_ss(y), _mm_set_ss(z)));
#else
  return _mm_cvtss_f32(fma_part(_mm_set_ss(x), _mm_set_ss(y), _mm_set_ss(z)));
#endif
}

// bf16, round to nearest even; NaN stays a quiet NaN.
TASHIKA_INLINE I round_bf16(F x) {
  const I u = bits(x);
  const I rounded = shift_right<16>(u + splat_i(0x7fff) + (shift_right<16>(u) & splat_i(1)));
  const I quiet = shift_right<16>(u) | splat_i(0x40);
  return bits(select(x == x, floats(rounded), floats(quiet)));
}
TASHIKA_INLINE void store_bf16(uint16_t* p, F x) { store_low_16(p, round_bf16(x)); }

// The first n of 16 lanes; lanes beyond are zero and memory beyond is not touched.
TASHIKA_INLINE F load_bf16_n(const uint16_t* p, int64_t n) {
  if (n >= 16) return load_bf16(p);
  uint16_t lanes[16] = {};
  for (int64_t i = 0; i < n && i < 16; ++i) lanes[i] = p[i];
  return load_bf16(lanes);
}
TASHIKA_INLINE F load_f16_n(const uint16_t* p, int64_t n) {
  if (n >= 16) return load_f16(p);
  uint16_t lanes[16] = {};
  for (int64_t i = 0; i < n && i < 16; ++i) lanes[i] = p[i];
  return load_f16(lanes);
}
TASHIKA_INLINE void store_bf16_n(uint16_t* p, F x, int64_t n) {
  uint16_t lanes[16];
  store_bf16(lanes, x);
  for (int64_t i = 0; i < n && i < 16; ++i) p[i] = lanes[i];
}
TASHIKA_INLINE void store_f16_n(uint16_t* p, F x, int64_t n) {
  uint16_t lanes[16];
  store_f16(lanes, x);
  for (int64_t i = 0; i < n && i < 16; ++i) p[i] = lanes[i];
}

}  // namespace tashika::cpu::TASHIKA_ISA_NS
