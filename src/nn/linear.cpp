#include "nn/linear.h"

#include "ops/elementwise.h"
#include "ops/layout.h"

namespace tashika {
namespace {

Tensor adapted(const Linear& map, const Tensor& x, const Tensor& addend) {
  if (!map.adapter) return addend;
  const Tensor low = ops::linear(x, map.adapter->a);
  const Tensor delta = ops::scale(ops::linear(low, map.adapter->b), map.adapter->scale);
  return addend.defined() ? ops::add(delta, addend) : delta;
}

}  // namespace

void Linear::parts(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

Tensor Linear::operator()(const Tensor& x, const Tensor& addend) const {
  return ops::linear(x, weight, bias, adapted(*this, x, addend));
}

std::vector<Tensor> apply_together(const Tensor& x, std::span<const Linear* const> maps) {
  std::vector<ops::LinearArgs> args;
  args.reserve(maps.size());
  for (const Linear* map : maps) args.push_back({map->weight, map->bias, adapted(*map, x, {})});
  return ops::linears(x, args);
}

Tensor Embedding::operator()(const Tensor& ids) const { return ops::gather_rows(weight, ids); }

}  // namespace tashika
