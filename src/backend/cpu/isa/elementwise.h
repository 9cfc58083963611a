// Elementwise loops over contiguous f32, and conversions between f32 and the 16-bit floats.
#pragma once

#include <stdint.h>

#include "backend/contract/functions.h"
#include "backend/cpu/isa.h"

namespace tashika::cpu {

using UnaryLoop = void (*)(const float* x, float* y, int64_t n);
// A step of 0 repeats the operand's first element, 1 walks it.
using BinaryLoop = void (*)(const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t n);
using GatedLoop = void (*)(const float* gate, const float* up, float* y, int64_t n);

struct ElementwiseFns {
  UnaryLoop unary[unary_count];
  BinaryLoop binary[binary_count];
  GatedLoop gated[unary_count];  // act(gate) * up
  void (*affine)(const float* x, float scale, float offset, float* y, int64_t n);
  void (*from_f16)(const void* x, float* y, int64_t n);
  void (*from_bf16)(const void* x, float* y, int64_t n);
  void (*to_f16)(const float* x, void* y, int64_t n);
  void (*to_bf16)(const float* x, void* y, int64_t n);
};
TASHIKA_ISA_TABLES(ElementwiseFns, elementwise_fns)

}  // namespace tashika::cpu
