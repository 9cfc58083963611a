// The float path (backend/cpu/isa/matmul.h): 16 virtual lanes an output.
//
// Few activation rows: k in the lanes; the weights are read where they lie, four rows of W (four streams) at once.
// Many: outputs in the lanes. 32 rows of W are transposed once into 16 panels, one a virtual lane; the lanes are walked
// one after the other in bit-reversed order, so that their sums can be folded by +8, +4, +2, +1 as they come, like a
// binary counter: at most four wait.
#include "backend/cpu/isa/dot.h"
#include "backend/cpu/isa/fetch.h"
#include "backend/cpu/isa/float_layout.h"
#include "backend/cpu/isa/matmul_rows.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

#if defined(__AVX512F__)
constexpr int direct_m = 6;
#elif defined(__AVX2__)
constexpr int direct_m = 1;
#else
constexpr int direct_m = 1;
#endif
constexpr int64_t block_m = 252;  // a multiple of every tile; so many rows' waiting sums fit the cache
constexpr int panel_rows = 16 * lane_vectors;

// Weights widened to f32. `at(row, k)` reads a step's values; those of an `as_stored` type are the bytes in memory.
struct Wide {
  using Elem = float;
  using V = F;
  static constexpr int step = 16;
  static constexpr int64_t chunk = float_chunk;
  TASHIKA_INLINE V get(const Elem* p) { return load(p); }
  TASHIKA_INLINE void dot(F& acc, V w, V x) { acc = fma(w, x, acc); }
  // The same with the word at x in every lane.
  TASHIKA_INLINE void dot_word(F& acc, I w, const int32_t* x) {
#if defined(__AVX512F__)
    // Assembly, because GCC 12 copies accumulators in loops that it does not unroll wholly.
    __asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(acc.v) : "v"(w.v), "m"(*(const int32_t(*)[1])x));
#else
    float value;
    __builtin_memcpy(&value, x, 4);
    acc = fma(floats(w), splat(value), acc);
#endif
  }
};
struct WideF32 : Wide {
  static constexpr bool direct = true, as_stored = true;
  TASHIKA_INLINE V at(const uint8_t* row, int64_t k) { return load((const float*)row + k); }
  TASHIKA_INLINE V at_n(const uint8_t* row, int64_t k, int64_t n) { return load_n((const float*)row + k, n); }
};
struct WideF16 : Wide {
  static constexpr bool direct = true, as_stored = false;
  TASHIKA_INLINE V at(const uint8_t* row, int64_t k) { return load_f16((const uint16_t*)row + k); }
  TASHIKA_INLINE V at_n(const uint8_t* row, int64_t k, int64_t n) { return load_f16_n((const uint16_t*)row + k, n); }
};
struct WideBf16 : Wide {
  static constexpr bool direct = true, as_stored = false;
  TASHIKA_INLINE V at(const uint8_t* row, int64_t k) { return load_bf16((const uint16_t*)row + k); }
  TASHIKA_INLINE V at_n(const uint8_t* row, int64_t k, int64_t n) { return load_bf16_n((const uint16_t*)row + k, n); }
};
struct WideDecoded : Wide {
  static constexpr bool direct = false, as_stored = false;
};

template <bool first, class A, class B>
struct Choose { using Type = A; };
template <class A, class B>
struct Choose<false, A, B> { using Type = B; };

#if defined(__AVX512BF16__)
struct Bf16Dots {
  using Elem = uint16_t;
  using V = I;
  static constexpr int step = 32;
  static constexpr int64_t chunk = bf16_chunk;
  static constexpr bool direct = true, as_stored = true;
  TASHIKA_INLINE V get(const Elem* p) { return {_mm512_loadu_si512(p)}; }
  // Assembly, because GCC 12 copies accumulators in loops that it does not unroll wholly.
  TASHIKA_INLINE void dot(F& acc, V w, V x) { __asm__("vdpbf16ps %2, %1, %0" : "+v"(acc.v) : "v"(w.v), "v"(x.v)); }
  TASHIKA_INLINE void dot_word(F& acc, I w, const int32_t* x) {
    __asm__("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(acc.v) : "v"(w.v), "m"(*(const int32_t(*)[1])x));
  }
  TASHIKA_INLINE V at(const uint8_t* row, int64_t k) { return {_mm512_loadu_si512(row + 2 * k)}; }
  TASHIKA_INLINE V at_n(const uint8_t* row, int64_t k, int64_t n) {
    const __mmask32 mask = n >= 32 ? 0xffffffffu : (1u << n) - 1u;
    return {_mm512_maskz_loadu_epi16(mask, row + 2 * k)};
  }
};
#endif

TASHIKA_INLINE void put(const MatmulTask& task, int64_t t, int64_t row, F lanes) {
  float x = sum(lanes);
  if (task.bias != nullptr) x += task.bias[row];
  if (task.addend != nullptr) x += task.addend[t * task.addend_stride + row];
  task.y[t * task.y_stride + row] = x;
}

// M activation rows from row `first` against four rows of W, read in place.
template <class Path, int M>
[[gnu::noinline]] void direct_tile(const MatmulTask& task, const uint8_t* const rows[4], const int64_t index[4], int64_t first) {
  F acc[4][M];
#pragma GCC unroll 4
  for (int s = 0; s < 4; ++s) {
#pragma GCC unroll 8
    for (int t = 0; t < M; ++t) acc[s][t] = zero();
  }
  for (int64_t at = 0; at < task.k; at += Path::chunk) {
    const int64_t n = task.k - at < Path::chunk ? task.k - at : Path::chunk;
    const int64_t padded = (n + Path::step - 1) / Path::step * Path::step;
    const auto* x = static_cast<const typename Path::Elem*>(task.act) + at * task.act_rows + first * padded;
    int64_t k = 0;
    for (; k + Path::step <= n; k += Path::step) {
      typename Path::V w[4];
#pragma GCC unroll 4
      for (int s = 0; s < 4; ++s) w[s] = Path::at(rows[s], at + k);
#pragma GCC unroll 8
      for (int t = 0; t < M; ++t) {
        const auto v = Path::get(x + t * padded + k);
#pragma GCC unroll 4
        for (int s = 0; s < 4; ++s) Path::dot(acc[s][t], w[s], v);
      }
    }
    if (k < n) {
#pragma GCC unroll 4
      for (int s = 0; s < 4; ++s) {
        const auto w = Path::at_n(rows[s], at + k, n - k);
#pragma GCC unroll 8
        for (int t = 0; t < M; ++t) Path::dot(acc[s][t], w, Path::get(x + t * padded + k));
      }
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < 4; ++s) {
    if (index[s] < 0) continue;
#pragma GCC unroll 8
    for (int t = 0; t < M; ++t) put(task, first + t, index[s], acc[s][t]);
  }
}

template <class Path, int M>
void direct_tile_of(int m, const MatmulTask& task, const uint8_t* const rows[4], const int64_t index[4], int64_t first) {
  if constexpr (M > 1) {
    if (m != M) return direct_tile_of<Path, M - 1>(m, task, rows, index, first);
  }
  direct_tile<Path, M>(task, rows, index, first);
}

template <class Path>
void few(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) {
  const int64_t each = (end - begin + 3) / 4, passes = (task.m + direct_m - 1) / direct_m, width = (task.m + passes - 1) / passes;
  for (int64_t i = 0; i < each; ++i) {
    const uint8_t* rows[4];
    int64_t index[4];
    for (int s = 0; s < 4; ++s) {
      const int64_t r = begin + s * each + i;
      index[s] = r < end ? r : -1;
      rows[s] = task.w + (r < end ? r : begin + i) * task.w_stride;
      if constexpr (!Path::direct) {
        float* wide = static_cast<float*>(scratch) + s * ((task.k + 15) / 16 * 16);
        if (r < end) task.decode(rows[s], wide, task.k);
        rows[s] = reinterpret_cast<const uint8_t*>(r < end ? wide : static_cast<float*>(scratch));
      }
    }
    using Read = typename Choose<Path::direct, Path, WideF32>::Type;
    for (int64_t t = 0; t < task.m; t += width) {
      direct_tile_of<Read, direct_m>((int)(task.m - t < width ? task.m - t : width), task, rows, index, t);
    }
  }
}

// One virtual lane of a tile: T chains for each of 32 outputs. Then sums that wait are folded in: `folds` of them,
// each `level` floats after the one before, and the result waits behind them.
template <class Path, int T>
[[gnu::noinline]] void lane_tile_run(const int32_t* w, const int32_t* x, int64_t steps, float* waiting, int64_t level, int folds) {
  F acc[T][lane_vectors];
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 2
    for (int v = 0; v < lane_vectors; ++v) acc[t][v] = zero();
  }
  for (int64_t s = 0; s < steps; ++s) {
    I row[lane_vectors];
#pragma GCC unroll 2
    for (int v = 0; v < lane_vectors; ++v) row[v] = load_i(w + s * panel_rows + 16 * v);
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 2
      for (int v = 0; v < lane_vectors; ++v) Path::dot_word(acc[t][v], row[v], x + s * T + t);
    }
  }
  for (int f = 0; f < folds; ++f, waiting += level) {
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 2
      for (int v = 0; v < lane_vectors; ++v) acc[t][v] = load(waiting + t * panel_rows + 16 * v) + acc[t][v];
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 2
    for (int v = 0; v < lane_vectors; ++v) store(waiting + t * panel_rows + 16 * v, acc[t][v]);
  }
}
template <class Path, int T>
TASHIKA_INLINE void lane_tile_of(int64_t width, const int32_t* w, const int32_t* x, int64_t steps, float* waiting, int64_t level, int folds) {
  if constexpr (T > lane_tile_step) {
    if (width != T) return lane_tile_of<Path, T - lane_tile_step>(width, w, x, steps, waiting, level, folds);
  }
  lane_tile_run<Path, T>(w, x, steps, waiting, level, folds);
}

// 16 rows of W into one vector's place of every panel; panels lie `stride` words apart.
template <class Path>
void transpose(const MatmulTask& task, int64_t first, int64_t count, int32_t* to, int64_t stride, float* wide) {
  using Elem = typename Path::Elem;
  const uint8_t* rows[16];
  for (int i = 0; i < 16; ++i) rows[i] = task.w + (first + (i < count ? i : count - 1)) * task.w_stride;
  for (int64_t at = 0; at < task.k; at += Path::chunk) {
    const int64_t n = task.k - at < Path::chunk ? task.k - at : Path::chunk;
    const int64_t steps = (n + Path::step - 1) / Path::step;
    const uint8_t* from[16];
    for (int i = 0; i < 16; ++i) {
      if (Path::as_stored && n % Path::step == 0) {
        from[i] = rows[i] + at * (int64_t)sizeof(Elem);
        continue;
      }
      auto* line = reinterpret_cast<Elem*>(wide) + i * Path::chunk;
      from[i] = reinterpret_cast<const uint8_t*>(line);
      if constexpr (Path::direct) {
        int64_t k = 0;
        for (; k + Path::step <= n; k += Path::step) {
          const auto v = Path::at(rows[i], at + k);
          __builtin_memcpy(line + k, &v, sizeof v);
        }
        if (k < n) {
          const auto v = Path::at_n(rows[i], at + k, n - k);
          __builtin_memcpy(line + k, &v, sizeof v);
        }
      } else {
        task.decode(rows[i] + at / task.block * task.block_bytes, line, n);
        for (int64_t k = n; k < steps * Path::step; ++k) line[k] = 0;
      }
    }
    for (int64_t s = 0; s < steps; ++s) {
      int32_t* out = to + (at / Path::step + s) * panel_rows;
#pragma GCC unroll 4
      for (int part = 0; part < 4; ++part) {
        I x[4];
        piece(from, s * 64 + 16 * part, x);
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) store_i(out + (4 * part + j) * stride, x[j]);
      }
    }
  }
}

template <class Path>
void many(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) {
  constexpr int per_word = 4 / sizeof(typename Path::Elem);
  static constexpr int8_t order[16] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
  const LaneLayout layout = LaneLayout::of((task.k + per_word - 1) / per_word, task.act_rows);
  const int64_t stride = layout.steps * panel_rows + 16;  // a line more: see LaneLayout
  auto* wide = static_cast<float*>(scratch);
  auto* waiting = wide + 16 * float_chunk;
  const int64_t level = block_m * panel_rows;
  auto* panels = reinterpret_cast<int32_t*>(waiting + 5 * level);
  const auto* act = static_cast<const int32_t*>(task.act);
  for (int64_t r = begin; r < end; r += panel_rows) {
    const int64_t count = end - r < panel_rows ? end - r : panel_rows;
    for (int v = 0; v < lane_vectors; ++v) {
      const int64_t from = 16 * v < count ? 16 * v : 0;
      transpose<Path>(task, r + from, count - from, panels + 16 * v, stride, wide);
    }
    constexpr int64_t block_tiles = block_m / lane_tile;
    const int64_t tiles = layout.tiles();
    Fetch fetch(task, r + panel_rows < end ? r + panel_rows : task.next, panel_rows, 16 * tiles);
    for (int64_t t0 = 0; t0 < tiles; t0 += block_tiles) {
      const int64_t t1 = t0 + block_tiles < tiles ? t0 + block_tiles : tiles;
      for (int i = 0; i < 16; ++i) {
        const int folds = __builtin_ctz(~(unsigned)i);
        for (int64_t t = t0; t < t1; ++t) {
          fetch.step();
          lane_tile_of<Path, lane_tile>(layout.width(t), panels + order[i] * stride, act + layout.at(order[i], t), layout.steps,
                                        waiting + (t - t0) * lane_tile * panel_rows, level, folds);
        }
      }
      const float* sums = waiting + 4 * level;
      for (int64_t t = t0 * lane_tile; t < t1 * lane_tile && t < task.m; ++t, sums += panel_rows) {
        for (int64_t i = 0; i < count; i += 16) {
          F x = load(sums + i);
          const int64_t n = count - i;
          if (task.bias != nullptr) x = x + load_n(task.bias + r + i, n);
          if (task.addend != nullptr) x = x + load_n(task.addend + t * task.addend_stride + r + i, n);
          store_n(task.y + t * task.y_stride + r + i, x, n);
        }
      }
    }
  }
}

template <class Path>
void float_rows(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) {
  task.act_rows <= few_rows ? few<Path>(task, begin, end, scratch) : many<Path>(task, begin, end, scratch);
}

}  // namespace

void rows_f32(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { float_rows<WideF32>(task, begin, end, scratch); }
void rows_f16(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { float_rows<WideF16>(task, begin, end, scratch); }
void rows_bf16_wide(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { float_rows<WideBf16>(task, begin, end, scratch); }
void rows_decoded(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { float_rows<WideDecoded>(task, begin, end, scratch); }
#if defined(__AVX512BF16__)
void rows_bf16(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { float_rows<Bf16Dots>(task, begin, end, scratch); }
#endif

}  // namespace tashika::cpu::TASHIKA_ISA_NS
