// A row of plain values, already f32 or bf16, into the float path's activations (float_layout.h): for callers that
// gather rows themselves, as convolution does.
#pragma once

#include <stdint.h>

#include "backend/cpu/isa.h"

namespace tashika::cpu {

struct PlaceFns {
  // `words` 32-bit words (one f32 or two bf16 each), a multiple of 16, zero where k has ended.
  void (*row)(const int32_t* from, int64_t words, void* packed, int64_t row, int64_t rows);
};
TASHIKA_ISA_TABLES(PlaceFns, place_fns)

}  // namespace tashika::cpu
