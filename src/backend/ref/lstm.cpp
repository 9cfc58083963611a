#include "backend/contract/lstm.h"

#include <algorithm>
#include <cmath>

#include "backend/ref/ref.h"

namespace tashika::ref {
namespace {

using Values = std::vector<double>;

// A state is stored as f32 after every step.
double rounded(double x) { return static_cast<double>(static_cast<float>(x)); }

double log_sigmoid(double x) { return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x))); }

std::size_t size(const Tensor& t, int dim) { return static_cast<std::size_t>(t.size(dim)); }

void run_mlstm(const Call& call) {
  const auto& attrs = call.attr<MlstmAttrs>();
  const Values q = values(call.in[0]), k = values(call.in[1]), v = values(call.in[2]), gate_i = values(call.in[3]), gate_f = values(call.in[4]);
  const std::size_t heads = size(call.in[0], 1), nk = size(call.in[0], 2), nv = size(call.in[2], 2), width = nk * nv + nk + 1;
  const double scale = static_cast<double>(attrs.scale), eps = static_cast<double>(attrs.eps);
  Values out(static_cast<std::size_t>(call.out[0].numel()));
  for (std::size_t s = 0; s < attrs.segments.size(); ++s) {
    Values state = values(call.in[5 + s]);
    for (std::int64_t step = 0; step < attrs.segments[s].rows; ++step) {
      for (std::size_t h = 0; h < heads; ++h) {
        const std::size_t at = static_cast<std::size_t>(attrs.segments[s].row + step) * heads + h;
        double *c = &state[h * width], *n = c + nk * nv, &m = n[nk];
        const double faded = log_sigmoid(gate_f[at]) + m, next = std::max(faded, gate_i[at]);
        const double keep = std::exp(faded - next), take = std::exp(gate_i[at] - next);
        m = rounded(next);
        double weight = 0;
        for (std::size_t i = 0; i < nk; ++i) {
          n[i] = rounded(keep * n[i] + take * k[at * nk + i]);
          weight += scale * q[at * nk + i] * n[i];
          for (std::size_t j = 0; j < nv; ++j) {
            double& cell = c[i * nv + j];
            cell = rounded(keep * cell + take * k[at * nk + i] * v[at * nv + j]);
            out[at * nv + j] += scale * q[at * nk + i] * cell;
          }
        }
        const double norm = std::max(std::abs(weight), std::exp(-next)) + eps;
        for (std::size_t j = 0; j < nv; ++j) out[at * nv + j] /= norm;
      }
    }
    store(call.out[1 + s], state);
  }
  store(call.out[0], out);
}

void run_slstm(const Call& call) {
  const auto segments = call.attr<SlstmAttrs>().segments;
  const Values x = values(call.in[0]), r = values(call.in[1]);
  const std::size_t heads = size(call.in[0], 1), d = size(call.in[0], 3);
  Values out(static_cast<std::size_t>(call.out[0].numel()));
  for (std::size_t s = 0; s < segments.size(); ++s) {
    Values state = values(call.in[2 + s]);
    for (std::int64_t step = 0; step < segments[s].rows; ++step) {
      for (std::size_t h = 0; h < heads; ++h) {
        const std::size_t at = static_cast<std::size_t>(segments[s].row + step) * heads + h;
        double *y = &state[h * 4 * d], *c = y + d, *n = c + d, *m = n + d;
        Values gates(x.begin() + static_cast<std::ptrdiff_t>(at * 4 * d), x.begin() + static_cast<std::ptrdiff_t>((at + 1) * 4 * d));
        for (std::size_t from = 0; from < d; ++from) {
          for (std::size_t to = 0; to < 4 * d; ++to) gates[to] += y[from] * r[(h * d + from) * 4 * d + to];
        }
        for (std::size_t j = 0; j < d; ++j) {
          const double i = gates[j], faded = log_sigmoid(gates[d + j]) + m[j];
          const double next = n[j] == 0 ? i : std::max(faded, i);
          const double keep = n[j] == 0 ? 0.0 : std::exp(faded - next), take = std::exp(i - next);
          c[j] = rounded(keep * c[j] + take * std::tanh(gates[2 * d + j]));
          n[j] = rounded(keep * n[j] + take);
          m[j] = rounded(next);
          y[j] = rounded(c[j] / n[j] / (1 + std::exp(-gates[3 * d + j])));
          out[at * d + j] = y[j];
        }
      }
    }
    store(call.out[1 + s], state);
  }
  store(call.out[0], out);
}

constexpr Kernel kernels[] = {{&mlstm_op, nullptr, run_mlstm}, {&slstm_op, nullptr, run_slstm}};

}  // namespace

extern const KernelFile lstm;
const KernelFile lstm{kernels};

}  // namespace tashika::ref
