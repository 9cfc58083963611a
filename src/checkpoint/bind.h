// Binding: every parameter of a module gets its tensor from a file, and every tensor of the file
// finds its parameter.
#pragma once

#include <string>

#include "models/binding.h"
#include "nn/module.h"
#include "tensor/runtime.h"
#include "tensor/weights.h"

namespace tashika {

// Fills module's parameters with views of the source's tensors and calls bound(). Errors name the
// parameter that has no tensor, the tensor whose shape differs from what the config promises, or
// the tensors that nobody claims. On a meta runtime shapes are bound without bytes.
void bind(Module& module, const Bindings& bindings, const WeightSource& source, Runtime& rt);

// One parameter's tensor, as bind gives it.
Tensor bind_one(const std::string& param, const Shape& shape, const Bindings& bindings, const WeightSource& source, Runtime& rt);

}  // namespace tashika
