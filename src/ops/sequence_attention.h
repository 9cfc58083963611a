// Attention of whole sequences among their own rows: training and encoders.
#pragma once

#include "backend/contract/training.h"
#include "tensor/tensor.h"

namespace tashika::ops {

// q [t, heads_q, k_dim], k [t, heads, k_dim], v [t, heads, v_dim] to [t, heads_q, v_dim]; the sequences lie one behind the other
// and cover all rows. Has gradients, with a backward that keeps no matrix of scores. Its meaning is dense_attention of each.
Tensor sequence_attention(const Tensor& q, const Tensor& k, const Tensor& v, const SequenceAttentionAttrs& attrs);

}  // namespace tashika::ops
