// LSTM cells with exponential gates (formulas: backend/contract/lstm.h).
#pragma once

#include <span>

#include "backend/contract/lstm.h"
#include "ops/wkv.h"
#include "tensor/tensor.h"

namespace tashika::ops {

// q, k [t, heads, qk]; v [t, heads, dv]; i, f [t, heads]; a state [heads, qk · dv + qk + 1] a segment. Steps token by token;
// when a gradient is wanted, the chunkwise form below.
Recurrence mlstm(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& i, const Tensor& f, std::span<const Tensor> states,
                 const MlstmAttrs& attrs);

// The same in the parallel form within chunks of `chunk` tokens and step by step between them (Beck et al. 2025, app. A);
// one chunk for all of a sequence is the parallel form. Equal to the recurrent one within f32 rounding. Has a gradient;
// the stabiliser counts as constant in it, for it cancels (but for eps).
Recurrence mlstm_chunkwise(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& i, const Tensor& f,
                           std::span<const Tensor> states, const MlstmAttrs& attrs, std::int64_t chunk);

// x [t, heads, 4, d] (i, f, z, o); r [heads, d, 4, d]; a state [heads, 4, d] a segment. Has a gradient by composition.
Recurrence slstm(const Tensor& x, const Tensor& r, std::span<const Tensor> states, const SlstmAttrs& attrs);

}  // namespace tashika::ops
