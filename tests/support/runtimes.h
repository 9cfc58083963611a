// Runtimes for tests: each backend, any number of threads.
#pragma once

#include <memory>
#include <string>

#include "backend/cpu/cpu.h"
#include "backend/ref/ref.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "tensor/runtime.h"

namespace tashika::test {

inline std::unique_ptr<Runtime> runtime(const std::string& backend, int threads = 1, ComputeMode compute = ComputeMode::fast) {
  RuntimeOptions options;
  options.backend = backend;
  options.threads = threads;
  options.compute = compute;
  std::shared_ptr<const KernelTable> kernels;
  if (backend == "ref") kernels = ref_kernels();
  else if (backend == "cpu") kernels = cpu::cpu_kernels();
  else check(backend == "meta", "unknown backend in a test");
  return std::make_unique<Runtime>(backend, kernels, options);
}

}  // namespace tashika::test
