// The WKV recurrences (weighted keys and values, by generation), step by step over the tokens of every sequence of a batch.
//
// A state is read as it was before a sequence's first row and written as it is after its last; a step rounds
// the state to f32, so that rows taken one by one, in chunks or at once give the same bits.
#pragma once

#include <cstdint>
#include <span>

#include "backend/backend.h"

namespace tashika {

// Rows [row, row + rows) of a batch are one sequence's, in order. Every row belongs to one segment; none is empty.
struct RecurrenceSegment {
  std::int64_t row = 0;
  std::int64_t rows = 0;
};

struct WkvAttrs {
  std::span<const RecurrenceSegment> segments;
};

// The fourth generation (Peng et al. 2023, app. D), by channel; the state's rows are numerator a, denominator b and exponent p:
//   top = max(p, bonus + k);  y = (e^(p - top) a + e^(bonus + k - top) v) / (e^(p - top) b + e^(bonus + k - top))
//   top = max(p + decay, k);  a = e^(p + decay - top) a + e^(k - top) v;  b likewise with 1 for v;  p = top
// in: k, v f32 [t, c], decay f32 [c] (below 0), bonus f32 [c], then a state f32 [3, c] for each segment.
// out: y f32 [t, c], then the new state of each segment.
inline constexpr OpId wkv4_op{"wkv4"};

// The fifth and sixth (Peng et al. 2024, eq. 18), by head, with S [key, value]:
//   y = (S + (bonus ∘ k) vᵀ)ᵀ r;  S = diag(w) S + k vᵀ
// in: r, k, v, w f32 [t, heads, n] (rows may be strided, w's by 0), bonus f32 [heads, n], then a state f32 [heads, n, n]
// for each segment. out: y f32 [t, heads, n], then the new states.
inline constexpr OpId wkv6_op{"wkv6"};

// The seventh (Peng et al. 2025, eq. 16), by head, with S [key, value]:
//   S = diag(w) S + b (aᵀ S) + k vᵀ;  y = Sᵀ r
// in: r, w, k, v, a, b f32 [t, heads, n], then a state f32 [heads, n, n] for each segment.
// out: y f32 [t, heads, n], then the new states.
inline constexpr OpId wkv7_op{"wkv7"};

}  // namespace tashika
