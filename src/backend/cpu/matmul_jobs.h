// Matrix products of one call: several weights against packed activation rows, shared out to the threads in units of
// whole weight rows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/backend.h"
#include "backend/cpu/isa/matmul.h"
#include "backend/cpu/table.h"

namespace tashika::cpu {

struct WeightKernel {
  ActKind act;
  MatmulRows rows;
};

// Rank 2, each row contiguous (block types always are), a type that can be decoded.
bool takes_weight(const Tensor& weight);
WeightKernel weight_kernel(const MatmulFns& fns, DType dtype, bool exact);

std::int64_t act_bytes(ActKind kind, std::int64_t m, std::int64_t k);
// Row `row` of `rows` into packed activations.
void pack_row(const MatmulFns& fns, ActKind kind, const float* x, std::int64_t k, std::byte* packed, std::int64_t row,
              std::int64_t rows);

struct MatmulJob {
  MatmulTask task;
  MatmulRows rows;
  std::int64_t first_unit;
};

// A list of jobs in memory of the caller (`room` of them).
class MatmulJobs {
 public:
  MatmulJobs(const Call& call, MatmulJob* jobs) : call_(call), jobs_(jobs) {}

  // y [m, n] = act W^T; the task's bias, addend and strides may be set afterwards.
  MatmulTask& add(const Tensor& weight, const WeightKernel& kernel, const void* act, std::int64_t act_rows, std::int64_t m,
                  float* y, std::int64_t y_stride);
  // Runs all jobs; results do not depend on how their rows are shared out.
  void run();

 private:
  const Call& call_;
  MatmulJob* jobs_;
  std::int64_t count_ = 0;
};

}  // namespace tashika::cpu
