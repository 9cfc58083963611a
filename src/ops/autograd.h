// Reverse-mode differentiation over the recorded nodes.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/tape.h"

namespace tashika::ops {

using Backward = std::function<std::vector<Tensor>(const Tensor& grad)>;

bool wants_grad(std::initializer_list<const Tensor*> inputs);

// Records `out = op(inputs)` when an input wants a gradient; `make` is called only then.
template <typename Make>
void record(Tensor& out, std::string_view op, std::initializer_list<const Tensor*> inputs, const Make& make) {
  if (!wants_grad(inputs)) return;
  auto node = std::make_shared<GradNode>();
  node->op = op;
  for (const Tensor* t : inputs) node->inputs.push_back(t->grad_node());
  node->backward = make();
  out.set_grad_node(std::move(node));
}

// Adds Σ d(output)/d(leaf) · grad to the `grad` of every leaf under the outputs, in one walk. What was recorded is given
// back as the walk passes: a second backward over it is an error.
void backward(std::span<const Tensor> outputs, std::span<const Tensor> grads);
// Of one output. `grad` undefined: ones.
void backward(const Tensor& output, Tensor grad = {});

// f(x) that keeps nothing but x: what f records is dropped, and f runs again when gradients are wanted.
Tensor recomputed(const Tensor& x, const std::function<Tensor(const Tensor&)>& f);

}  // namespace tashika::ops
