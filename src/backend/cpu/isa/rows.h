// Loops over one contiguous row of f32: sums, maxima, norms, softmax.
//
// Element i of a row goes to virtual lane i mod 64 (four registers of sixteen lanes); lanes fold by
// +32, +16, then as sum() of vec.h does. The order depends on nothing but the row's length.
#pragma once

#include <stdint.h>

#include "backend/cpu/isa.h"

namespace tashika::cpu {

struct RowFns {
  // Carried over pieces of a row; pieces but the last are multiples of 64 long.
  void (*sum_step)(float* lanes64, const float* x, int64_t n);
  float (*sum_finish)(const float* lanes64);
  void (*max_step)(float* lanes16, const float* x, int64_t n);
  float (*max_finish)(const float* lanes16);

  // weight and bias may be null.
  void (*rms_norm)(const float* x, const float* weight, float eps, float* y, int64_t n);
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, float* y, int64_t n);
  void (*softmax)(const float* x, float* y, int64_t n);

  void (*add)(const float* x, float* y, int64_t n);  // y += x
  void (*multiply_add)(const float* a, const float* b, float* y, int64_t n);  // y += a·b, one rounding

  // GroupNorm with channels innermost: for `rows` positions, `step` floats apart, of n channels.
  // Sums each channel over the rows in order into sum[n].
  void (*column_sum)(const float* x, int64_t step, int64_t rows, float* sum, int64_t n);
  // ... and (x - centre[channel])² into sum[n].
  void (*column_squares)(const float* x, int64_t step, int64_t rows, const float* centre, float* sum, int64_t n);
  // y = x * scale[channel] + shift[channel], one rounding.
  void (*column_affine)(const float* x, int64_t step, int64_t rows, const float* scale, const float* shift, float* y, int64_t n);
  // With positions innermost: Σ (x - centre)² of a row, and y = x * scale + shift, one rounding.
  float (*squares)(const float* x, float centre, int64_t n);
  void (*scale_shift)(const float* x, float scale, float shift, float* y, int64_t n);
};
TASHIKA_ISA_TABLES(RowFns, row_fns)

}  // namespace tashika::cpu
