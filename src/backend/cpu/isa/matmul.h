// Matrix products on the CPU: what kernels/ (checks, scratch, threads) and isa/ (the arithmetic) say to each other.
//
// Integer path, for block-quantised weights in fast mode. A row of activations is quantised once to int8, 256 values
// a scale (K types, iq4_xs) or 32 (the others). Products are summed in integers inside the weights' scale groups,
// which is exact in any order; then one f32 chain runs over the chunks of k in ascending order:
//
//   K types:  y = fma(da, fma(-dmin, sum of min_g · sum_g(q), d · (sum of scale_g · dot_g)), y)   a super-block
//   others:   y = fma(da, fma(m, sum(q), d · dot), y)                                             a block of 32
//
// so that a result depends on its row of x and its row of W alone, and is the same on every instruction set.
//
// Float path, for f32, f16, bf16 and, in exact mode, all types: 16 virtual lanes an output, lane l summing the k with
// k mod 16 = l in ascending order by fma, then folded by +8, +4, +2, +1. With bf16 dots (avx512vnni, fast mode)
// lane l sums the pairs p with p mod 16 = l.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "backend/cpu/isa.h"

namespace tashika::cpu {

// 256 activations of one row with one scale: x = d * q.
struct alignas(64) Act256 {
  int8_t q[256];      // in -127..127
  int32_t neg16[16];  // minus the sum of each 16 q: what turns offset weights into signed ones
  int32_t neg32[8];
  int16_t sum16[16];
  int16_t sum32[8];
  float d;
};

// 256 activations (fewer at the end of a row; zeros follow) with a scale for each 32.
struct alignas(64) Act32 {
  int8_t q[256];
  float d[8];
  int32_t neg[8];
};

// Activations of m rows lie chunk by chunk: [chunk of k][row], a chunk being one Act256 or Act32. Plain values lie as
// float_layout.h says; with few rows by chunks of float_chunk (bf16_chunk) values.
inline constexpr int64_t float_chunk = 512;
inline constexpr int64_t bf16_chunk = 1024;

inline constexpr int64_t act_rows_max = 512;  // rows that one call of a kernel may take (scratch is sized by it)

// Rows [begin, end) of W against m <= act_rows_max activation rows.
struct MatmulTask {
  const uint8_t* w = nullptr;
  int64_t w_stride = 0;   // bytes between rows
  int64_t k = 0;
  const void* act = nullptr;  // of rows [0, m); chunks lie act_rows rows apart
  int64_t act_rows = 0;
  int64_t m = 0;
  float* y = nullptr;
  int64_t y_stride = 0;            // floats
  const float* bias = nullptr;     // one a row of W
  const float* addend = nullptr;
  int64_t addend_stride = 0;
  int64_t rows = 0;                // of W, for prefetching
  int64_t next = 0;                // the row that this thread will probably begin with next, or `rows`
  void (*decode)(const void* src, float* dst, int64_t n) = nullptr;  // float path over blocks
  int64_t block = 1, block_bytes = 0;
};
using MatmulRows = void (*)(const MatmulTask& task, int64_t begin, int64_t end, void* scratch);

enum class ActKind { f32, bf16, q256, q32 };

// One weight format's kernel.
struct MatmulFormat {
  int gguf_id;
  ActKind act;
  int block_bytes;
  MatmulRows rows;
};

// Bytes that a thread needs for tasks of this k: panels, the float path's widest, and waiting sums.
inline constexpr int64_t matmul_scratch(int64_t k) { return (320 << 10) + ((k + 15) / 16 * 16 + 16) * 32 * 4; }

struct MatmulFns {
  const MatmulFormat* formats;  // fast mode; a format that is not listed takes `decoded`
  int format_count;
  MatmulRows f32, f16, bf16_wide, decoded;  // float path on f32 activations
  // One row of k values into chunks that lie `stride` bytes apart.
  void (*pack_f32)(const float* x, int64_t k, float* out, int64_t row, int64_t rows);
  void (*pack_bf16)(const float* x, int64_t k, uint16_t* out, int64_t row, int64_t rows);
  void (*pack_q256)(const float* x, int64_t k, Act256* out, int64_t rows);
  void (*pack_q32)(const float* x, int64_t k, Act32* out, int64_t rows);
};
TASHIKA_ISA_TABLES(MatmulFns, matmul_fns)

}  // namespace tashika::cpu
