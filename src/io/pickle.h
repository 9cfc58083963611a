// What a PyTorch checkpoint's pickle says, and nothing else: a list of named tensors.
//
// A pickle is a program. This reads the few instructions that torch.save writes for dictionaries of tensors, with a list
// of the names that may be looked up (OrderedDict, the functions that put a tensor together, the kinds of storage), and
// runs none of them. Any other instruction or name is an error that says what it is and where.
//
// Sources: CPython's Lib/pickletools.py (the instructions); PyTorch's torch/_utils.py and torch/serialization.py
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace tashika {

struct PickledTensor {
  std::string name;
  DType dtype;
  Shape shape;
  std::string storage;         // key of the storage
  std::uint64_t offset = 0;    // of the first element in it, in elements
  std::uint64_t elements = 0;  // of the whole storage
};

// The tensors of the dictionary on top, in its order; of one called "state_dict", "model" or "module" in it when that is
// where they are. Only contiguous ones: others are errors.
std::vector<PickledTensor> read_pickled_tensors(std::span<const std::byte> bytes, const std::string& what);

}  // namespace tashika
