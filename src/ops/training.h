// The loss over a vocabulary, sums of squares, and updates in place. None of these is recorded: the gradient of the loss is
// computed beside it, and updates come after the backward pass.
#pragma once

#include "backend/contract/training.h"
#include "tensor/tensor.h"

namespace tashika::ops {

struct CrossEntropy {
  Tensor losses;     // [r]
  Tensor gradients;  // [r, v], of Σ losses · scale
};
// logits [r, v], targets i32 [r]; a target below 0 counts for nothing. Error(input) when one is out of range.
CrossEntropy cross_entropy(const Tensor& logits, const Tensor& targets, double scale);

// Σ x², summed in double over blocks of a fixed size.
double sum_squares(const Tensor& x);

// total += x; total's memory changes, and so does every tensor that shares it.
void accumulate(Tensor& total, const Tensor& x);

// One step for one parameter: contract/training.h.
void adamw(Tensor& parameter, Tensor& m, Tensor& v, const Tensor& gradient, const AdamWAttrs& attrs);

}  // namespace tashika::ops
