// The autograd tape: nodes hang on tensors, so it costs nothing where no input wants a gradient.
//
// A leaf is a tensor marked with require_grad(); ops that have such an ancestor record one node
// with a backward function. ops/autograd.h walks the nodes. Gradients accumulate in f32 (or f64).
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace tashika {

struct GradNode {
  std::string_view op;  // for messages
  std::vector<std::shared_ptr<GradNode>> inputs;  // null where the input wants none
  // The gradients of the inputs, in order, from that of the output; entries of null inputs are ignored.
  std::function<std::vector<Tensor>(const Tensor& grad)> backward;  // empty: a leaf
  Tensor grad;             // accumulated at leaves
  bool owns_grad = false;  // nothing else shares grad's memory, so more may be added in place
};

// A leaf's gradient begins anew.
inline void clear_grad(const Tensor& leaf) {
  leaf.grad_node()->grad = Tensor();
  leaf.grad_node()->owns_grad = false;
}

// Marks a leaf.
inline void require_grad(Tensor& t) {
  auto node = std::make_shared<GradNode>();
  node->op = "leaf";
  t.set_grad_node(std::move(node));
}

}  // namespace tashika
