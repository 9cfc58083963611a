// The default Runtime: the only place that knows the concrete backends.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tensor/runtime.h"

namespace tashika {

// `options.backend` is "cpu", "ref" or "meta" (shapes only). Obeys TASHIKA_ISA. Error(usage) for an unknown name.
std::unique_ptr<Runtime> make_runtime(const RuntimeOptions& options);

// Instruction sets of this machine that the CPU backend has kernels for, lowest first.
std::vector<std::string_view> instruction_sets();
// The one in use: the best, or what TASHIKA_ISA names.
std::string_view active_instruction_set();

}  // namespace tashika
