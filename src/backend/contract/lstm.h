// LSTM cells with exponential gates (Beck et al. 2024), step by step over the tokens of every sequence of a batch.
//
// A state is read as it was before a sequence's first row and written as it is after its last; a step rounds
// the state to f32, so that rows taken one by one, in chunks or at once give the same bits.
#pragma once

#include <span>

#include "backend/contract/wkv.h"

namespace tashika {

struct MlstmAttrs {
  std::span<const RecurrenceSegment> segments;
  float scale;  // of the queries: 1/√qk
  float eps;    // added to the normaliser
};

// The matrix cell (eq. 19 to 27, stabilised as in app. A.2), by head, with C [qk, dv], n [qk] and m a number:
//   m' = max(log σ(f) + m, i);  F = exp(log σ(f) + m - m');  I = exp(i - m')
//   C = F C + I k vᵀ;  n = F n + I k;  h = scale Cᵀ q / (max(|scale nᵀ q|, exp(-m')) + eps)
// in: q, k f32 [t, heads, qk], v f32 [t, heads, dv] (rows may be strided), i, f f32 [t, heads] (before any
// activation), then for each segment a state f32 [heads, qk · dv + qk + 1], a head's C, n and m one after the other.
// out: h f32 [t, heads, dv], then the new states.
inline constexpr OpId mlstm_op{"mlstm"};

struct SlstmAttrs {
  std::span<const RecurrenceSegment> segments;
};

// The scalar cell (eq. 8 to 15, stabilised by eq. 15 to 17), by head; y before a step reaches its gates through R:
//   (i, f, z, o) = x + R y;  m' = max(log σ(f) + m, i), or i while n is 0;  F = exp(log σ(f) + m - m');  I = exp(i - m')
//   c = F c + I tanh(z);  n = F n + I;  y = σ(o) c / n
// in: x f32 [t, heads, 4, d] (i, f, z, o; biases added), R f32 [heads, d, 4, d] ([from, gate, to]), then for each segment
// a state f32 [heads, 4, d]: y, c, n, m. out: y f32 [t, heads, d], then the new states.
inline constexpr OpId slstm_op{"slstm"};

}  // namespace tashika
