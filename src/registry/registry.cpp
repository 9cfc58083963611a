#include "registry/registry.h"

#include "backend/backend.h"
#include "backend/cpu/cpu.h"
#include "backend/ref/ref.h"
#include "base/error.h"

namespace tashika {

std::unique_ptr<Runtime> make_runtime(const RuntimeOptions& options) {
  std::shared_ptr<const KernelTable> kernels;
  if (options.backend == "cpu") {
    kernels = cpu::cpu_kernels();
  } else if (options.backend == "ref") {
    kernels = ref_kernels();
  } else if (options.backend != "meta") {
    fail_with(ErrorKind::usage, cat("there is no backend \"", options.backend, "\"; known: cpu, ref, meta"));
  }
  return std::make_unique<Runtime>(options.backend, std::move(kernels), options);
}

std::vector<std::string_view> instruction_sets() { return cpu::available_isas(); }

std::string_view active_instruction_set() { return cpu::cpu_kernels()->isa(); }

}  // namespace tashika
