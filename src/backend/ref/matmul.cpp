#include "backend/contract/matmul.h"

#include "backend/ref/ref.h"

namespace tashika::ref {
namespace {

void run_matmul(const Call& call) {
  const std::vector<double> a = values(call.in[0]), b = values(call.in[1]);
  const auto m = static_cast<std::size_t>(call.in[0].size(-2)), k = static_cast<std::size_t>(call.in[0].size(-1));
  const auto n = static_cast<std::size_t>(call.in[1].size(-1));
  std::vector<double> out(static_cast<std::size_t>(call.out[0].numel()));
  for (std::size_t batch = 0; batch * m * n < out.size(); ++batch) {
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t p = 0; p < k; ++p) {
        for (std::size_t j = 0; j < n; ++j) out[(batch * m + i) * n + j] += a[(batch * m + i) * k + p] * b[(batch * k + p) * n + j];
      }
    }
  }
  store(call.out[0], out);
}

// Weights row by row, so that a large matrix is never widened whole.
void run_linear(const Call& call) {
  const std::vector<double> x = values(call.in[0]);
  const auto m = static_cast<std::size_t>(call.in[0].size(0)), k = static_cast<std::size_t>(call.in[0].size(1));
  for (std::size_t w = 0; w < call.out.size(); ++w) {
    const Tensor &weight = call.in[1 + 3 * w], &bias = call.in[2 + 3 * w], &addend = call.in[3 + 3 * w];
    const auto n = static_cast<std::size_t>(weight.size(0));
    const std::vector<double> b = bias.defined() ? values(bias) : std::vector<double>(n);
    std::vector<double> y = addend.defined() ? values(addend) : std::vector<double>(m * n);
    for (std::size_t j = 0; j < n; ++j) {
      const std::vector<double> row = values(weight.slice(0, static_cast<std::int64_t>(j), static_cast<std::int64_t>(j) + 1));
      for (std::size_t i = 0; i < m; ++i) {
        double total = 0;
        for (std::size_t p = 0; p < k; ++p) total += x[i * k + p] * row[p];
        y[i * n + j] += total + b[j];
      }
    }
    store(call.out[w], y);
  }
}

bool takes_f32(const Call& call) { return call.in[0].dtype() == f32; }

constexpr Kernel kernels[] = {{&matmul_op, nullptr, run_matmul}, {&linear_op, takes_f32, run_linear}};

}  // namespace

extern const KernelFile matmul;
const KernelFile matmul{kernels};

}  // namespace tashika::ref
