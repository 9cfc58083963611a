// Dispatch: the one place where ops meet kernels.
#pragma once

#include <initializer_list>
#include <span>
#include <string>

#include "backend/backend.h"
#include "base/error.h"

namespace tashika::ops {

// Runs the first kernel that accepts the call. On a meta runtime nothing runs and the answer is
// true. False when the backend has no such kernel: a fused op then composes.
bool try_launch(const OpId& op, Runtime& rt, std::span<const Tensor> in, std::span<Tensor> out,
                const void* attrs = nullptr);

// The same for primitives, which every backend has: Error(internal) when no kernel accepts.
void launch(const OpId& op, Runtime& rt, std::span<const Tensor> in, std::span<Tensor> out,
            const void* attrs = nullptr);

// Whether the backend has records of its own for a fused op; what they accept is asked call by call. False on meta.
bool has_kernel(const OpId& op, const Runtime& rt);

// Throws Error(internal) "[op] message".
template <typename... Args>
void expect(bool ok, std::string_view op, const Args&... message) {
  if (!ok) fail_with(ErrorKind::internal, cat("[", op, "] ", message...));
}

}  // namespace tashika::ops
