// The WKV recurrences of the fourth to the seventh generation (formulas: backend/contract/wkv.h). All have gradients by composition.
#pragma once

#include <span>
#include <vector>

#include "backend/contract/wkv.h"
#include "tensor/tensor.h"

namespace tashika::ops {

struct Recurrence {
  Tensor y;                    // one row a token
  std::vector<Tensor> states;  // after each segment's last row
};

// k, v [t, c]; decay, bonus [c]; a state [3, c] a segment.
Recurrence wkv4(const Tensor& k, const Tensor& v, const Tensor& decay, const Tensor& bonus, std::span<const Tensor> states,
                std::span<const RecurrenceSegment> segments);

// r, k, v [t, heads, n]; w the same or [1, heads, n]; bonus [heads, n]; a state [heads, n, n] a segment.
Recurrence wkv6(const Tensor& r, const Tensor& k, const Tensor& v, const Tensor& w, const Tensor& bonus,
                std::span<const Tensor> states, std::span<const RecurrenceSegment> segments);

// r, w, k, v, a, b [t, heads, n]; a state [heads, n, n] a segment.
Recurrence wkv7(const Tensor& r, const Tensor& w, const Tensor& k, const Tensor& v, const Tensor& a, const Tensor& b,
                std::span<const Tensor> states, std::span<const RecurrenceSegment> segments);

}  // namespace tashika::ops
