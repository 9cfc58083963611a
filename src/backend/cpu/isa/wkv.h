// One head (or a run of channels) of a WKV recurrence over a run of tokens. Lanes are value channels, and the sum over
// key channels is one chain in ascending order, so that nothing depends on the instruction set.
#pragma once

#include <stdint.h>

#include "backend/cpu/isa.h"

namespace tashika::cpu {

// Rows of one head: token t's n values begin at p + t·step.
struct WkvRows {
  const float* p;
  int64_t step;
};

struct WkvFns {
  // Channels [0, n) of k, v and y; state[i·state_step] are numerators, denominators, exponents (i = 0, 1, 2).
  void (*wkv4)(WkvRows k, WkvRows v, const float* decay, const float* bonus, const float* before, float* state, int64_t state_step,
               float* y, int64_t y_step, int64_t tokens, int64_t n);
  // before and state [n, n]; they may be the same memory.
  void (*wkv6)(WkvRows r, WkvRows k, WkvRows v, WkvRows w, const float* bonus, const float* before, float* state, float* y,
               int64_t y_step, int64_t tokens, int64_t n);
  void (*wkv7)(WkvRows r, WkvRows w, WkvRows k, WkvRows v, WkvRows a, WkvRows b, const float* before, float* state, float* y,
               int64_t y_step, int64_t tokens, int64_t n);
};

TASHIKA_ISA_TABLES(WkvFns, wkv_fns)

}  // namespace tashika::cpu
