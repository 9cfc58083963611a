// q8_0. Two blocks lie side by side in a register; weights are taken as w + 128.
#include "backend/cpu/isa/avx512vnni/gemv.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

struct Q8 {
  static constexpr int block = 32, bytes = 34;
  using Act = Act32;

  template <int blocks>
  TASHIKA_INLINE __m128 step(const uint8_t* const at[streams], const uint8_t* const to[streams], const Act* acts, int64_t first, __m128 chain) {
    const Act& act = acts[first / 8];
    const int b0 = (int)(first % 8);
    const __m512i flip = _mm512_set1_epi32((int)0x80808080u);
    __m512i sum[2];
#pragma GCC unroll 2
    for (int pair = 0; pair < 2; ++pair) {
      if (2 * pair >= blocks) {
        sum[pair] = _mm512_setzero_si512();
        continue;
      }
      const __m512i a = load_512(act.q + 32 * (b0 + 2 * pair));
      const __m512i start = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_dpbusd_epi32(_mm512_setzero_si512(), flip, a));
      __m512i total[streams];
#pragma GCC unroll 4
      for (int s = 0; s < streams; ++s) {
        if (blocks == 4) {
          if (pair == 0) fetch_part<bytes, 0>(to[s]), fetch_part<bytes, 1>(to[s]);
          if (pair == 1) fetch_part<bytes, 2>(to[s]), fetch_part<bytes, 3>(to[s]);
        }
        const uint8_t* p = at[s] + 2 * pair * bytes + 2;
        __m512i w = _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i*)p));
        if (2 * pair + 1 < blocks) w = _mm512_inserti64x4(w, _mm256_loadu_si256((const __m256i*)(p + bytes)), 1);
        total[s] = start;
        dot_add(total[s], _mm512_xor_si512(w, flip), a);
      }
      sum[pair] = fold_lanes(total[0], total[1], total[2], total[3]);
    }
    const F d = low_f16(I{gather_words<blocks>(at, bytes, 0)});
    const F part = d * to_float(I{fold_pairs(sum[0], sum[1])});
    return chain_on<blocks>(chain, part.v, act.d + b0, 1);
  }
};

}  // namespace

void gemv_q8_0(const MatmulTask& task, int64_t begin, int64_t end) { gemv<Q8>(task, begin, end); }

}  // namespace tashika::cpu::TASHIKA_ISA_NS
