#include "backend/cpu/isa/attention.h"

#include "backend/cpu/isa/math.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

#if defined(__AVX512F__)
constexpr int max_tile = 6;  // queries of a register tile
constexpr int wide = 4;      // registers of 16 lanes across
#elif defined(__AVX2__)
constexpr int max_tile = 3;
constexpr int wide = 2;
#else
constexpr int max_tile = 1;
constexpr int wide = 1;
#endif

#define TASHIKA_UNROLL _Pragma("GCC unroll 16")

TASHIKA_INLINE F low_half(I pairs) { return floats(shift_left<16>(pairs)); }
TASHIKA_INLINE F high_half(I pairs) { return floats(pairs & splat_i((int32_t)0xffff0000)); }

TASHIKA_INLINE F dot_pairs(F acc, I x, I y) {
#if defined(__AVX512BF16__)
  return {_mm512_dpbf16_ps(acc.v, (__m512bh)x.v, (__m512bh)y.v)};
#else
  (void)x, (void)y;
  return acc;  // never chosen: AttentionFns::bf16_dots is false
#endif
}

// Line `index` of each of `streams` equal parts of a block, into the second-level cache (a page's keys and values
// together fill the first): memory serves several streams faster than one.
template <int streams>
TASHIKA_INLINE void prefetch(const unsigned char* block, int64_t index, int64_t part_bytes) {
  TASHIKA_UNROLL
  for (int i = 0; i < streams; ++i) _mm_prefetch((const char*)block + i * part_bytes + 64 * index, _MM_HINT_T1);
}

struct Query {
  const float* f;
  const int32_t* pairs;
};

// s[q][64] = q · k for the 64 keys of a block.
template <int N, int C, KvKind kind>
TASHIKA_INLINE void score_columns(const Query* q, const unsigned char* block, int64_t k_dim, int column, float* s, const unsigned char* ahead) {
  F acc[N][C];
  TASHIKA_UNROLL
  for (int i = 0; i < N; ++i) {
    TASHIKA_UNROLL
    for (int c = 0; c < C; ++c) acc[i][c] = zero();
  }
  if constexpr (kind == KvKind::f32 || kind == KvKind::f16) {
    for (int64_t d = 0; d < k_dim; ++d) {
      F k[C];
      TASHIKA_UNROLL
      for (int c = 0; c < C; ++c) {
        if constexpr (kind == KvKind::f32) k[c] = load((const float*)block + d * 64 + column + 16 * c);
        else k[c] = load_f16((const uint16_t*)block + d * 64 + column + 16 * c);
      }
      if (column == 0) prefetch<kind == KvKind::f32 ? 4 : 2>(ahead, d, k_dim * 64);
      TASHIKA_UNROLL
      for (int i = 0; i < N; ++i) {
        const F x = splat(q[i].f[d]);
        TASHIKA_UNROLL
        for (int c = 0; c < C; ++c) acc[i][c] = fma(x, k[c], acc[i][c]);
      }
    }
  } else {
    const int32_t* pairs = (const int32_t*)block;
    for (int64_t d = 0; d < k_dim / 2; ++d) {
      I k[C];
      TASHIKA_UNROLL
      for (int c = 0; c < C; ++c) k[c] = load_i(pairs + d * 64 + column + 16 * c);
      if (column == 0) prefetch<4>(ahead, d, k_dim * 32);
      TASHIKA_UNROLL
      for (int i = 0; i < N; ++i) {
        if constexpr (kind == KvKind::bf16_dots) {
          const I x = splat_i(q[i].pairs[d]);
          TASHIKA_UNROLL
          for (int c = 0; c < C; ++c) acc[i][c] = dot_pairs(acc[i][c], x, k[c]);
        } else {
          const F x = splat(q[i].f[2 * d]), y = splat(q[i].f[2 * d + 1]);
          TASHIKA_UNROLL
          for (int c = 0; c < C; ++c) acc[i][c] = fma(y, high_half(k[c]), fma(x, low_half(k[c]), acc[i][c]));
        }
      }
    }
    if (k_dim % 2 != 0) {
      const uint16_t* last = (const uint16_t*)(pairs + k_dim / 2 * 64);
      TASHIKA_UNROLL
      for (int i = 0; i < N; ++i) {
        const F x = splat(q[i].f[k_dim - 1]);
        TASHIKA_UNROLL
        for (int c = 0; c < C; ++c) acc[i][c] = fma(x, load_bf16(last + column + 16 * c), acc[i][c]);
      }
    }
  }
  TASHIKA_UNROLL
  for (int i = 0; i < N; ++i) {
    TASHIKA_UNROLL
    for (int c = 0; c < C; ++c) store(s + i * 64 + column + 16 * c, acc[i][c]);
  }
}

template <int N, KvKind kind>
void scores(const Query* q, const unsigned char* block, int64_t k_dim, float* s, const unsigned char* ahead) {
  for (int column = 0; column < 64; column += 16 * wide) score_columns<N, wide, kind>(q, block, k_dim, column, s, ahead);
}

// The state of one query within a split. `sums` are 16 lanes of the softmax's denominator.
struct State {
  float* m;
  float* sums;
  float* o;
};

// Scores of one page to weights in place; rescales the state when the maximum grows. Keys outside
// [begin, end) get weight zero.
void weigh(float* s, int64_t begin, int64_t end, float scale, float softcap, const float* bias, const State& state, int64_t o_step) {
  F x[4];
  TASHIKA_UNROLL
  for (int c = 0; c < 4; ++c) x[c] = load(s + 16 * c) * splat(scale);
  if (softcap > 0) {
    for (int c = 0; c < 4; ++c) x[c] = tanh(x[c] / splat(softcap)) * splat(softcap);
  }
  if (bias != nullptr) {
    for (int c = 0; c < 4; ++c) x[c] = x[c] + load(bias + 16 * c);
  }
  if (begin > 0 || end < 64) {
    const F never = splat(-__builtin_inff());
    for (int c = 0; c < 4; ++c) {
      const int64_t from = begin - 16 * c, to = end - 16 * c;
      x[c] = select(first(to < 0 ? 0 : to), x[c], never);
      x[c] = select(first(from < 0 ? 0 : from), never, x[c]);
    }
  }
  const float page_max = max_of(max(max(x[0], x[2]), max(x[1], x[3])));
  const float before = *state.m;
  F sums = load(state.sums);
  if (page_max > before) {
    const F factor = exp(splat(before) - splat(page_max));
    *state.m = page_max;
    sums = sums * factor;
    for (int64_t i = 0; i < o_step; i += 16) store(state.o + i, load(state.o + i) * factor);
  }
  const F top = splat(*state.m);
  TASHIKA_UNROLL
  for (int c = 0; c < 4; ++c) {
    x[c] = exp(x[c] - top);
    store(s + 16 * c, x[c]);
  }
  store(state.sums, sums + ((x[0] + x[2]) + (x[1] + x[3])));
}

// o[q] += weights of keys [begin, end) times their values, C registers of columns from `column` on,
// the last `tail` lanes wide. For pairs of keys: begin and end even unless N is 1.
template <int N, int C, bool masked, KvKind kind>
TASHIKA_INLINE void value_columns(const float* weights, const int32_t* weight_pairs, const unsigned char* block, int64_t v_dim, int64_t begin,
                                  int64_t end, int64_t column, int64_t tail, const State* state, const unsigned char* ahead) {
  F acc[N][C];
  TASHIKA_UNROLL
  for (int i = 0; i < N; ++i) {
    TASHIKA_UNROLL
    for (int c = 0; c < C; ++c) acc[i][c] = load(state[i].o + column + 16 * c);
  }
  if constexpr (kind == KvKind::f32 || kind == KvKind::f16) {
    for (int64_t j = begin; j < end; ++j) {
      F v[C];
      TASHIKA_UNROLL
      for (int c = 0; c < C; ++c) {
        const int64_t at = j * v_dim + column + 16 * c;
        if constexpr (kind == KvKind::f32) v[c] = masked ? load_n((const float*)block + at, tail) : load((const float*)block + at);
        else v[c] = masked ? load_f16_n((const uint16_t*)block + at, tail) : load_f16((const uint16_t*)block + at);
      }
      if constexpr (!masked) prefetch<kind == KvKind::f32 ? C : C / 2>(ahead, (column / (16 * C)) * 64 + j, v_dim / (16 * C) * 4096);
      TASHIKA_UNROLL
      for (int i = 0; i < N; ++i) {
        const F w = splat(weights[i * 64 + j]);
        TASHIKA_UNROLL
        for (int c = 0; c < C; ++c) acc[i][c] = fma(w, v[c], acc[i][c]);
      }
    }
  } else {
    const int32_t* pairs = (const int32_t*)block;
    for (int64_t j = begin / 2; 2 * j < end; ++j) {
      // Halves outside [begin, end) may be anything: cleared, and for the exact kind not added.
      const bool low = 2 * j >= begin, high = 2 * j + 1 < end;
      I v[C];
      TASHIKA_UNROLL
      for (int c = 0; c < C; ++c) {
        const int32_t* at = pairs + j * v_dim + column + 16 * c;
        v[c] = masked ? bits(load_n((const float*)at, tail)) : load_i(at);
        if (N == 1) v[c] = v[c] & splat_i((int32_t)((low ? 0x0000ffffu : 0u) | (high ? 0xffff0000u : 0u)));
      }
      if constexpr (!masked) prefetch<C>(ahead, (column / (16 * C)) * 32 + j, v_dim / (16 * C) * 2048);
      TASHIKA_UNROLL
      for (int i = 0; i < N; ++i) {
        if constexpr (kind == KvKind::bf16_dots) {
          const I w = splat_i(weight_pairs[i * 32 + j]);
          TASHIKA_UNROLL
          for (int c = 0; c < C; ++c) acc[i][c] = dot_pairs(acc[i][c], w, v[c]);
        } else {
          const F w = splat(weights[i * 64 + 2 * j]), x = splat(weights[i * 64 + 2 * j + 1]);
          TASHIKA_UNROLL
          for (int c = 0; c < C; ++c) {
            if (N > 1 || low) acc[i][c] = fma(w, low_half(v[c]), acc[i][c]);
            if (N > 1 || high) acc[i][c] = fma(x, high_half(v[c]), acc[i][c]);
          }
        }
      }
    }
  }
  TASHIKA_UNROLL
  for (int i = 0; i < N; ++i) {
    TASHIKA_UNROLL
    for (int c = 0; c < C; ++c) store(state[i].o + column + 16 * c, acc[i][c]);
  }
}

template <int N, KvKind kind>
void values(const float* weights, const int32_t* pairs, const unsigned char* block, int64_t v_dim, int64_t begin, int64_t end,
                           const State* state, const unsigned char* ahead) {
  if (begin >= end) return;
  int64_t column = 0;
  for (; column + 16 * wide <= v_dim; column += 16 * wide) {
    value_columns<N, wide, false, kind>(weights, pairs, block, v_dim, begin, end, column, 16, state, ahead);
  }
  for (; column < v_dim; column += 16) {
    value_columns<N, 1, true, kind>(weights, pairs, block, v_dim, begin, end, column, v_dim - column, state, ahead);
  }
}

struct Page {
  const unsigned char *k, *v;
  const unsigned char *ahead_of_k, *ahead_of_v;  // what to fetch while the keys and the values are read
  int64_t first_key;  // absolute position
};

struct Range {
  int64_t begin, end;
};
TASHIKA_INLINE Range visible(const AttentionSplit& s, int64_t position, int64_t first_key) {
  int64_t begin = s.window > 0 ? position - s.window + 1 - first_key : 0, end = position + 1 - first_key;
  if (s.length > 0) {
    end = s.length - first_key;
    if (s.window > 0 && position + s.window - first_key < end) end = position + s.window - first_key;
  }
  begin = begin < 0 ? 0 : begin;
  end = end > 64 ? 64 : end;
  return {begin, end};
}

// N queries from `first` on, all of which see a key of the page.
template <int N, KvKind kind>
void tile(const AttentionSplit& s, const Page& page, int64_t first, float* sums, float* weights) {
  Query q[N];
  State state[N];
  Range range[N];
  int64_t from = 0, to = 64;  // keys that all see
  for (int i = 0; i < N; ++i) {
    const int64_t at = first + i;
    q[i] = {s.q[at], kind == KvKind::bf16_dots ? (const int32_t*)s.q_pairs[at] : nullptr};
    state[i] = {s.m + at, sums + at * 16, s.o + at * s.o_step};
    range[i] = visible(s, s.position[at], page.first_key);
    from = range[i].begin > from ? range[i].begin : from;
    to = range[i].end < to ? range[i].end : to;
  }
  scores<N, kind>(q, page.k, s.k_dim, weights, page.ahead_of_k);
  int32_t pairs[N * 32];
  for (int i = 0; i < N; ++i) {
    weigh(weights + i * 64, range[i].begin, range[i].end, s.scale, s.softcap, s.bias ? s.bias[first + i] + page.first_key : nullptr,
          state[i], s.o_step);
#if defined(__AVX512BF16__)
    if constexpr (kind == KvKind::bf16_dots) {
      for (int c = 0; c < 2; ++c) {
        const float* w = weights + i * 64 + 32 * c;
        _mm512_storeu_si512(pairs + i * 32 + 16 * c, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(w + 16), _mm512_loadu_ps(w)));
      }
    }
#endif
  }
  if (N > 1) {
    from = (from + 1) & ~(int64_t)1;
    to = to & ~(int64_t)1;
    if (from < to) {
      for (int i = 0; i < N; ++i) {
        if (range[i].begin < from) values<1, kind>(weights + i * 64, pairs + i * 32, page.v, s.v_dim, range[i].begin, from, state + i, page.ahead_of_v);
      }
      values<N, kind>(weights, pairs, page.v, s.v_dim, from, to, state, page.ahead_of_v);
      for (int i = 0; i < N; ++i) {
        if (to < range[i].end) values<1, kind>(weights + i * 64, pairs + i * 32, page.v, s.v_dim, to, range[i].end, state + i, page.ahead_of_v);
      }
      return;
    }
  }
  for (int i = 0; i < N; ++i) values<1, kind>(weights + i * 64, pairs + i * 32, page.v, s.v_dim, range[i].begin, range[i].end, state + i, page.ahead_of_v);
}

template <KvKind kind>
TASHIKA_INLINE void tiles(const AttentionSplit& s, Page page, int64_t begin, int64_t end, float* sums, float* weights) {
  while (begin < end) {
    const int64_t left = end - begin;
    int64_t n = left < max_tile ? left : max_tile;
    if (max_tile == 6 && (left == 5 || left == 7)) n = left == 5 ? 3 : 4;
    switch (n) {
#if defined(__AVX2__)
      case 2: tile<2, kind>(s, page, begin, sums, weights); break;
      case 3: tile<3, kind>(s, page, begin, sums, weights); break;
#endif
#if defined(__AVX512F__)
      case 4: tile<4, kind>(s, page, begin, sums, weights); break;
      case 6: tile<6, kind>(s, page, begin, sums, weights); break;
#endif
      default: tile<1, kind>(s, page, begin, sums, weights); break;
    }
    begin += n;
    page.ahead_of_k = page.k;  // the rest of the page's queries find all of it near
    page.ahead_of_v = page.v;
  }
}

TASHIKA_INLINE __m128i load_16(const void* p) { return _mm_loadu_si128((const __m128i*)p); }
TASHIKA_INLINE void store_16(void* p, __m128i x) { _mm_storeu_si128((__m128i*)p, x); }

// Values that are part of the keys, from the keys' layout to that of values, in squares that fit the registers: element
// by element the far apart lines of one side would push each other out of the cache.
void values_from_keys_32(const uint32_t* k, uint32_t* v, int64_t v_dim) {
  int64_t d = 0;
  for (; d + 4 <= v_dim; d += 4) {
    for (int64_t j = 0; j < 64; j += 4) {
      const uint32_t* from = k + d * 64 + j;
      uint32_t* to = v + j * v_dim + d;
      const __m128i a = load_16(from), b = load_16(from + 64), c = load_16(from + 128), e = load_16(from + 192);
      const __m128i ab = _mm_unpacklo_epi32(a, b), ce = _mm_unpacklo_epi32(c, e);
      const __m128i ab2 = _mm_unpackhi_epi32(a, b), ce2 = _mm_unpackhi_epi32(c, e);
      store_16(to, _mm_unpacklo_epi64(ab, ce));
      store_16(to + v_dim, _mm_unpackhi_epi64(ab, ce));
      store_16(to + 2 * v_dim, _mm_unpacklo_epi64(ab2, ce2));
      store_16(to + 3 * v_dim, _mm_unpackhi_epi64(ab2, ce2));
    }
  }
  for (; d < v_dim; ++d) {
    for (int64_t j = 0; j < 64; ++j) v[j * v_dim + d] = k[d * 64 + j];
  }
}

void values_from_keys_16(const uint16_t* k, uint16_t* v, int64_t v_dim) {
  int64_t d = 0;
  for (; d + 8 <= v_dim; d += 8) {
    for (int64_t j = 0; j < 64; j += 8) {
      __m128i x[8], y[8];
      TASHIKA_UNROLL
      for (int i = 0; i < 8; ++i) x[i] = load_16(k + (d + i) * 64 + j);
      TASHIKA_UNROLL
      for (int i = 0; i < 4; ++i) {  // pairs of entries
        y[i] = _mm_unpacklo_epi16(x[2 * i], x[2 * i + 1]);
        y[i + 4] = _mm_unpackhi_epi16(x[2 * i], x[2 * i + 1]);
      }
      TASHIKA_UNROLL
      for (int h = 0; h < 2; ++h) {  // fours
        x[4 * h] = _mm_unpacklo_epi32(y[4 * h], y[4 * h + 1]);
        x[4 * h + 1] = _mm_unpackhi_epi32(y[4 * h], y[4 * h + 1]);
        x[4 * h + 2] = _mm_unpacklo_epi32(y[4 * h + 2], y[4 * h + 3]);
        x[4 * h + 3] = _mm_unpackhi_epi32(y[4 * h + 2], y[4 * h + 3]);
      }
      TASHIKA_UNROLL
      for (int h = 0; h < 2; ++h) {  // eights
        TASHIKA_UNROLL
        for (int i = 0; i < 2; ++i) {
          uint16_t* to = v + (j + 4 * h + 2 * i) * v_dim + d;
          store_16(to, _mm_unpacklo_epi64(x[4 * h + i], x[4 * h + i + 2]));
          store_16(to + v_dim, _mm_unpackhi_epi64(x[4 * h + i], x[4 * h + i + 2]));
        }
      }
    }
  }
  for (; d < v_dim; ++d) {
    for (int64_t j = 0; j < 64; ++j) v[j * v_dim + d] = k[d * 64 + j];
  }
}

// Pairs of entries become pairs of keys.
void values_from_key_pairs(const uint16_t* k, uint16_t* v, int64_t v_dim, int64_t k_dim) {
  int64_t d = 0;
  for (; d + 4 <= v_dim; d += 4) {
    for (int64_t j = 0; j < 64; j += 4) {
      __m128i a = load_16(k + (d / 2 * 64 + j) * 2), b = load_16(k + ((d / 2 + 1) * 64 + j) * 2);
      a = _mm_shufflehi_epi16(_mm_shufflelo_epi16(a, 0xd8), 0xd8);
      b = _mm_shufflehi_epi16(_mm_shufflelo_epi16(b, 0xd8), 0xd8);
      uint16_t* to = v + (j / 2 * v_dim + d) * 2;
      store_16(to, _mm_unpacklo_epi64(a, b));
      store_16(to + 2 * v_dim, _mm_unpackhi_epi64(a, b));
    }
  }
  for (; d < v_dim; ++d) {
    const uint16_t* from = k + d / 2 * 128 + (d / 2 * 2 + 1 == k_dim ? 0 : d % 2);
    const int64_t step = d / 2 * 2 + 1 == k_dim ? 1 : 2;
    for (int64_t j = 0; j < 64; ++j) v[(j / 2 * v_dim + d) * 2 + j % 2] = from[j * step];
  }
}

void values_from_keys(const AttentionSplit& s, const unsigned char* k, unsigned char* v) {
  if (s.kind == KvKind::f32) values_from_keys_32((const uint32_t*)k, (uint32_t*)v, s.v_dim);
  else if (s.kind == KvKind::f16) values_from_keys_16((const uint16_t*)k, (uint16_t*)v, s.v_dim);
  else values_from_key_pairs((const uint16_t*)k, (uint16_t*)v, s.v_dim, s.k_dim);
}

template <KvKind kind>
void split_of(const AttentionSplit& s) {
  unsigned char* scratch = (unsigned char*)s.scratch;
  float* sums = (float*)scratch;
  float* weights = (float*)(scratch + attention_max_queries * 64);
  unsigned char* panel = scratch + attention_max_queries * 64 + 6 * 64 * 4;
  for (int64_t i = 0; i < s.queries; ++i) {
    s.m[i] = -__builtin_inff();
    store(sums + i * 16, zero());
    for (int64_t d = 0; d < s.o_step; d += 16) store(s.o + i * s.o_step + d, zero());
  }
  for (int64_t p = s.page_begin; p < s.page_end; ++p) {
    if (s.pages[p] == nullptr) continue;
    // Positions ascend, so the queries that see a key of the page are neighbours.
    int64_t begin = 0, end = s.queries;
    const auto sees = [&](int64_t i) __attribute__((always_inline)) {
      const Range r = visible(s, s.position[i], p * 64);
      return r.begin < r.end;
    };
    while (begin < end && !sees(begin)) ++begin;
    while (begin < end && !sees(end - 1)) --end;
    if (begin == end) continue;
    const unsigned char* next = p + 1 < s.page_end ? s.pages[p + 1] : nullptr;
    if (next == nullptr) next = s.pages[p];
    Page page{s.pages[p] + s.k_offset, s.pages[p] + s.v_offset, s.pages[p] + s.v_offset, next + s.k_offset, p * 64};
    if (s.v_in_k) {
      page.ahead_of_k = next + s.k_offset;
      values_from_keys(s, page.k, panel);
      page.v = panel;
    }
    tiles<kind>(s, page, begin, end, sums, weights);
  }
  for (int64_t i = 0; i < s.queries; ++i) s.l[i] = sum(load(sums + i * 16));
}

void split(const AttentionSplit& s) {
  switch (s.kind) {
    case KvKind::f32: return split_of<KvKind::f32>(s);
    case KvKind::f16: return split_of<KvKind::f16>(s);
    case KvKind::bf16: return split_of<KvKind::bf16>(s);
    case KvKind::bf16_dots:
#if defined(__AVX512BF16__)
      return split_of<KvKind::bf16_dots>(s);
#else
      return split_of<KvKind::bf16>(s);
#endif
  }
}

void merge(float* m, float* l, float* o, float m2, float l2, const float* o2, int64_t n) {
  if (m2 == -__builtin_inff()) return;  // saw no key
  const float top = m2 > *m ? m2 : *m;
  const F a = exp(splat(*m) - splat(top)), b = exp(splat(m2) - splat(top));
  float lanes[16];
  store(lanes, splat(*l) * a + splat(l2) * b);
  *l = lanes[0];
  *m = top;
  for (int64_t i = 0; i < n; i += 16) store_n(o + i, load_n(o + i, n - i) * a + load_n(o2 + i, n - i) * b, n - i);
}

void finish(float l, const float* o, float* out, int64_t n) {
  const F inverse = splat(1.0f) / splat(l);
  for (int64_t i = 0; i < n; i += 16) store_n(out + i, load_n(o + i, n - i) * inverse, n - i);
}

void rope(const float* x, const float* cos, const float* sin, int64_t half, bool interleaved, float* y, int64_t dim) {
  if (interleaved) {
    for (int64_t i = 0; i < half; ++i) {
      const float a = x[2 * i], b = x[2 * i + 1];
      y[2 * i] = a * cos[i] - b * sin[i];
      y[2 * i + 1] = b * cos[i] + a * sin[i];
    }
  } else {
    int64_t i = 0;
    for (; i + 16 <= half; i += 16) {
      const F a = load(x + i), b = load(x + half + i), c = load(cos + i), s = load(sin + i);
      store(y + i, a * c - b * s);
      store(y + half + i, b * c + a * s);
    }
    for (; i < half; ++i) {
      const float a = x[i], b = x[half + i];
      y[i] = a * cos[i] - b * sin[i];
      y[half + i] = b * cos[i] + a * sin[i];
    }
  }
  if (y != x) {
    for (int64_t i = 2 * half; i < dim; ++i) y[i] = x[i];
  }
}

void to_pairs(const float* q, void* pairs, int64_t k_dim) {
  uint16_t* out = (uint16_t*)pairs;
  const int64_t n = k_dim / 2 * 2;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store_bf16(out + i, load(q + i));
  if (i < n) store_bf16_n(out + i, load_n(q + i, n - i), n - i);
}

}  // namespace

#if defined(__AVX512BF16__)
constexpr bool has_dots = true;
#else
constexpr bool has_dots = false;
#endif

const AttentionFns attention_fns = {split, merge, finish, rope, has_dots, to_pairs};

}  // namespace tashika::cpu::TASHIKA_ISA_NS
