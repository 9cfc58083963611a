// q4_k, q5_k and q6_k. A lane's four products fit 16 bits, so that two registers of dots are packed into one and the
// sub-scales are applied by a 16-bit dot. Byte layouts: src/quant/*.h.
#include "backend/cpu/isa/avx512vnni/gemv.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

// After packing, a 128-bit lane holds four values of one group and four of another; these pick their scales (int16)
// out of eight bytes that every lane holds in its upper half.
TASHIKA_INLINE __m512i scale_pick(int a, int b, int c, int d) {
  const auto lane = [](int x, int y) {
    const int p = 0x80808080 | (8 + x) | (8 + x) << 16, q = 0x80808080 | (8 + y) | (8 + y) << 16;
    return _mm_setr_epi32(p & (int)0xff7fff7f, p & (int)0xff7fff7f, q & (int)0xff7fff7f, q & (int)0xff7fff7f);
  };
  __m512i out = _mm512_castsi128_si512(lane(a, b));
  out = _mm512_inserti32x4(out, lane(a, b), 1);
  out = _mm512_inserti32x4(out, lane(c, d), 2);
  return _mm512_inserti32x4(out, lane(c, d), 3);
}

// q4_k and q5_k: bytes 64i … 64i+63 of the nibbles hold groups 4i (low) and 4i+1 (high), then 4i+2 and 4i+3.
template <bool fifth>
struct K45 {
  static constexpr int block = 256, bytes = fifth ? 176 : 144;
  using Act = Act256;

  template <int blocks>
  TASHIKA_INLINE __m128 step(const uint8_t* const at[streams], const uint8_t* const to[streams], const Act* acts, int64_t first, __m128 chain) {
    const Act* act = acts + first;
    const __m512i six = _mm512_set1_epi32(0x3f3f3f3f), four = _mm512_set1_epi32(0x0f0f0f0f), top = _mm512_set1_epi32(0x30303030);
    const __m512i pick[2] = {scale_pick(0, 1, 2, 3), scale_pick(4, 5, 6, 7)};
    __m512i head[streams], scales[streams], mins[streams];
    __m512i sums = _mm512_zextsi128_si512(load_128(act[0].sum32));
    if constexpr (blocks > 1) sums = _mm512_inserti32x4(sums, load_128(act[1].sum32), 1);
    if constexpr (blocks > 2) sums = _mm512_inserti32x4(sums, load_128(act[2].sum32), 2);
    if constexpr (blocks > 3) sums = _mm512_inserti32x4(sums, load_128(act[3].sum32), 3);
#pragma GCC unroll 4
    for (int s = 0; s < streams; ++s) {
      const __m512i h = headers<blocks>(at[s], bytes, 0);
      // Dwords 1 and 2 of a header hold scales and mins of groups 0–3, dword 3 the low nibbles of groups 4–7.
      const __m512i low = _mm512_and_si512(h, six);
      const __m512i nibbles = _mm512_srlv_epi32(_mm512_shuffle_epi32(h, _MM_PERM_DDDD), _mm512_set4_epi32(0, 4, 0, 0));
      const __m512i high = _mm512_or_si512(_mm512_and_si512(nibbles, four), _mm512_and_si512(_mm512_srli_epi32(h, 2), top));
      head[s] = h;
      scales[s] = _mm512_unpacklo_epi32(low, high);  // upper half of each lane: eight scales
      const __m512i eight = _mm512_unpackhi_epi32(low, high);  // lower half: eight mins
      mins[s] = _mm512_madd_epi16(_mm512_unpacklo_epi8(eight, _mm512_setzero_si512()), sums);
    }
    const __m512i min_sum = fold_lanes(mins[0], mins[1], mins[2], mins[3]);
    __m512i sum[4];
    const auto one = [&]<int j>() {
      if constexpr (j < blocks) {
        const int8_t* q = act[j].q;
        const auto pair = [&](int i) {
          return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i*)(q + i))),
                                    _mm256_loadu_si256((const __m256i*)(q + i + 64)), 1);
        };
        const __m512i a0 = pair(0), a1 = pair(32), a2 = pair(128), a3 = pair(160);
        __m512i total[streams];
#pragma GCC unroll 4
        for (int s = 0; s < streams; ++s) {
          if constexpr (blocks == 4) fetch_part<bytes, j>(to[s]);
          const uint8_t* p = at[s] + j * bytes + (fifth ? 48 : 16);
          const __m512i x = load_512(p), y = load_512(p + 64);
          __m512i w0 = _mm512_and_si512(x, four), w1 = _mm512_and_si512(_mm512_srli_epi32(x, 4), four);
          __m512i w2 = _mm512_and_si512(y, four), w3 = _mm512_and_si512(_mm512_srli_epi32(y, 4), four);
          if constexpr (fifth) {  // bit g of byte l is the fifth bit of element l of group g: bring it to bit 4
            const __m512i h = both_halves(at[s] + j * bytes + 16), bit = _mm512_set1_epi32(0x10101010);
            const auto rotate = [&](int low_half, int high_half) {
              const __m512i by = _mm512_inserti64x4(_mm512_set1_epi32(low_half), _mm256_set1_epi32(high_half), 1);
              return _mm512_rolv_epi32(h, by);
            };
            w0 = _mm512_ternarylogic_epi32(w0, rotate(4, 2), bit, 0xf8);  // w | (h & bit)
            w1 = _mm512_ternarylogic_epi32(w1, rotate(3, 1), bit, 0xf8);
            w2 = _mm512_ternarylogic_epi32(w2, rotate(0, 30), bit, 0xf8);
            w3 = _mm512_ternarylogic_epi32(w3, rotate(31, 29), bit, 0xf8);
          }
          __m512i d0 = _mm512_setzero_si512(), d1 = d0, d2 = d0, d3 = d0;
          dot_add(d0, w0, a0);
          dot_add(d1, w1, a1);
          dot_add(d2, w2, a2);
          dot_add(d3, w3, a3);
          const __m512i scale = _mm512_shuffle_i32x4(scales[s], scales[s], j * 0x55);
          const __m512i part = _mm512_dpwssd_epi32(_mm512_setzero_si512(), _mm512_packs_epi32(d0, d1), _mm512_shuffle_epi8(scale, pick[0]));
          total[s] = _mm512_dpwssd_epi32(part, _mm512_packs_epi32(d2, d3), _mm512_shuffle_epi8(scale, pick[1]));
        }
        sum[j] = fold_lanes(total[0], total[1], total[2], total[3]);
      } else {
        sum[j] = _mm512_setzero_si512();
      }
    };
    one.template operator()<0>();
    one.template operator()<1>();
    one.template operator()<2>();
    one.template operator()<3>();
    const I word{header_words<0>(head)};
    const F d = low_f16(word), neg_dmin = neg(low_f16(shift_right<16>(word)));
    const F part = fma(neg_dmin, to_float(I{min_sum}), d * to_float(I{fold_blocks(sum[0], sum[1], sum[2], sum[3])}));
    return chain_on<blocks>(chain, part.v, &act->d, sizeof(Act) / sizeof(float));
  }
};

// q6_k: half h has its elements 0–63 in the low and 64–127 in the high nibbles of 64 bytes.
struct K6 {
  static constexpr int block = 256, bytes = 210;
  using Act = Act256;

  template <int blocks>
  TASHIKA_INLINE __m128 step(const uint8_t* const at[streams], const uint8_t* const to[streams], const Act* acts, int64_t first, __m128 chain) {
    const Act* act = acts + first;
    const __m512i four = _mm512_set1_epi32(0x0f0f0f0f), top = _mm512_set1_epi32(0x30303030), offset = _mm512_set1_epi32(0x20202020);
    const __m512i left = _mm512_inserti64x4(_mm512_set1_epi32(4), _mm256_set1_epi32(2), 1);
    const __m512i right = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi32(2), 1);
    // Lane l of two packed registers of dots: four values of group l, four of group l + 4.
    const __m512i pick = _mm512_set_epi16(7, 7, 7, 7, 3, 3, 3, 3, 6, 6, 6, 6, 2, 2, 2, 2, 5, 5, 5, 5, 1, 1, 1, 1, 4, 4, 4, 4, 0, 0, 0, 0);
    const __m512i pick_next = _mm512_add_epi16(pick, _mm512_set1_epi16(8));
    __m512i sum[4];
    const auto one = [&]<int j>() {
      if constexpr (j < blocks) {
        __m512i a[4], start[4];
        for (int i = 0; i < 4; ++i) {
          a[i] = load_512(act[j].q + 64 * i);
          start[i] = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_dpbusd_epi32(_mm512_setzero_si512(), offset, a[i]));
        }
        __m512i total[streams];
#pragma GCC unroll 4
        for (int s = 0; s < streams; ++s) {
          if constexpr (blocks == 4) fetch_part<bytes, j>(to[s]);
          const uint8_t* p = at[s] + j * bytes;
          const __m512i x = load_512(p), y = load_512(p + 64), hx = both_halves(p + 128), hy = both_halves(p + 160);
          const auto merge = [&](__m512i low, __m512i high) { return _mm512_ternarylogic_epi32(low, high, top, 0xf8); };  // low | (high & top)
          __m512i d0 = start[0], d1 = start[1], d2 = start[2], d3 = start[3];
          dot_add(d0, merge(_mm512_and_si512(x, four), _mm512_sllv_epi32(hx, left)), a[0]);
          dot_add(d1, merge(_mm512_and_si512(_mm512_srli_epi32(x, 4), four), _mm512_srlv_epi32(hx, right)), a[1]);
          dot_add(d2, merge(_mm512_and_si512(y, four), _mm512_sllv_epi32(hy, left)), a[2]);
          dot_add(d3, merge(_mm512_and_si512(_mm512_srli_epi32(y, 4), four), _mm512_srlv_epi32(hy, right)), a[3]);
          const __m512i scale = _mm512_castsi256_si512(_mm256_cvtepi8_epi16(load_128(p + 192)));
          const __m512i part = _mm512_dpwssd_epi32(_mm512_setzero_si512(), _mm512_packs_epi32(d0, d1), _mm512_permutexvar_epi16(pick, scale));
          total[s] = _mm512_dpwssd_epi32(part, _mm512_packs_epi32(d2, d3), _mm512_permutexvar_epi16(pick_next, scale));
        }
        sum[j] = fold_lanes(total[0], total[1], total[2], total[3]);
      } else {
        sum[j] = _mm512_setzero_si512();
      }
    };
    one.template operator()<0>();
    one.template operator()<1>();
    one.template operator()<2>();
    one.template operator()<3>();
    const F d = low_f16(shift_right<16>(I{gather_words<blocks>(at, bytes, 206)}));
    const F part = d * to_float(I{fold_blocks(sum[0], sum[1], sum[2], sum[3])});
    return chain_on<blocks>(chain, part.v, &act->d, sizeof(Act) / sizeof(float));
  }
};

}  // namespace

void gemv_q4_k(const MatmulTask& task, int64_t begin, int64_t end) { gemv<K45<false>>(task, begin, end); }
void gemv_q5_k(const MatmulTask& task, int64_t begin, int64_t end) { gemv<K45<true>>(task, begin, end); }
void gemv_q6_k(const MatmulTask& task, int64_t begin, int64_t end) { gemv<K6>(task, begin, end); }

}  // namespace tashika::cpu::TASHIKA_ISA_NS
