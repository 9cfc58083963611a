// What a checkpoint's weights are: how many, how large, of which types.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace tashika {

std::int64_t count_parameters(Module& module);  // of the tensors that are bound

struct TypeShare {
  std::string name;  // "q4_k"
  std::int64_t tensors = 0;
  std::int64_t params = 0;
  std::int64_t bytes = 0;
};
// Types of the weights, most bytes first; empty without weights.
std::vector<TypeShare> type_shares(const Checkpoint& checkpoint);
std::string main_type(const Checkpoint& checkpoint);  // of most bytes; empty without weights
std::int64_t weight_bytes(const Checkpoint& checkpoint);

}  // namespace tashika
