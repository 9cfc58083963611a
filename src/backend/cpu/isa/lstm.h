// One head of an LSTM cell with exponential gates over a run of tokens. Lanes are value channels, and sums over key channels are chains in
// ascending order (the normaliser's: 16 of them, and a fixed tree), so that nothing depends on the instruction set.
#pragma once

#include <stdint.h>

#include "backend/cpu/isa.h"

namespace tashika::cpu {

// Rows of one head: token t's values begin at p + t·step.
struct LstmRows {
  const float* p;
  int64_t step;
};

struct LstmFns {
  // The gates and the normaliser: for each token (keep, take, scale / norm) in `factors`; n [nk] and m move from `before`
  // to `state`, which may be the same memory.
  void (*mlstm_norm)(LstmRows q, LstmRows k, LstmRows i, LstmRows f, float scale, float eps, const float* before, float* state,
                     float* factors, int64_t tokens, int64_t nk);
  // Value channels [0, count) of C [nk, count], whose rows lie `nv` apart, from `before` to `state`; h rows `h_step` apart.
  void (*mlstm)(LstmRows q, LstmRows k, LstmRows v, const float* factors, const float* before, float* state, int64_t nv, float* h,
                int64_t h_step, int64_t tokens, int64_t nk, int64_t count);
  // x's rows are [4, d], R [d, 4, d], before and state [4, d]; gates [4·d] is scratch.
  void (*slstm)(LstmRows x, const float* r, const float* before, float* state, float* gates, float* y, int64_t y_step, int64_t tokens,
                int64_t d);
};

TASHIKA_ISA_TABLES(LstmFns, lstm_fns)

}  // namespace tashika::cpu
