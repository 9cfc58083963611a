#include "ops/autograd.h"

#include <unordered_map>
#include <unordered_set>

#include "ops/elementwise.h"
#include "ops/launch.h"

namespace tashika::ops {
namespace {

// Children before parents reversed: every node after all nodes that use it. Iterative: graphs are deep.
std::vector<GradNode*> topological_order(GradNode* root) {
  std::vector<GradNode*> order;
  std::unordered_set<GradNode*> seen{root};
  std::vector<std::pair<GradNode*, std::size_t>> stack{{root, 0}};
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    if (next == node->inputs.size()) {
      order.push_back(node);
      stack.pop_back();
      continue;
    }
    GradNode* input = node->inputs[next++].get();
    if (input != nullptr && seen.insert(input).second) stack.emplace_back(input, 0);
  }
  return {order.rbegin(), order.rend()};
}

}  // namespace

bool wants_grad(std::initializer_list<const Tensor*> inputs) {
  for (const Tensor* t : inputs) {
    if (t->requires_grad()) return true;
  }
  return false;
}

void backward(const Tensor& output, Tensor grad) {
  expect(output.requires_grad(), "backward", "nothing was recorded for this tensor");
  if (!grad.defined()) grad = cast(Tensor::full(output.runtime(), output.shape(), 1.0f), output.dtype());
  std::unordered_map<GradNode*, Tensor> pending;
  pending[output.grad_node().get()] = grad;
  for (GradNode* node : topological_order(output.grad_node().get())) {
    const auto it = pending.find(node);
    if (it == pending.end()) continue;
    const Tensor here = it->second;
    pending.erase(it);
    if (!node->backward) {
      node->grad = node->grad.defined() ? add(node->grad, here) : here;
      continue;
    }
    const std::vector<Tensor> grads = node->backward(here);
    for (std::size_t i = 0; i < node->inputs.size(); ++i) {
      GradNode* input = node->inputs[i].get();
      if (input == nullptr || !grads[i].defined()) continue;
      Tensor& slot = pending[input];
      slot = slot.defined() ? add(slot, grads[i]) : grads[i];
    }
  }
}

}  // namespace tashika::ops
