// The default Runtime: the only place that knows the concrete backends.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
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
// Of a runtime's kernels; empty for the reference.
std::string_view instruction_set(const Runtime& rt);

// Where a runtime's time goes, by kernel, while this lives.
struct KernelTime {
  std::string name;
  std::int64_t calls = 0;
  double seconds = 0;
  std::int64_t bytes = 0;  // read and written, as stored
  double flops = 0;        // of matrix products
};
class Profiling {
 public:
  explicit Profiling(Runtime& rt);
  ~Profiling();
  Profiling(const Profiling&) = delete;
  Profiling& operator=(const Profiling&) = delete;
  std::vector<KernelTime> rows() const;  // most time first

 private:
  Runtime& rt_;
  std::unique_ptr<Profiler> profiler_;
};

}  // namespace tashika
