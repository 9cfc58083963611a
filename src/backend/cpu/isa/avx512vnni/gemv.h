// One activation row against block-quantised weights, for AVX-512 VNNI: blocks are read where they lie, k in the lanes.
//
// A step takes four rows of W, each from its own quarter of the task (four streams read faster than one), and four
// blocks of each. Integer sums are exact in any order, so that results are those of the panel kernels bit for bit:
// the sixteen sums go to one register, [block][row], and each row's f32 chain runs over the blocks in ascending order.
#pragma once

#include "backend/cpu/isa/dot.h"
#include "backend/cpu/isa/matmul_rows.h"

namespace tashika::cpu::TASHIKA_ISA_NS {

inline constexpr int streams = 4;
inline constexpr int64_t fetch_ahead = 2304;  // bytes, into L2; L1 has too few load buffers for so many lines

TASHIKA_INLINE __m512i load_512(const void* p) { return _mm512_loadu_si512(p); }
TASHIKA_INLINE __m128i load_128(const void* p) { return _mm_loadu_si128((const __m128i*)p); }
TASHIKA_INLINE __m512i both_halves(const void* p) {
  return _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i*)p));
}
TASHIKA_INLINE void dot_add(__m512i& acc, __m512i w, __m512i a) { acc = _mm512_dpbusd_epi32(acc, w, a); }

// Four registers (rows) to one: each 128-bit lane gets the sums of that lane of the four, in order.
TASHIKA_INLINE __m512i fold_lanes(__m512i r0, __m512i r1, __m512i r2, __m512i r3) {
  const __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
  const __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
  return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}
// Four registers (blocks) to one: lane j gets the sum of the four lanes of register j.
TASHIKA_INLINE __m512i fold_blocks(__m512i b0, __m512i b1, __m512i b2, __m512i b3) {
  const __m512i a = _mm512_add_epi32(_mm512_shuffle_i32x4(b0, b1, 0x44), _mm512_shuffle_i32x4(b0, b1, 0xee));
  const __m512i b = _mm512_add_epi32(_mm512_shuffle_i32x4(b2, b3, 0x44), _mm512_shuffle_i32x4(b2, b3, 0xee));
  return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}
// Blocks that lie side by side in lanes 0, 1 and 2, 3 of two registers.
TASHIKA_INLINE __m512i fold_pairs(__m512i b01, __m512i b23) {
  return _mm512_add_epi32(_mm512_shuffle_i32x4(b01, b23, 0x88), _mm512_shuffle_i32x4(b01, b23, 0xdd));
}
// The 16 bytes at `offset` in each of up to four blocks of a row, one a lane; the others are zero.
template <int blocks>
TASHIKA_INLINE __m512i headers(const uint8_t* row, int64_t block_bytes, int64_t offset) {
  __m512i x = _mm512_zextsi128_si512(load_128(row + offset));
  if constexpr (blocks > 1) x = _mm512_inserti32x4(x, load_128(row + block_bytes + offset), 1);
  if constexpr (blocks > 2) x = _mm512_inserti32x4(x, load_128(row + 2 * block_bytes + offset), 2);
  if constexpr (blocks > 3) x = _mm512_inserti32x4(x, load_128(row + 3 * block_bytes + offset), 3);
  return x;
}
// Dword `i` of every header of four rows as [block][row].
template <int i>
TASHIKA_INLINE __m512i header_words(const __m512i h[streams]) {
  if constexpr (i == 0) {
    return _mm512_unpacklo_epi64(_mm512_unpacklo_epi32(h[0], h[1]), _mm512_unpacklo_epi32(h[2], h[3]));
  } else {
    static_assert(i == 3);
    return _mm512_unpackhi_epi64(_mm512_unpackhi_epi32(h[0], h[1]), _mm512_unpackhi_epi32(h[2], h[3]));
  }
}
// Dwords at `offset` of up to four blocks of four rows as [block][row].
template <int blocks>
TASHIKA_INLINE __m512i gather_words(const uint8_t* const rows[streams], int64_t block_bytes, int64_t offset) {
  const auto word = [&](int s, int b) {
    int32_t x;
    __builtin_memcpy(&x, rows[s] + b * block_bytes + offset, 4);
    return x;
  };
  const auto lane = [&](int b) {
    __m128i x = _mm_cvtsi32_si128(word(0, b));
    x = _mm_insert_epi32(x, word(1, b), 1);
    x = _mm_insert_epi32(x, word(2, b), 2);
    return _mm_insert_epi32(x, word(3, b), 3);
  };
  __m512i x = _mm512_zextsi128_si512(lane(0));
  if constexpr (blocks > 1) x = _mm512_inserti32x4(x, lane(1), 1);
  if constexpr (blocks > 2) x = _mm512_inserti32x4(x, lane(2), 2);
  if constexpr (blocks > 3) x = _mm512_inserti32x4(x, lane(3), 3);
  return x;
}

// The part of a step's prefetches that goes with its block j: few at a time, or the load buffers fill.
template <int block_bytes, int j>
TASHIKA_INLINE void fetch_part(const uint8_t* to) {
  constexpr int lines = (4 * block_bytes + 63) / 64;
#pragma GCC unroll 16
  for (int line = lines * j / 4; line < lines * (j + 1) / 4; ++line) _mm_prefetch((const char*)to + 64 * line, _MM_HINT_T1);
}

// chain: four rows' sums; part [block][row]; the activations' scales in order.
template <int blocks>
TASHIKA_INLINE __m128 chain_on(__m128 chain, __m512 part, const float* d, int64_t d_step) {
  chain = _mm_fmadd_ps(_mm_set1_ps(d[0]), _mm512_castps512_ps128(part), chain);
  if constexpr (blocks > 1) chain = _mm_fmadd_ps(_mm_set1_ps(d[d_step]), _mm512_extractf32x4_ps(part, 1), chain);
  if constexpr (blocks > 2) chain = _mm_fmadd_ps(_mm_set1_ps(d[2 * d_step]), _mm512_extractf32x4_ps(part, 2), chain);
  if constexpr (blocks > 3) chain = _mm_fmadd_ps(_mm_set1_ps(d[3 * d_step]), _mm512_extractf32x4_ps(part, 3), chain);
  return chain;
}

// Walks a task's rows. Format::step<blocks>(rows, block, act, chain) adds up to four blocks of four rows, whose
// pointers are at that block already.
template <class Format>
TASHIKA_INLINE void gemv(const MatmulTask& task, int64_t begin, int64_t end) {
  const int64_t each = (end - begin + streams - 1) / streams;
  const int64_t blocks = task.k / Format::block, row_bytes = blocks * Format::bytes;
  const auto* act = static_cast<const typename Format::Act*>(task.act);
  for (int64_t i = 0; i < each; ++i) {
    const uint8_t *rows[streams], *after[streams];
    for (int s = 0; s < streams; ++s) {
      const int64_t r = begin + s * each + i;
      rows[s] = task.w + (r < end ? r : end - 1) * task.w_stride;
      // What follows a row in its stream is the next row, and after the last one the next task's.
      const int64_t next = i + 1 < each ? r + 1 : task.next + s * each;
      after[s] = task.w + (next < task.rows ? next : task.rows - 1) * task.w_stride - row_bytes;
    }
    __m128 chain = _mm_setzero_ps();
    int64_t b = 0;
    for (; b + 4 <= blocks; b += 4) {
      const uint8_t* at[streams];
      const int64_t offset = b * Format::bytes, fetch = offset + fetch_ahead;
      const uint8_t* to[streams];
#pragma GCC unroll 4
      for (int s = 0; s < streams; ++s) {
        at[s] = rows[s] + offset;
        to[s] = (fetch < row_bytes ? rows[s] : after[s]) + fetch;
      }
      chain = Format::template step<4>(at, to, act, b, chain);
    }
    if (b < blocks) {
      const uint8_t* at[streams];
      for (int s = 0; s < streams; ++s) at[s] = rows[s] + b * Format::bytes;
      if (blocks - b == 1) chain = Format::template step<1>(at, at, act, b, chain);
      if (blocks - b == 2) chain = Format::template step<2>(at, at, act, b, chain);
      if (blocks - b == 3) chain = Format::template step<3>(at, at, act, b, chain);
    }
    alignas(16) float y[streams];
    _mm_store_ps(y, chain);
    for (int s = 0; s < streams; ++s) {
      const int64_t r = begin + s * each + i;
      if (r >= end) break;
      float x = y[s];
      if (task.bias != nullptr) x += task.bias[r];
      if (task.addend != nullptr) x += task.addend[r];
      task.y[r] = x;
    }
  }
}

}  // namespace tashika::cpu::TASHIKA_ISA_NS
