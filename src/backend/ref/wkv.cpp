#include "backend/contract/wkv.h"

#include <algorithm>
#include <cmath>

#include "backend/ref/ref.h"

namespace tashika::ref {
namespace {

// A state is stored as f32 after every step.
double rounded(double x) { return static_cast<double>(static_cast<float>(x)); }

using Values = std::vector<double>;

// Inputs [0, count) and the states behind them; step(t, state, y row) for every row of every segment.
template <typename StepFn>
void each_row(const Call& call, std::size_t inputs, const StepFn& step) {
  const auto segments = call.attr<WkvAttrs>().segments;
  Values y(static_cast<std::size_t>(call.out[0].numel()));
  const auto width = static_cast<std::size_t>(call.out[0].numel() / std::max<std::int64_t>(1, call.out[0].size(0)));
  for (std::size_t s = 0; s < segments.size(); ++s) {
    Values state = values(call.in[inputs + s]);
    for (std::int64_t i = 0; i < segments[s].rows; ++i) {
      const auto t = static_cast<std::size_t>(segments[s].row + i);
      step(t, state, &y[t * width]);
    }
    store(call.out[1 + s], state);
  }
  store(call.out[0], y);
}

void run_wkv4(const Call& call) {
  const Values k = values(call.in[0]), v = values(call.in[1]), decay = values(call.in[2]), bonus = values(call.in[3]);
  const std::size_t n = decay.size();
  each_row(call, 4, [&](std::size_t t, Values& state, double* y) {
    for (std::size_t c = 0; c < n; ++c) {
      double &a = state[c], &b = state[n + c], &p = state[2 * n + c];
      const double kt = k[t * n + c], vt = v[t * n + c];
      const double top = std::max(p, bonus[c] + kt);
      const double e1 = std::exp(p - top), e2 = std::exp(bonus[c] + kt - top);
      y[c] = (e1 * a + e2 * vt) / (e1 * b + e2);
      const double next = std::max(p + decay[c], kt);
      const double f1 = std::exp(p + decay[c] - next), f2 = std::exp(kt - next);
      a = rounded(f1 * a + f2 * vt);
      b = rounded(f1 * b + f2);
      p = rounded(next);
    }
  });
}

void run_wkv6(const Call& call) {
  const Values r = values(call.in[0]), k = values(call.in[1]), v = values(call.in[2]), w = values(call.in[3]), bonus = values(call.in[4]);
  const auto heads = static_cast<std::size_t>(call.out[0].size(1)), n = static_cast<std::size_t>(call.out[0].size(2));
  each_row(call, 5, [&](std::size_t t, Values& state, double* y) {
    for (std::size_t h = 0; h < heads; ++h) {
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t at = (t * heads + h) * n + i;
        for (std::size_t j = 0; j < n; ++j) {
          double& s = state[(h * n + i) * n + j];
          const double kv = k[at] * v[(t * heads + h) * n + j];
          y[h * n + j] += r[at] * (s + bonus[h * n + i] * kv);
          s = rounded(w[at] * s + kv);
        }
      }
    }
  });
}

void run_wkv7(const Call& call) {
  const Values r = values(call.in[0]), w = values(call.in[1]), k = values(call.in[2]), v = values(call.in[3]), a = values(call.in[4]),
               b = values(call.in[5]);
  const auto heads = static_cast<std::size_t>(call.out[0].size(1)), n = static_cast<std::size_t>(call.out[0].size(2));
  each_row(call, 6, [&](std::size_t t, Values& state, double* y) {
    for (std::size_t h = 0; h < heads; ++h) {
      const std::size_t row = (t * heads + h) * n;
      for (std::size_t j = 0; j < n; ++j) {
        double seen = 0;
        for (std::size_t i = 0; i < n; ++i) seen += a[row + i] * state[(h * n + i) * n + j];
        for (std::size_t i = 0; i < n; ++i) {
          double& s = state[(h * n + i) * n + j];
          s = rounded(w[row + i] * s + b[row + i] * seen + k[row + i] * v[row + j]);
          y[h * n + j] += r[row + i] * s;
        }
      }
    }
  });
}

constexpr Kernel kernels[] = {{&wkv4_op, nullptr, run_wkv4}, {&wkv6_op, nullptr, run_wkv6}, {&wkv7_op, nullptr, run_wkv7}};

}  // namespace

extern const KernelFile wkv;
const KernelFile wkv{kernels};

}  // namespace tashika::ref
