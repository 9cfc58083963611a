// grouped_linear: a weight for each part of a row; every part is packed as a linear's row is and the products of all
// parts are shared out together.
#include <algorithm>

#include "backend/contract/matmul.h"
#include "backend/cpu/isa/elementwise.h"
#include "backend/cpu/matmul_jobs.h"

namespace tashika::cpu {

extern const KernelFile grouped_linear;

namespace {

bool accepts(const Call& call) {
  const Tensor &x = call.in[0], &weight = call.in[1];
  if (x.dtype() != f32 || x.rank() != 3 || (x.strides()[2] != 1 && x.size(2) != 1)) return false;
  return weight.rank() == 3 && weight.size(0) > 0 && takes_weight(weight.select(0, 0));
}

void run(const Call& call) {
  const MatmulFns& fns = matmul_fns(isa_of(call));
  const Tensor &x = call.in[0], &weight = call.in[1];
  const std::int64_t m = x.size(0), groups = x.size(1), k = x.size(2), n = weight.size(1);
  if (m == 0) return;
  const WeightKernel kernel = weight_kernel(fns, weight.dtype(), exact(call));
  const std::int64_t block = std::min(m, act_rows_max);
  const auto aligned = [](std::int64_t bytes) { return (bytes + 63) / 64 * 64; };
  const std::int64_t part = aligned(act_bytes(kernel.act, block, k));
  const std::int64_t jobs_bytes = aligned(groups * static_cast<std::int64_t>(sizeof(MatmulJob)));
  const Scratch scratch = Scratch::shared(call.rt, jobs_bytes + groups * part);
  auto* jobs_room = scratch.get<MatmulJob>();
  auto* acts = scratch.get<std::byte>() + jobs_bytes;
  for (std::int64_t first = 0; first < m; first += block) {
    const std::int64_t rows = std::min(block, m - first);
    for_items(call, rows * groups, k * 2, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t g = i / rows, row = i % rows;
        const float* from = x.as<float>() + (first + row) * x.strides()[0] + g * x.strides()[1];
        pack_row(fns, kernel.act, from, k, acts + g * part, row, rows);
      }
    });
    MatmulJobs jobs(call, jobs_room);
    for (std::int64_t g = 0; g < groups; ++g) {
      jobs.add(weight.select(0, g), kernel, acts + g * part, rows, rows,
               call.out[0].as<float>() + (first * groups + g) * n, groups * n);
    }
    jobs.run();
  }
}

constexpr Kernel kernels[] = {{&grouped_linear_op, accepts, run}};

}  // namespace

const KernelFile grouped_linear{kernels};

}  // namespace tashika::cpu
