// How the float path's activations lie in memory (backend/cpu/isa/matmul.h), counted in words: one f32, or two bf16.
//
// Few rows: chunk by chunk, [chunk][row][words], for kernels with k in the lanes. Many rows: [lane][tile][step][row of
// the tile], for kernels with outputs in the lanes that walk one virtual lane after the other; word step * 16 + lane of
// a row is one of that lane's chain. Either way k is filled up with zeros to a whole step.
#pragma once

#include "backend/cpu/isa/matmul.h"
#include "backend/cpu/isa/vec.h"

namespace tashika::cpu::TASHIKA_ISA_NS {

// Rows of activations and, in vectors of 16, of weights that a tile's sums hold in registers.
#if defined(__AVX512F__)
inline constexpr int lane_tile = 12, lane_tile_step = 4, lane_vectors = 2;
#elif defined(__AVX2__)
inline constexpr int lane_tile = 6, lane_tile_step = 2, lane_vectors = 1;
#else
inline constexpr int lane_tile = 2, lane_tile_step = 1, lane_vectors = 1;
#endif
inline constexpr int64_t few_rows = 24;

struct LaneLayout {
  int64_t steps, rows, full;  // full tiles; a narrower one may follow
  int64_t tail;               // its width
  TASHIKA_INLINE LaneLayout of(int64_t words, int64_t rows) {
    const int64_t full = rows / lane_tile, rest = rows - full * lane_tile;
    return {(words + 15) / 16, rows, full, (rest + lane_tile_step - 1) / lane_tile_step * lane_tile_step};
  }
  [[gnu::always_inline]] inline int64_t tiles() const { return full + (tail > 0 ? 1 : 0); }
  [[gnu::always_inline]] inline int64_t width(int64_t tile) const { return tile < full ? lane_tile : tail; }
  // One line more than needed: lanes a power of two apart would share their cache sets.
  [[gnu::always_inline]] inline int64_t lane_stride() const { return steps * (full * lane_tile + tail) + 16; }
  [[gnu::always_inline]] inline int64_t at(int64_t lane, int64_t tile) const { return lane * lane_stride() + tile * lane_tile * steps; }
};

}  // namespace tashika::cpu::TASHIKA_ISA_NS
