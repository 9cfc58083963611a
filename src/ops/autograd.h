// Reverse-mode differentiation over the recorded nodes.
#pragma once

#include <functional>
#include <initializer_list>
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

// Adds d(output)/d(leaf) · grad to the `grad` of every leaf under `output`. `grad` undefined: ones.
void backward(const Tensor& output, Tensor grad = {});

}  // namespace tashika::ops
