// The float path (backend/cpu/isa/matmul.h): 16 virtual lanes an output, k in the lanes.
//
// Few activation rows read the weights where they lie, four rows of W (four streams) at once. More take panels: 8
// rows x one chunk of k, copied or decoded once for up to 96 activation rows; both sides of a tile then lie
// contiguously (rows of a power-of-two stride would fall on the same cache sets). The lanes' sums wait in a buffer
// between chunks.
#include "backend/cpu/isa/dot.h"
#include "backend/cpu/isa/matmul_rows.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

#if defined(__AVX512F__)
constexpr int tile_m = 6, tile_n = 4;
#elif defined(__AVX2__)
constexpr int tile_m = 2, tile_n = 2;
#else
constexpr int tile_m = 1, tile_n = 1;
#endif
constexpr int panel_rows = 8, block_m = 96;  // a multiple of every tile

// Weights widened to f32. `load16(row, k)` reads 16 values.
struct Wide {
  using Elem = float;
  using V = F;
  static constexpr int step = 16;
  static constexpr int64_t chunk = float_chunk;
  TASHIKA_INLINE V get(const Elem* p) { return load(p); }
  TASHIKA_INLINE void dot(F& acc, V w, V x) { acc = fma(w, x, acc); }
};
struct WideF32 : Wide {
  static constexpr bool direct = true;
  TASHIKA_INLINE V at(const uint8_t* row, int64_t k) { return load((const float*)row + k); }
  TASHIKA_INLINE V at_n(const uint8_t* row, int64_t k, int64_t n) { return load_n((const float*)row + k, n); }
};
struct WideF16 : Wide {
  static constexpr bool direct = true;
  TASHIKA_INLINE V at(const uint8_t* row, int64_t k) { return load_f16((const uint16_t*)row + k); }
  TASHIKA_INLINE V at_n(const uint8_t* row, int64_t k, int64_t n) { return load_f16_n((const uint16_t*)row + k, n); }
};
struct WideBf16 : Wide {
  static constexpr bool direct = true;
  TASHIKA_INLINE V at(const uint8_t* row, int64_t k) { return load_bf16((const uint16_t*)row + k); }
  TASHIKA_INLINE V at_n(const uint8_t* row, int64_t k, int64_t n) { return load_bf16_n((const uint16_t*)row + k, n); }
};
struct WideDecoded : Wide {
  static constexpr bool direct = false;
};

#if defined(__AVX512BF16__)
struct Bf16Dots {
  using Elem = uint16_t;
  using V = I;
  static constexpr int step = 32;
  static constexpr int64_t chunk = bf16_chunk;
  static constexpr bool direct = true;
  TASHIKA_INLINE V get(const Elem* p) { return {_mm512_loadu_si512(p)}; }
  // Assembly, because GCC 12 copies accumulators in loops that it does not unroll wholly.
  TASHIKA_INLINE void dot(F& acc, V w, V x) { __asm__("vdpbf16ps %2, %1, %0" : "+v"(acc.v) : "v"(w.v), "v"(x.v)); }
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

// M activation rows, weights read in place.
template <class Path, int M>
void direct_rows(const MatmulTask& task, int64_t begin, int64_t end) {
  constexpr int streams = 4;
  const int64_t each = (end - begin + streams - 1) / streams;
  for (int64_t i = 0; i < each; ++i) {
    const uint8_t* rows[streams];
    int64_t index[streams];
    for (int s = 0; s < streams; ++s) {
      const int64_t r = begin + s * each + i;
      index[s] = r < end ? r : end;
      rows[s] = task.w + (r < end ? r : begin + i) * task.w_stride;
    }
    F acc[streams][M];
    for (int s = 0; s < streams; ++s) {
      for (int t = 0; t < M; ++t) acc[s][t] = zero();
    }
    for (int64_t at = 0; at < task.k; at += Path::chunk) {
      const int64_t n = task.k - at < Path::chunk ? task.k - at : Path::chunk;
      const int64_t padded = (n + Path::step - 1) / Path::step * Path::step;
      const auto* x = static_cast<const typename Path::Elem*>(task.act) + at * task.act_rows;
      int64_t k = 0;
      for (; k + Path::step <= n; k += Path::step) {
        typename Path::V w[streams];
#pragma GCC unroll 4
        for (int s = 0; s < streams; ++s) w[s] = Path::at(rows[s], at + k);
#pragma GCC unroll 8
        for (int t = 0; t < M; ++t) {
          const auto v = Path::get(x + t * padded + k);
#pragma GCC unroll 4
          for (int s = 0; s < streams; ++s) Path::dot(acc[s][t], w[s], v);
        }
      }
      if (k < n) {
        for (int s = 0; s < streams; ++s) {
          const auto w = Path::at_n(rows[s], at + k, n - k);
#pragma GCC unroll 8
          for (int t = 0; t < M; ++t) Path::dot(acc[s][t], w, Path::get(x + t * padded + k));
        }
      }
    }
    for (int s = 0; s < streams; ++s) {
      if (index[s] == end) continue;
      for (int t = 0; t < M; ++t) put(task, t, index[s], acc[s][t]);
    }
  }
}

template <class Path, int T, int N>
[[gnu::noinline]] void tile(const typename Path::Elem* w, const typename Path::Elem* x, int64_t length, float* sums) {
  F acc[N][T];
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) acc[n][t] = load(sums + (n * T + t) * 16);
  }
  for (int64_t k = 0; k < length; k += Path::step) {
    typename Path::V v[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) v[n] = Path::get(w + n * length + k);
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const auto a = Path::get(x + t * length + k);
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) Path::dot(acc[n][t], v[n], a);
    }
  }
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) store(sums + (n * T + t) * 16, acc[n][t]);
  }
}

// Calls use(integral_constant m) with the number of activation rows of a tile as a constant.
template <int T, class Use>
TASHIKA_INLINE void with_rows(int m, const Use& use) {
  if constexpr (T > 1) {
    if (m != T) return with_rows<T - 1>(m, use);
  }
  use.template operator()<T>();
}

template <class Path>
TASHIKA_INLINE void fill(typename Path::Elem* to, const MatmulTask& task, const uint8_t* row, int64_t at, int64_t n, int64_t padded) {
  if constexpr (Path::direct) {
    int64_t k = 0;
    for (; k + Path::step <= n; k += Path::step) {
      const auto v = Path::at(row, at + k);
      __builtin_memcpy(to + k, &v, sizeof v);
    }
    if (k < n) {
      const auto v = Path::at_n(row, at + k, n - k);
      __builtin_memcpy(to + k, &v, sizeof v);
    }
  } else {
    task.decode(row + at / task.block * task.block_bytes, to, n);
    for (int64_t k = n; k < padded; ++k) to[k] = 0.0f;
  }
}

template <class Path>
void panel_rows_of(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) {
  using Elem = typename Path::Elem;
  auto* panel = static_cast<Elem*>(scratch);
  auto* sums = reinterpret_cast<float*>(panel + panel_rows * Path::chunk);
  for (int64_t r = begin; r < end; r += panel_rows) {
    const int64_t count = end - r < panel_rows ? end - r : panel_rows;
    const int64_t groups = (count + tile_n - 1) / tile_n;
    for (int64_t t0 = 0; t0 < task.m; t0 += block_m) {
      const int64_t m = task.m - t0 < block_m ? task.m - t0 : block_m;
      const int64_t tile_rows = groups * tile_n;
      for (int64_t i = 0; i < tile_rows * m * 16; i += 16) store(sums + i, zero());
      for (int64_t at = 0; at < task.k; at += Path::chunk) {
        const int64_t n = task.k - at < Path::chunk ? task.k - at : Path::chunk;
        const int64_t padded = (n + Path::step - 1) / Path::step * Path::step;
        for (int64_t i = 0; i < tile_rows; ++i) {
          fill<Path>(panel + i * padded, task, task.w + (r + (i < count ? i : count - 1)) * task.w_stride, at, n, padded);
        }
        const Elem* x = static_cast<const Elem*>(task.act) + at * task.act_rows;
        for (int64_t t = 0; t < m; t += tile_m) {
          const int width = (int)(m - t < tile_m ? m - t : tile_m);
          float* tile_sums = sums + t * tile_rows * 16;
          with_rows<tile_m>(width, [&]<int T>() {
            for (int64_t g = 0; g < groups; ++g) {
              tile<Path, T, tile_n>(panel + g * tile_n * padded, x + (t0 + t) * padded, padded, tile_sums + g * tile_n * T * 16);
            }
          });
        }
      }
      for (int64_t t = 0; t < m; t += tile_m) {
        const int64_t width = m - t < tile_m ? m - t : tile_m;
        for (int64_t i = 0; i < count; ++i) {
          for (int64_t j = 0; j < width; ++j) put(task, t0 + t + j, r + i, load(sums + (t * tile_rows + i * width + j) * 16));
        }
      }
    }
  }
}

template <class Path>
void float_rows(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) {
  if constexpr (Path::direct) {
    if (task.m <= tile_m) {
      with_rows<tile_m>((int)task.m, [&]<int M>() { direct_rows<Path, M>(task, begin, end); });
      return;
    }
  }
  panel_rows_of<Path>(task, begin, end, scratch);
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
