#include "ops/launch.h"

#include "backend/profile.h"
#include "base/log.h"

namespace tashika::ops {
namespace {

std::string shapes_of(std::span<const Tensor> in) {
  std::string out;
  for (const Tensor& t : in) out += cat(out.empty() ? "" : ", ", t.defined() ? t.str() : "none");
  return out;
}

}  // namespace

bool try_launch(const OpId& op, Runtime& rt, std::span<const Tensor> in, std::span<Tensor> out, const void* attrs) {
  const Call call{rt, in, out, attrs};
  if (rt.is_meta()) {
    if (rt.profiler) rt.profiler->planned(op, call);
    return true;
  }
  const Kernel* kernel = rt.kernels().find(op, call);
  if (kernel == nullptr) {
    if (rt.log != nullptr && rt.log->enabled(LogLevel::debug)) {
      // Types, not shapes: lengths differ from call to call, and one line for each kind of call is enough.
      std::string types;
      for (const Tensor& t : in) types += cat(types.empty() ? "" : ", ", t.defined() ? t.dtype()->name : "none");
      rt.log->once(LogLevel::debug, cat("no kernel of backend ", rt.name(), " takes ", op.name, " of ", types, ": computed from simpler ops"));
    }
    return false;
  }
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
  fail_with(ErrorKind::internal, cat("[", op.name, "] backend ", rt.name(), " has no kernel for ", shapes_of(in)));
}

}  // namespace tashika::ops
