#include "ops/launch.h"

#include "backend/profile.h"

namespace tashika::ops {

bool try_launch(const OpId& op, Runtime& rt, std::span<const Tensor> in, std::span<Tensor> out, const void* attrs) {
  const Call call{rt, in, out, attrs};
  if (rt.is_meta()) {
    if (rt.profiler) rt.profiler->planned(op, call);
    return true;
  }
  const Kernel* kernel = rt.kernels().find(op, call);
  if (kernel == nullptr) return false;
  if (rt.profiler) {
    rt.profiler->run(*kernel, call);
  } else {
    kernel->run(call);
  }
  return true;
}

bool has_kernel(const OpId& op, const Runtime& rt) { return !rt.is_meta() && rt.kernels().has(op); }

void launch(const OpId& op, Runtime& rt, std::span<const Tensor> in, std::span<Tensor> out, const void* attrs) {
  if (try_launch(op, rt, in, out, attrs)) return;
  std::string shapes;
  for (const Tensor& t : in) shapes += cat(shapes.empty() ? "" : ", ", t.str());
  fail_with(ErrorKind::internal, cat("[", op.name, "] backend ", rt.name(), " has no kernel for ", shapes));
}

}  // namespace tashika::ops
