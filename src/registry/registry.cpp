#include "registry/registry.h"

#include <algorithm>

#include "backend/backend.h"
#include "backend/cpu/cpu.h"
#include "backend/profile.h"
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

std::string_view instruction_set(const Runtime& rt) { return rt.is_meta() ? std::string_view() : rt.kernels().isa(); }

Profiling::Profiling(Runtime& rt) : rt_(rt), profiler_(std::make_unique<Profiler>()) { rt_.profiler = profiler_.get(); }

Profiling::~Profiling() { rt_.profiler = nullptr; }

std::vector<KernelTime> Profiling::rows() const {
  std::vector<KernelTime> out;
  for (const ProfileRow& r : profiler_->rows()) out.push_back({r.name, r.calls, r.seconds, r.bytes, r.flops});
  std::ranges::stable_sort(out, [](const KernelTime& a, const KernelTime& b) { return a.seconds > b.seconds; });
  return out;
}

}  // namespace tashika
