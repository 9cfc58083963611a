// linear: several weights against one x, whose rows are quantised or rounded once for all of them.
#include <algorithm>

#include "backend/contract/matmul.h"
#include "backend/cpu/isa/elementwise.h"
#include "backend/cpu/matmul_jobs.h"

namespace tashika::cpu {

extern const KernelFile linear;

namespace {

bool accepts(const Call& call) {
  const Tensor& x = call.in[0];
  if (x.dtype() != f32 || x.rank() != 2 || (x.strides()[1] != 1 && x.size(1) != 1)) return false;
  for (std::size_t w = 0; w < call.out.size(); ++w) {
    const Tensor &weight = call.in[1 + 3 * w], &bias = call.in[2 + 3 * w], &addend = call.in[3 + 3 * w];
    if (!takes_weight(weight) || call.out[w].dtype() != f32) return false;
    if (bias.defined() && (bias.dtype()->decode == nullptr || !bias.is_contiguous())) return false;
    if (addend.defined() && (addend.dtype() != f32 || !addend.is_contiguous())) return false;
  }
  return true;
}


void run(const Call& call) {
  const MatmulFns& fns = matmul_fns(isa_of(call));
  const Tensor& x = call.in[0];
  const std::int64_t m = x.size(0), k = x.size(1), stride = x.strides()[0];
  const auto weights = static_cast<std::int64_t>(call.out.size());
  if (m == 0) return;
  const std::int64_t block = std::min(m, act_rows_max);
  // One piece of scratch: jobs, biases that are not f32, activations.
  std::int64_t bytes = 0;
  const auto reserve = [&](std::int64_t n) {
    const std::int64_t at = bytes;
    bytes += (n + 63) / 64 * 64;
    return at;
  };
  const std::int64_t jobs_at = reserve(weights * static_cast<std::int64_t>(sizeof(MatmulJob)));
  const std::int64_t kernels_at = reserve(weights * static_cast<std::int64_t>(sizeof(WeightKernel)));
  const std::int64_t biases_at = bytes;
  std::int64_t act_at[4] = {-1, -1, -1, -1};
  for (std::int64_t w = 0; w < weights; ++w) {
    const Tensor& bias = call.in[static_cast<std::size_t>(2 + 3 * w)];
    if (bias.defined() && bias.dtype() != f32) reserve(bias.size(0) * 4);
  }
  for (std::int64_t w = 0; w < weights; ++w) {
    const WeightKernel kernel = weight_kernel(fns, call.in[static_cast<std::size_t>(1 + 3 * w)].dtype(), exact(call));
    std::int64_t& at = act_at[static_cast<int>(kernel.act)];
    if (at < 0) at = reserve(act_bytes(kernel.act, block, k));
  }
  const Scratch scratch = Scratch::shared(call.rt, bytes);
  auto* base = scratch.get<std::byte>();
  auto* kernels = reinterpret_cast<WeightKernel*>(base + kernels_at);
  std::int64_t bias_at = biases_at;
  for (std::int64_t w = 0; w < weights; ++w) {
    kernels[w] = weight_kernel(fns, call.in[static_cast<std::size_t>(1 + 3 * w)].dtype(), exact(call));
  }
  for (std::int64_t first = 0; first < m; first += block) {
    const std::int64_t rows = std::min(block, m - first);
    const auto* data = x.as<float>() + first * stride;
    for_items(call, rows, k * 2, [&](std::int64_t begin, std::int64_t end, int) {
      for (int kind = 0; kind < 4; ++kind) {
        if (act_at[kind] < 0) continue;
        for (std::int64_t t = begin; t < end; ++t) {
          pack_row(fns, static_cast<ActKind>(kind), data + t * stride, k, base + act_at[kind], t, rows);
        }
      }
    });
    MatmulJobs jobs(call, reinterpret_cast<MatmulJob*>(base + jobs_at));
    bias_at = biases_at;
    for (std::int64_t w = 0; w < weights; ++w) {
      const auto i = static_cast<std::size_t>(w);
      const Tensor &weight = call.in[1 + 3 * i], &bias = call.in[2 + 3 * i], &addend = call.in[3 + 3 * i];
      const std::int64_t n = weight.size(0);
      const std::byte* act = base + act_at[static_cast<int>(kernels[w].act)];
      MatmulTask& task = jobs.add(weight, kernels[w], act, rows, rows, call.out[i].as<float>() + first * n, n);
      if (bias.defined() && bias.dtype() == f32) task.bias = bias.as<float>();
      if (bias.defined() && bias.dtype() != f32) {
        auto* wide = reinterpret_cast<float*>(base + bias_at);
        if (first == 0) bias.dtype()->decode(bias.data(), wide, n);
        task.bias = wide;
        bias_at += (n * 4 + 63) / 64 * 64;
      }
      if (addend.defined()) {
        task.addend = addend.as<float>() + first * n;
        task.addend_stride = n;
      }
    }
    jobs.run();
  }
}

constexpr Kernel kernels[] = {{&linear_op, accepts, run}};

}  // namespace

const KernelFile linear{kernels};

}  // namespace tashika::cpu
