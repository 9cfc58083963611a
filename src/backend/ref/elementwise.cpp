#include "backend/contract/elementwise.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "backend/ref/ref.h"

namespace tashika::ref {
namespace {

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double apply(Unary fn, double x) {
  switch (fn) {
    case Unary::neg: return -x;
    case Unary::abs: return std::fabs(x);
    case Unary::exp: return std::exp(x);
    case Unary::log: return std::log(x);
    case Unary::sqrt: return std::sqrt(x);
    case Unary::rsqrt: return 1.0 / std::sqrt(x);
    case Unary::tanh: return std::tanh(x);
    case Unary::sigmoid: return sigmoid(x);
    case Unary::relu: return x > 0 ? x : 0.0;
    case Unary::silu: return x * sigmoid(x);
    case Unary::gelu: return 0.5 * x * (1.0 + std::erf(x * 0.70710678118654752440));
    case Unary::gelu_tanh: return 0.5 * x * (1.0 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case Unary::gelu_quick: return x * sigmoid(1.702 * x);
    case Unary::sin: return std::sin(x);
    case Unary::cos: return std::cos(x);
    case Unary::erf: return std::erf(x);
    case Unary::square: return x * x;
    case Unary::reciprocal: return 1.0 / x;
    case Unary::log_sigmoid: return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x));
  }
  return 0;
}

double apply(Binary fn, double a, double b) {
  switch (fn) {
    case Binary::add: return a + b;
    case Binary::sub: return a - b;
    case Binary::mul: return a * b;
    case Binary::div: return a / b;
    case Binary::maximum: return a >= b ? a : b;
    case Binary::minimum: return a <= b ? a : b;
    case Binary::pow: return std::pow(a, b);
    case Binary::less: return a < b;
    case Binary::less_equal: return a <= b;
    case Binary::equal: return a == b;
  }
  return 0;
}

void run_unary(const Call& call) {
  std::vector<double> x = values(call.in[0]);
  for (double& v : x) v = apply(call.attr<UnaryAttrs>().fn, v);
  store(call.out[0], x);
}

void run_binary(const Call& call) {
  std::vector<double> a = values(call.in[0]);
  const std::vector<double> b = values(call.in[1]);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = apply(call.attr<BinaryAttrs>().fn, a[i], b[i]);
  store(call.out[0], a);
}

void run_affine(const Call& call) {
  const auto& attrs = call.attr<AffineAttrs>();
  std::vector<double> x = values(call.in[0]);
  for (double& v : x) v = v * attrs.scale + attrs.offset;
  store(call.out[0], x);
}

void run_reduce(const Call& call) {
  const std::vector<double> x = values(call.in[0]);
  const auto n = static_cast<std::size_t>(call.in[0].size(-1));
  std::vector<double> out(static_cast<std::size_t>(call.out[0].numel()));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto row = x.begin() + static_cast<std::ptrdiff_t>(i * n);
    out[i] = call.attr<ReduceAttrs>().fn == Reduce::sum ? std::accumulate(row, row + static_cast<std::ptrdiff_t>(n), 0.0)
                                                        : *std::max_element(row, row + static_cast<std::ptrdiff_t>(n));
  }
  store(call.out[0], out);
}

void run_copy(const Call& call) { store(call.out[0], values(call.in[0])); }

void run_concat(const Call& call) {
  std::vector<double> out;
  const std::int64_t outer = call.out[0].size(0);
  std::vector<std::vector<double>> parts;
  for (const Tensor& t : call.in) parts.push_back(values(t));
  for (std::int64_t o = 0; o < outer; ++o) {
    for (const auto& part : parts) {
      const std::size_t n = part.size() / static_cast<std::size_t>(outer);
      const auto begin = part.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(o) * n);
      out.insert(out.end(), begin, begin + static_cast<std::ptrdiff_t>(n));
    }
  }
  store(call.out[0], out);
}

void run_where(const Call& call) {
  const std::vector<double> mask = values(call.in[0]), b = values(call.in[2]);
  std::vector<double> a = values(call.in[1]);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = mask[i] != 0 ? a[i] : b[i];
  store(call.out[0], a);
}

void run_gather_rows(const Call& call) {
  const Tensor& table = call.in[0];
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(call.out[0].numel()));
  for (const std::int64_t id : call.in[1].to_host_int()) {
    const std::vector<double> row = values(table.slice(0, id, id + 1));
    out.insert(out.end(), row.begin(), row.end());
  }
  store(call.out[0], out);
}

void run_scatter_add(const Call& call) {
  const std::vector<double> rows = values(call.in[0]);
  const std::vector<std::int64_t> ids = call.in[1].to_host_int();
  std::vector<double> out(static_cast<std::size_t>(call.out[0].numel()));
  const std::size_t width = ids.empty() ? 0 : rows.size() / ids.size();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    for (std::size_t j = 0; j < width; ++j) out[static_cast<std::size_t>(ids[i]) * width + j] += rows[i * width + j];
  }
  store(call.out[0], out);
}

void run_gated(const Call& call) {
  std::vector<double> gate = values(call.in[0]);
  const std::vector<double> up = values(call.in[1]);
  for (std::size_t i = 0; i < gate.size(); ++i) gate[i] = apply(call.attr<GatedAttrs>().act, gate[i]) * up[i];
  store(call.out[0], gate);
}

void run_softmax(const Call& call) {
  std::vector<double> x = values(call.in[0]);
  const auto n = static_cast<std::size_t>(call.in[0].size(-1));
  for (std::size_t row = 0; row < x.size(); row += n) {
    const double top = *std::max_element(x.begin() + static_cast<std::ptrdiff_t>(row), x.begin() + static_cast<std::ptrdiff_t>(row + n));
    double total = 0;
    for (std::size_t i = row; i < row + n; ++i) total += x[i] = std::exp(x[i] - top);
    for (std::size_t i = row; i < row + n; ++i) x[i] /= total;
  }
  store(call.out[0], x);
}

void run_top_k(const Call& call) {
  const std::vector<double> x = values(call.in[0]);
  const auto n = static_cast<std::size_t>(call.in[0].size(-1)), k = static_cast<std::size_t>(call.attr<TopKAttrs>().k);
  std::vector<double> top, ids;
  std::vector<std::size_t> order(n);
  for (std::size_t row = 0; row < x.size(); row += n) {
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[row + a] > x[row + b]; });
    for (std::size_t j = 0; j < k; ++j) {
      top.push_back(x[row + order[j]]);
      ids.push_back(static_cast<double>(order[j]));
    }
  }
  store(call.out[0], top);
  store(call.out[1], ids);
}

constexpr Kernel kernels[] = {
    {&unary_op, nullptr, run_unary},           {&binary_op, nullptr, run_binary},   {&affine_op, nullptr, run_affine},
    {&reduce_op, nullptr, run_reduce},         {&copy_op, nullptr, run_copy},       {&concat_op, nullptr, run_concat},
    {&where_op, nullptr, run_where},           {&gather_rows_op, nullptr, run_gather_rows},
    {&scatter_add_op, nullptr, run_scatter_add}, {&gated_op, nullptr, run_gated},   {&softmax_op, nullptr, run_softmax},
    {&top_k_op, nullptr, run_top_k},
};

}  // namespace

extern const KernelFile elementwise;
const KernelFile elementwise{kernels};

}  // namespace tashika::ref
