#include "ops/autograd.h"

#include <unordered_map>
#include <unordered_set>

#include "ops/elementwise.h"
#include "ops/launch.h"
#include "ops/training.h"

namespace tashika::ops {
namespace {

using Node = std::shared_ptr<GradNode>;

// Every node before all nodes that it was made from. Iterative: graphs are deep.
std::vector<Node> topological_order(std::span<const Tensor> outputs) {
  std::vector<Node> order;
  std::unordered_set<GradNode*> seen;
  for (const Tensor& output : outputs) {
    if (!seen.insert(output.grad_node().get()).second) continue;
    std::vector<std::pair<Node, std::size_t>> stack{{output.grad_node(), 0}};
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next == node->inputs.size()) {
        order.push_back(node);
        stack.pop_back();
        continue;
      }
      const Node& input = node->inputs[next++];
      if (input != nullptr && seen.insert(input.get()).second) stack.emplace_back(input, 0);
    }
  }
  return {order.rbegin(), order.rend()};
}

void add_to_leaf(GradNode& leaf, const Tensor& grad) {
  if (!leaf.grad.defined()) {
    leaf.grad = grad;
    leaf.owns_grad = false;
  } else if (!leaf.owns_grad || leaf.grad.dtype() != f32 || !leaf.grad.is_contiguous()) {
    leaf.grad = add(leaf.grad, grad);
    leaf.owns_grad = true;
  } else {
    accumulate(leaf.grad, grad);
  }
}

std::vector<Tensor> spent(const Tensor&) { fail_with(ErrorKind::internal, "[backward] this was walked before and its record given back"); }

}  // namespace

bool wants_grad(std::initializer_list<const Tensor*> inputs) {
  for (const Tensor* t : inputs) {
    if (t->requires_grad()) return true;
  }
  return false;
}

void backward(std::span<const Tensor> outputs, std::span<const Tensor> grads) {
  std::unordered_map<GradNode*, Tensor> pending;
  const auto give = [&](GradNode* node, const Tensor& grad) {
    Tensor& slot = pending[node];
    slot = slot.defined() ? add(slot, grad) : grad;
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    expect(outputs[i].requires_grad(), "backward", "nothing was recorded for this tensor");
    give(outputs[i].grad_node().get(), grads[i]);
  }
  std::vector<Node> order = topological_order(outputs);
  for (Node& node : order) {
    const auto it = pending.find(node.get());
    if (it != pending.end()) {
      const Tensor here = it->second;
      pending.erase(it);
      if (!node->backward) {
        add_to_leaf(*node, here);
        continue;
      }
      const std::vector<Tensor> parts = node->backward(here);
      for (std::size_t i = 0; i < node->inputs.size(); ++i) {
        if (node->inputs[i] != nullptr && parts[i].defined()) give(node->inputs[i].get(), parts[i]);
      }
    }
    if (node->backward) {
      node->backward = spent;
      node->inputs.clear();
    }
    node.reset();
  }
}

void backward(const Tensor& output, Tensor grad) {
  if (!grad.defined()) grad = cast(Tensor::full(output.runtime(), output.shape(), 1.0f), output.dtype());
  backward({&output, 1}, {&grad, 1});
}

Tensor recomputed(const Tensor& x, const std::function<Tensor(const Tensor&)>& f) {
  const Tensor first = f(x.detach());
  Tensor out = first.detach();
  if (!first.requires_grad() && !x.requires_grad()) return out;
  auto node = std::make_shared<GradNode>();
  node->op = "recomputed";
  node->inputs = {x.grad_node()};
  node->backward = [x = x.detach(), f](const Tensor& grad) {
    Tensor in = x;
    require_grad(in);
    const Tensor again = f(in);
    if (again.requires_grad()) backward(again, grad);
    return std::vector{in.grad_node()->grad};
  };
  out.set_grad_node(std::move(node));
  return out;
}

}  // namespace tashika::ops
