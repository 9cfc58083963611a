// The integer path (backend/cpu/isa/matmul.h): unpacked weights against int8 activations, outputs in the lanes.
//
// Many activation rows: a task of up to 64 rows walks k by 256, unpacks four panels of 16 rows and runs tiles of 6
// activation rows by 32 weight rows over them. Results live in a compact buffer until k ends.
// Few activation rows: 16 weight rows at a time, unpacked quads multiplied at once and never stored.
#pragma once

#include "backend/cpu/isa/fetch.h"
#include "backend/cpu/isa/panel.h"
#include "backend/cpu/isa/matmul.h"

namespace tashika::cpu::TASHIKA_ISA_NS {

inline constexpr int task_rows = 64;
inline constexpr int task_panels = task_rows / 16;

// What a tile may hold in registers.
#if defined(__AVX512F__)
inline constexpr int tile_m = 6, tile_panels = 2, narrow_m = 3, narrow_panels = 4, direct_dots = 16;
#elif defined(__AVX2__)
inline constexpr int tile_m = 2, tile_panels = 1, narrow_m = 1, narrow_panels = 1, direct_dots = 4;
#else
inline constexpr int tile_m = 1, tile_panels = 1, narrow_m = 1, narrow_panels = 1, direct_dots = 4;
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

// c[16] += the super-block's part, from the scaled sum of its dots.
template <class Format>
TASHIKA_INLINE void end_block(const PanelK& p, const Act256& act, I sum, float* c) {
  F part = load(p.d) * to_float(sum);
  if constexpr (Format::has_min) {
    I mins = splat_i(0);
    const int16_t* sums = Format::group == 32 ? act.sum32 : act.sum16;
#pragma GCC unroll 8
    for (int pair = 0; pair < 128 / Format::group; ++pair) {
      mins = madd16(mins, load_i((const int32_t*)p.min[pair]), splat_i(two_halves(sums + 2 * pair)));
    }
    part = fma(load(p.neg_dmin), to_float(mins), part);
  }
  store(c, fma(splat(act.d), part, load(c)));
}
template <class Format>
TASHIKA_INLINE F block_part(const Panel32& p, int b, const Act32& act, I dot) {
  const F part = load(p.d[b]) * to_float(dot);
  if constexpr (Format::has_min) return fma(load(p.neg_m[b]), splat((float)act.neg[b]), part);
  return part;
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
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) end_block<Format>(panels[p], act[t], acc[t][p], c + t * task_rows + p * 16);
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
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        sum[t][p] = fma(splat(act[t].d[b]), block_part<Format>(panels[p], b, act[t], dot[t][p]), sum[t][p]);
      }
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) store(c + t * task_rows + p * 16, sum[t][p]);
  }
}

// Where unpacked quads go: into a panel ...
template <class Format>
struct PanelSink {
  uint8_t (*q)[64];  // of the unit's first group
  int groups_between;
  [[gnu::always_inline]] inline void emit(int slot, int quad, I bytes) { store_bytes(q[slot * groups_between + quad], bytes); }
};
// ... or straight into the dots of T activation rows.
template <class Format, int T, class Act>
struct DotSink {
  I (*dot)[T];
  const Act* act;
  int k;  // of the unit's first group
  int k_between;
  [[gnu::always_inline]] inline void emit(int slot, int quad, I bytes) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) dot4<Format>(dot[slot][t], bytes, act[t].q + k + slot * k_between + 4 * quad);
  }
};

template <class Format>
struct KPath {
  using Panel = PanelK;
  using Act = Act256;
  static constexpr int units = Format::units;
  static constexpr int direct_m = direct_dots / Format::slots < tile_m ? direct_dots / Format::slots : tile_m;
  static constexpr int slot_groups = Format::slots > 1 ? Format::group_of(0, 1) - Format::group_of(0, 0) : 0;

  TASHIKA_INLINE void unpack(Panel& p, const uint8_t* const* rows, int64_t chunk, int, Fetch& fetch) {
    const int64_t at = chunk * Format::bytes;
    Format::scales(p, rows, at);
    for (int unit = 0; unit < Format::units; ++unit) {
      fetch.step();
      constexpr int quads = Format::group / 4;
      PanelSink<Format> sink{p.q + Format::group_of(unit, 0) * quads, slot_groups * quads};
      Format::quads(sink, rows, at, unit);
    }
  }
  template <int T, int P>
  TASHIKA_INLINE void tile(const Panel* panels, const Act* act, float* c, int) {
    tile_k<Format, T, P>(panels, act, c);
  }
  // c[t][16] += the chunk's part of 16 rows.
  template <int T>
  TASHIKA_INLINE void direct(Panel& p, const uint8_t* const* rows, int64_t chunk, const Act* act, float* c, int, Fetch& fetch) {
    const int64_t at = chunk * Format::bytes;
    Format::scales(p, rows, at);
    I sum[T];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) sum[t] = splat_i(0);
    for (int unit = 0; unit < Format::units; ++unit) {
      fetch.step();
      const int first = Format::group_of(unit, 0);
      I dot[Format::slots][T];
#pragma GCC unroll 4
      for (int slot = 0; slot < Format::slots; ++slot) {
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) {
          dot[slot][t] = start_of<Format>((Format::group == 16 ? act[t].neg16 : act[t].neg32) + first + slot * slot_groups);
        }
      }
      DotSink<Format, T, Act> sink{dot, act, first * Format::group, slot_groups * Format::group};
      Format::quads(sink, rows, at, unit);
#pragma GCC unroll 4
      for (int slot = 0; slot < Format::slots; ++slot) {
        const I scale = load_i(p.scale[first + slot * slot_groups]);
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) sum[t] = sum[t] + mul(dot[slot][t], scale);
      }
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) end_block<Format>(p, act[t], sum[t], c + t * task_rows);
  }
};
template <class Format>
struct Path32 {
  using Panel = Panel32;
  using Act = Act32;
  static constexpr int units = 8, direct_m = tile_m;

  TASHIKA_INLINE void unpack(Panel& p, const uint8_t* const* rows, int64_t chunk, int blocks, Fetch& fetch) {
    for (int b = 0; b < blocks; ++b) {
      fetch.step();
      const int64_t at = (chunk * 8 + b) * Format::bytes;
      Format::scales(p, b, rows, at);
      PanelSink<Format> sink{p.q + 8 * b, 0};
      Format::quads(sink, rows, at);
    }
  }
  template <int T, int P>
  TASHIKA_INLINE void tile(const Panel* panels, const Act* act, float* c, int blocks) {
    tile_32<Format, T, P>(panels, act, c, blocks);
  }
  template <int T>
  TASHIKA_INLINE void direct(Panel& p, const uint8_t* const* rows, int64_t chunk, const Act* act, float* c, int blocks, Fetch& fetch) {
    F sum[T];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) sum[t] = load(c + t * task_rows);
    for (int b = 0; b < blocks; ++b) {
      fetch.step();
      const int64_t at = (chunk * 8 + b) * Format::bytes;
      I dot[1][T];
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) dot[0][t] = start_of<Format>(act[t].neg + b);
      DotSink<Format, T, Act> sink{dot, act, 32 * b, 0};
      Format::quads(sink, rows, at);
      Format::scales(p, b, rows, at);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) sum[t] = fma(splat(act[t].d[b]), block_part<Format>(p, b, act[t], dot[0][t]), sum[t]);
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) store(c + t * task_rows, sum[t]);
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

// c[t][16] = 16 rows of W times T activation rows.
template <class Path, int T>
[[gnu::noinline]] static void direct_block(typename Path::Panel& panel, const uint8_t* const* rows, const MatmulTask& task, int64_t first,
                                           float* c, Fetch& fetch) {
  for (int t = 0; t < T; ++t) store(c + t * task_rows, zero());
  for (int64_t k = 0; k < task.k; k += 256) {
    const auto* act = static_cast<const typename Path::Act*>(task.act) + k / 256 * task.act_rows + first;
    Path::template direct<T>(panel, rows, k / 256, act, c, task.k - k >= 256 ? 8 : (int)((task.k - k) / 32), fetch);
  }
}
template <class Path, int T>
static void direct_block_of(int m, typename Path::Panel& panel, const uint8_t* const* rows, const MatmulTask& task, int64_t first, float* c,
                            Fetch& fetch) {
  if constexpr (T > 1) {
    if (m != T) return direct_block_of<Path, T - 1>(m, panel, rows, task, first, c, fetch);
  }
  direct_block<Path, T>(panel, rows, task, first, c, fetch);
}
// More activation rows than registers hold take several passes over the 16 weight rows, which are then near.
template <class Path>
static void direct_rows(const MatmulTask& task, int64_t begin, int64_t end, typename Path::Panel& panel, float* c) {
  const int64_t chunks = (task.k + 255) / 256, passes = (task.m + Path::direct_m - 1) / Path::direct_m;
  const int64_t each = (task.m + passes - 1) / passes;
  for (int64_t r = begin; r < end; r += 16) {
    const int64_t count = end - r < 16 ? end - r : 16;
    const uint8_t* rows[16];
    for (int i = 0; i < 16; ++i) rows[i] = task.w + (i < count ? r + i : r + count - 1) * task.w_stride;
    Fetch fetch(task, r + 16 < end ? r + 16 : task.next, 16, chunks * Path::units * passes);
    for (int64_t t = 0; t < task.m; t += each) {
      const int m = (int)(task.m - t < each ? task.m - t : each);
      direct_block_of<Path, Path::direct_m>(m, panel, rows, task, t, c + t * task_rows, fetch);
    }
    write_rows(task, r, count, c);
  }
}

template <class Path>
static void int_rows(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) {
  using Panel = typename Path::Panel;
  using Act = typename Path::Act;
  auto* panels = static_cast<Panel*>(scratch);
  auto* c = reinterpret_cast<float*>(panels + task_panels);
  if (task.m <= 3 * Path::direct_m) return direct_rows<Path>(task, begin, end, panels[0], c);
  const int64_t chunks = (task.k + 255) / 256;
  for (int64_t r = begin; r < end; r += task_rows) {
    const int64_t count = end - r < task_rows ? end - r : task_rows;
    const int panel_count = (int)((count + 15) / 16);
    const uint8_t* rows[task_rows];
    for (int i = 0; i < 16 * panel_count; ++i) rows[i] = task.w + (i < count ? r + i : r + count - 1) * task.w_stride;
    for (int64_t i = 0; i < task.m * task_rows; i += 16) store(c + i, zero());
    // While this task is computed, the next one's rows come in.
    Fetch fetch(task, r + task_rows < end ? r + task_rows : task.next, task_rows, chunks * panel_count * Path::units);
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const int64_t left = task.k - chunk * 256;
      const int blocks = left >= 256 ? 8 : (int)(left / 32);
      for (int p = 0; p < panel_count; ++p) {
        Path::unpack(panels[p], rows + 16 * p, chunk, blocks, fetch);
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
