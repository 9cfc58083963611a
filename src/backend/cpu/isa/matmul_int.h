// The integer path (backend/cpu/isa/matmul.h): panels of unpacked weights against int8 activations, outputs in the lanes.
//
// A task of up to 64 rows walks k by 256: it unpacks four panels of 16 rows, then runs tiles of 6 activation rows by
// 32 weight rows over all activation rows. Results live in a compact buffer until k ends.
#pragma once

#include "backend/cpu/isa/panel.h"
#include "backend/cpu/isa/matmul.h"

namespace tashika::cpu::TASHIKA_ISA_NS {

inline constexpr int task_rows = 64;
inline constexpr int task_panels = task_rows / 16;

// What a tile may hold in registers.
#if defined(__AVX512F__)
inline constexpr int tile_m = 6, tile_panels = 2, narrow_m = 3, narrow_panels = 4;
#elif defined(__AVX2__)
inline constexpr int tile_m = 2, tile_panels = 1, narrow_m = 1, narrow_panels = 1;
#else
inline constexpr int tile_m = 1, tile_panels = 1, narrow_m = 1, narrow_panels = 1;
#endif

template <class Format>
TASHIKA_INLINE I start_of(const int32_t* neg_sum) {
  if constexpr (Format::offset_shift < 0) return splat_i(0);
  if constexpr (Format::wide && !TASHIKA_OFFSET_PANEL) return splat_i(0);
  return shift_left<(Format::offset_shift < 0 ? 0 : Format::offset_shift)>(splat_i(*neg_sum));
}
template <class Format>
TASHIKA_INLINE void dot4(I& acc, I w, const int8_t* a) {
  if constexpr (Format::wide) {
    dot_s(acc, w, a);
  } else {
    dot_u(acc, w, a);
  }
}

// c[t][panel][16] += the super-block's part.
template <class Format, int T, int P>
[[gnu::noinline]] static void tile_k(const PanelK* panels, const Act256* act, float* c) {
  I acc[T][P];
  for (int t = 0; t < T; ++t) {
    for (int p = 0; p < P; ++p) acc[t][p] = splat_i(0);
  }
  constexpr int quads = Format::group / 4;
  for (int g = 0; g < 256 / Format::group; ++g) {
    I dot[T][P];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const int32_t* sums = quads == 4 ? act[t].neg16 : act[t].neg32;
      const I start = start_of<Format>(sums + g);
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) dot[t][p] = start;
    }
#pragma GCC unroll 8
    for (int j = 0; j < quads; ++j) {
      const int kq = g * quads + j;
      I w[P];
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) w[p] = load_bytes(panels[p].q[kq]);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) dot4<Format>(dot[t][p], w[p], act[t].q + 4 * kq);
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      const I scale = load_i(panels[p].scale[g]);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) acc[t][p] = acc[t][p] + mul(dot[t][p], scale);
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < P; ++p) {
    const F d = load(panels[p].d);
    const F neg_dmin = Format::has_min ? load(panels[p].neg_dmin) : d;
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      F part = d * to_float(acc[t][p]);
      if constexpr (Format::has_min) {
        I mins = splat_i(0);
        const int16_t* sums = Format::group == 32 ? act[t].sum32 : act[t].sum16;
#pragma GCC unroll 8
        for (int pair = 0; pair < 128 / Format::group; ++pair) {
          mins = madd16(mins, load_i((const int32_t*)panels[p].min[pair]), splat_i(two_halves(sums + 2 * pair)));
        }
        part = fma(neg_dmin, to_float(mins), part);
      }
      float* out = c + t * task_rows + p * 16;
      store(out, fma(splat(act[t].d), part, load(out)));
    }
  }
}

template <class Format, int T, int P>
[[gnu::noinline]] static void tile_32(const Panel32* panels, const Act32* act, float* c, int blocks) {
  F sum[T][P];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) sum[t][p] = load(c + t * task_rows + p * 16);
  }
  for (int b = 0; b < blocks; ++b) {
    I dot[T][P];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const I start = start_of<Format>(act[t].neg + b);
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) dot[t][p] = start;
    }
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      I w[P];
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) w[p] = load_bytes(panels[p].q[8 * b + j]);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) dot4<Format>(dot[t][p], w[p], act[t].q + 32 * b + 4 * j);
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      const F d = load(panels[p].d[b]);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        F part = d * to_float(dot[t][p]);
        if constexpr (Format::has_min) part = fma(load(panels[p].neg_m[b]), splat((float)act[t].neg[b]), part);
        sum[t][p] = fma(splat(act[t].d[b]), part, sum[t][p]);
      }
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) store(c + t * task_rows + p * 16, sum[t][p]);
  }
}

template <class Format>
struct KPath {
  using Panel = PanelK;
  using Act = Act256;
  static constexpr int chunk_bytes = Format::bytes;
  TASHIKA_INLINE void unpack(Panel& p, const uint8_t* const* rows, int64_t chunk, int) {
    Format::unpack(p, rows, chunk * Format::bytes);
  }
  template <int T, int P>
  TASHIKA_INLINE void tile(const Panel* panels, const Act* act, float* c, int) {
    tile_k<Format, T, P>(panels, act, c);
  }
};
template <class Format>
struct Path32 {
  using Panel = Panel32;
  using Act = Act32;
  static constexpr int chunk_bytes = 8 * Format::bytes;
  TASHIKA_INLINE void unpack(Panel& p, const uint8_t* const* rows, int64_t chunk, int blocks) {
    for (int b = 0; b < blocks; ++b) Format::unpack(p, b, rows, (chunk * 8 + b) * Format::bytes);
  }
  template <int T, int P>
  TASHIKA_INLINE void tile(const Panel* panels, const Act* act, float* c, int blocks) {
    tile_32<Format, T, P>(panels, act, c, blocks);
  }
};

// Tiles over all activation rows of a chunk.
template <class Path, int T, int P>
TASHIKA_INLINE void tiles(const typename Path::Panel* panels, int count, const typename Path::Act* act, float* c, int blocks) {
  for (int p = 0; p < count; p += P) Path::template tile<T, P>(panels + p, act, c + 16 * p, blocks);
}
template <class Path, int T>
static void tail_tiles(int m, const typename Path::Panel* panels, int count, const typename Path::Act* act, float* c, int blocks) {
  if constexpr (T > 0) {
    if (m != T) return tail_tiles<Path, T - 1>(m, panels, count, act, c, blocks);
    // Few activation rows need more weight rows a tile, or the latency of the dots shows.
    if (T <= narrow_m && count % narrow_panels == 0) return tiles<Path, T, narrow_panels>(panels, count, act, c, blocks);
    if (count % tile_panels == 0) return tiles<Path, T, tile_panels>(panels, count, act, c, blocks);
    tiles<Path, T, 1>(panels, count, act, c, blocks);
  }
}

TASHIKA_INLINE void write_rows(const MatmulTask& task, int64_t begin, int64_t count, const float* c) {
  for (int64_t t = 0; t < task.m; ++t) {
    float* y = task.y + t * task.y_stride + begin;
    for (int64_t i = 0; i < count; i += 16) {
      const int64_t n = count - i;
      F x = load(c + t * task_rows + i);
      if (task.bias != nullptr) x = x + load_n(task.bias + begin + i, n);
      if (task.addend != nullptr) x = x + load_n(task.addend + t * task.addend_stride + begin + i, n);
      store_n(y + i, x, n);
    }
  }
}

template <class Path>
static void int_rows(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) {
  using Panel = typename Path::Panel;
  using Act = typename Path::Act;
  auto* panels = static_cast<Panel*>(scratch);
  auto* c = reinterpret_cast<float*>(panels + task_panels);
  const int64_t chunks = (task.k + 255) / 256;
  for (int64_t r = begin; r < end; r += task_rows) {
    const int64_t count = end - r < task_rows ? end - r : task_rows;
    const int panel_count = (int)((count + 15) / 16);
    const uint8_t* rows[task_rows];
    for (int i = 0; i < 16 * panel_count; ++i) rows[i] = task.w + (i < count ? r + i : r + count - 1) * task.w_stride;
    for (int64_t i = 0; i < task.m * task_rows; i += 16) store(c + i, zero());
    // While this task is computed, the next one's rows come in as one stream.
    const int64_t next = r + task_rows < end ? r + task_rows : task.next;
    const int64_t ahead = next + task_rows < task.rows ? task_rows : task.rows - next;
    const uint8_t* fetch = task.w + next * task.w_stride;
    const int64_t fetch_bytes = ahead > 0 ? ahead * task.w_stride : 0;
    const int64_t fetch_step = (fetch_bytes / chunks + 63) / 64 * 64;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const int64_t left = task.k - chunk * 256;
      const int blocks = left >= 256 ? 8 : (int)(left / 32);
      for (int p = 0; p < panel_count; ++p) {
        Path::unpack(panels[p], rows + 16 * p, chunk, blocks);
        const int64_t from = chunk * fetch_step + p * fetch_step / panel_count;
        for (int64_t i = from; i < chunk * fetch_step + (p + 1) * fetch_step / panel_count && i < fetch_bytes; i += 64) {
          __builtin_prefetch(fetch + i, 0, 2);
        }
      }
      const Act* act = static_cast<const Act*>(task.act) + chunk * task.act_rows;
      int64_t t = 0;
      for (; t + tile_m <= task.m; t += tile_m) tail_tiles<Path, tile_m>(tile_m, panels, panel_count, act + t, c + t * task_rows, blocks);
      if (t < task.m) tail_tiles<Path, tile_m>((int)(task.m - t), panels, panel_count, act + t, c + t * task_rows, blocks);
    }
    write_rows(task, r, count, c);
  }
}

}  // namespace tashika::cpu::TASHIKA_ISA_NS
