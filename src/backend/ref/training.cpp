#include "backend/contract/training.h"

#include <algorithm>
#include <cmath>

#include "backend/ref/ref.h"

namespace tashika::ref {
namespace {

void run_cross_entropy(const Call& call) {
  std::vector<double> x = values(call.in[0]);
  const std::vector<double> targets = values(call.in[1]);
  const double scale = call.attr<CrossEntropyAttrs>().scale;
  const std::size_t v = static_cast<std::size_t>(call.in[0].size(1));
  std::vector<double> losses(targets.size());
  for (std::size_t r = 0; r < targets.size(); ++r) {
    double* row = x.data() + r * v;
    if (targets[r] < 0) {
      std::fill(row, row + v, 0.0);
      continue;
    }
    const auto target = static_cast<std::size_t>(targets[r]);
    const double top = *std::max_element(row, row + v), chosen = row[target];
    double total = 0;
    for (std::size_t i = 0; i < v; ++i) total += std::exp(row[i] - top);
    losses[r] = top + std::log(total) - chosen;
    for (std::size_t i = 0; i < v; ++i) row[i] = scale * (std::exp(row[i] - top) / total - (i == target ? 1.0 : 0.0));
  }
  store(call.out[0], losses);
  store(call.out[1], x);
}

void run_sum_squares(const Call& call) {
  const std::vector<double> x = values(call.in[0]);
  std::vector<double> out(static_cast<std::size_t>(call.out[0].numel()));
  for (std::size_t i = 0; i < x.size(); ++i) out[i / sum_squares_block] += x[i] * x[i];
  store(call.out[0], out);
}

void run_accumulate(const Call& call) {
  std::vector<double> total = values(call.out[0]);
  const std::vector<double> x = values(call.in[0]);
  for (std::size_t i = 0; i < x.size(); ++i) total[i] += x[i];
  store(call.out[0], total);
}

void run_adamw(const Call& call) {
  const auto& a = call.attr<AdamWAttrs>();
  const std::vector<double> gradient = values(call.in[0]);
  std::vector<double> p = values(call.out[0]), m = values(call.out[1]), v = values(call.out[2]);
  const double step_size = a.lr / (1 - std::pow(a.beta1, static_cast<double>(a.step)));
  const double root = std::sqrt(1 - std::pow(a.beta2, static_cast<double>(a.step)));
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double g = a.gradient_scale * gradient[i];
    p[i] *= 1 - a.lr * a.decay;
    m[i] += (1 - a.beta1) * (g - m[i]);
    v[i] = a.beta2 * v[i] + (1 - a.beta2) * g * g;
    p[i] -= step_size * m[i] / (std::sqrt(v[i]) / root + a.eps);
  }
  store(call.out[0], p);
  store(call.out[1], m);
  store(call.out[2], v);
}

constexpr Kernel kernels[] = {{&cross_entropy_op, nullptr, run_cross_entropy},
                              {&sum_squares_op, nullptr, run_sum_squares},
                              {&accumulate_op, nullptr, run_accumulate},
                              {&adamw_op, nullptr, run_adamw}};

}  // namespace

extern const KernelFile training;
const KernelFile training{kernels};

}  // namespace tashika::ref
