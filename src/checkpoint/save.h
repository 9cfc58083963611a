// Saving: a module's parameters become the tensors of a file by the same rules that bound them, read backwards.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "models/binding.h"
#include "nn/module.h"
#include "tensor/weights.h"

namespace tashika {

// Where a parameter stands in a file: the tensor, and the rule that says which part of it.
struct FilePlace {
  std::string name;
  const BindRule* rule = nullptr;  // null: the parameter's own name. Points into the bindings
  PatternMatch match;
};
// As `like` has it, else by the first rule that names it; `like` may be null.
FilePlace place_of(const std::string& param, const Bindings& bindings, const WeightSource* like);

// The tensors a file holds for `module`: for a parameter that `like` has (under its own name or by a rule) the name and
// layout found there, else those of the first rule that names it, else its own. Parts of one tensor (stacked experts, fused
// projections) are put together; a step that added a constant subtracts it. Contiguous, in the order of the parameters, each
// of the dtype of its first part. `like` may be null. Error when parts of a tensor are missing or block-quantised weights
// would have to be rewritten.
std::vector<std::pair<std::string, Tensor>> unbind(Module& module, const Bindings& bindings, const WeightSource* like);

// Files of a checkpoint folder besides config and weights that belong with a model: tokenizer, templates, generation defaults.
std::vector<std::string> companion_files(const std::string& folder);
void copy_companions(const std::string& from_folder, const std::string& to_folder);

}  // namespace tashika
