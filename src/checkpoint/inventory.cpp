#include "checkpoint/inventory.h"

#include <algorithm>

#include "nn/module.h"

namespace tashika {

std::int64_t count_parameters(Module& module) {
  std::int64_t count = 0;
  for_each_param(module, [&](const std::string&, Param& p) { count += p.value.defined() ? p.value.numel() : 0; });
  return count;
}

std::vector<TypeShare> type_shares(const Checkpoint& checkpoint) {
  std::vector<TypeShare> out;
  if (!checkpoint.weights) return out;
  for (const WeightInfo& info : checkpoint.weights->list()) {
    auto it = std::ranges::find(out, info.dtype->name, &TypeShare::name);
    if (it == out.end()) it = out.insert(out.end(), TypeShare{std::string(info.dtype->name)});
    ++it->tensors;
    it->params += info.shape.numel();
    it->bytes += info.shape.numel() / info.dtype->block * info.dtype->bytes;
  }
  std::ranges::stable_sort(out, [](const TypeShare& a, const TypeShare& b) { return a.bytes > b.bytes; });
  return out;
}

std::string main_type(const Checkpoint& checkpoint) {
  const std::vector<TypeShare> shares = type_shares(checkpoint);
  return shares.empty() ? std::string() : shares[0].name;
}

std::int64_t weight_bytes(const Checkpoint& checkpoint) {
  std::int64_t bytes = 0;
  for (const TypeShare& share : type_shares(checkpoint)) bytes += share.bytes;
  return bytes;
}

}  // namespace tashika
