// Attention among the rows of whole sequences: both ways, with windows and biases by distance, against plain sums in double.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "cpu/support.h"
#include "ops/attention.h"
#include "ops/autograd.h"
#include "ops/elementwise.h"
#include "tensor/tape.h"

namespace tashika::test {
namespace {

struct Form {
  std::int64_t heads, group, k_dim, v_dim, window;
  bool causal, bias;
  float softcap;
};
constexpr Form forms[] = {
    {2, 1, 32, 32, 0, false, false, 0}, {3, 1, 12, 12, 0, false, true, 0},   {2, 2, 33, 17, 0, false, true, 3.0f},
    {1, 3, 16, 16, 40, false, false, 0}, {2, 1, 24, 24, 1, false, true, 0},  {2, 1, 16, 48, 70, false, true, 0},
    {2, 2, 20, 20, 0, true, true, 0},    {1, 2, 64, 64, 65, true, true, 2.0f},
};
const std::vector<std::int64_t> lengths{1, 70, 64, 3, 129};

std::vector<float> plain(const Form& s, const std::vector<float>& q, const std::vector<float>& k, const std::vector<float>& v,
                         const std::vector<float>& bias, std::int64_t width, std::int64_t origin, std::span<const std::int64_t> all) {
  std::vector<float> out;
  const std::int64_t heads = s.heads * s.group;
  std::int64_t row = 0;
  const double scale = 1.0 / std::sqrt(static_cast<double>(s.k_dim));
  for (const std::int64_t n : all) {
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t h = 0; h < heads; ++h) {
        std::vector<double> w(static_cast<std::size_t>(n), 0.0);
        double total = 0;
        for (std::int64_t j = 0; j < n; ++j) {
          if ((s.causal && j > i) || (s.window > 0 && (j <= i - s.window || j >= i + s.window))) continue;
          double score = 0;
          for (std::int64_t d = 0; d < s.k_dim; ++d) {
            score += static_cast<double>(q[static_cast<std::size_t>(((row + i) * heads + h) * s.k_dim + d)]) *
                     static_cast<double>(k[static_cast<std::size_t>(((row + j) * s.heads + h / s.group) * s.k_dim + d)]);
          }
          score *= scale;
          if (s.softcap > 0) score = static_cast<double>(s.softcap) * std::tanh(score / static_cast<double>(s.softcap));
          if (s.bias) score += static_cast<double>(bias[static_cast<std::size_t>(h * width + origin + j - i)]);
          total += w[static_cast<std::size_t>(j)] = std::exp(score);
        }
        for (std::int64_t d = 0; d < s.v_dim; ++d) {
          double sum = 0;
          for (std::int64_t j = 0; j < n; ++j) {
            sum += w[static_cast<std::size_t>(j)] * static_cast<double>(v[static_cast<std::size_t>(((row + j) * s.heads + h / s.group) * s.v_dim + d)]);
          }
          out.push_back(static_cast<float>(sum / total));
        }
      }
    }
    row += n;
  }
  return out;
}

struct Inputs {
  Tensor q, k, v;
  ops::DistanceBias bias;
};
Inputs inputs(Runtime& rt, const Form& s, std::int64_t total, std::int64_t longest) {
  Inputs x{random_tensor(rt, {total, s.heads * s.group, s.k_dim}, 1, -2, 2), random_tensor(rt, {total, s.heads, s.k_dim}, 2, -2, 2),
           random_tensor(rt, {total, s.heads, s.v_dim}, 3, -1, 1), {}};
  if (s.bias) x.bias = {random_tensor(rt, {s.heads * s.group, longest + 64 * ((longest + 63) / 64)}, 4, -2, 2), longest};
  return x;
}
ops::DenseAttention options(const Form& s) { return {1.0f / std::sqrt(static_cast<float>(s.k_dim)), s.softcap, s.causal, s.window, {}}; }

void expect_near(const std::vector<float>& got, const std::vector<float>& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double gap = std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    worst = std::isnan(gap) ? INFINITY : std::max(worst, gap);
  }
  EXPECT_LE(worst, tolerance) << what;
}

TEST(RaggedAttention, IsThePlainSum) {
  const std::int64_t total = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  for (const auto isa : cpu::available_isas()) {
    for (std::size_t i = 0; i < std::size(forms); ++i) {
      const Form& s = forms[i];
      CpuRuntime one(isa, 1), two(isa, 2);
      two.rt.pool().force_grain_one(true);
      const Inputs x = inputs(one.rt, s, total, 129), y = inputs(two.rt, s, total, 129);
      const std::vector<float> got = ops::ragged_attention(x.q, x.k, x.v, lengths, options(s), x.bias).to_host();
      const std::string what = tashika::cat("form ", i, " ", isa);
      expect_near(got, plain(s, x.q.to_host(), x.k.to_host(), x.v.to_host(), s.bias ? x.bias.table.to_host() : std::vector<float>{},
                             s.bias ? x.bias.table.size(1) : 0, 129, lengths), 2e-5, what);
      EXPECT_TRUE(same_bits(got, ops::ragged_attention(y.q, y.k, y.v, lengths, options(s), y.bias).to_host())) << what << ", two threads";
      // Each sequence alone gives the same bits.
      std::int64_t row = 0;
      std::vector<float> alone;
      for (const std::int64_t n : lengths) {
        const std::vector<float> part = ops::ragged_attention(x.q.slice(0, row, row + n), x.k.slice(0, row, row + n), x.v.slice(0, row, row + n),
                                                              {&n, 1}, options(s), x.bias).to_host();
        alone.insert(alone.end(), part.begin(), part.end());
        row += n;
      }
      EXPECT_TRUE(same_bits(got, alone)) << what << ", one by one";
    }
  }
}

// Past the 512 keys of a split.
TEST(RaggedAttention, LongSequences) {
  const std::int64_t n = 600;
  for (const Form& s : {Form{1, 1, 16, 16, 0, false, true, 0}, Form{1, 2, 16, 16, 530, false, false, 0}}) {
    CpuRuntime cpu(cpu::available_isas().back(), 2);
    const Inputs x = inputs(cpu.rt, s, n, n);
    expect_near(ops::ragged_attention(x.q, x.k, x.v, {&n, 1}, options(s), x.bias).to_host(),
                plain(s, x.q.to_host(), x.k.to_host(), x.v.to_host(), s.bias ? x.bias.table.to_host() : std::vector<float>{},
                      s.bias ? x.bias.table.size(1) : 0, n, {&n, 1}), 2e-5, "long");
  }
}

// The path that has gradients agrees, and the bias gets its own.
TEST(RaggedAttention, HasGradients) {
  CpuRuntime cpu(cpu::available_isas().back(), 1);
  const Form s{2, 2, 12, 12, 5, false, true, 0};
  const std::vector<std::int64_t> some{7, 1, 12};
  const Inputs plain_inputs = inputs(cpu.rt, s, 20, 12);
  const std::vector<float> want = ops::ragged_attention(plain_inputs.q, plain_inputs.k, plain_inputs.v, some, options(s), plain_inputs.bias).to_host();
  Inputs x = inputs(cpu.rt, s, 20, 12);
  for (Tensor* t : {&x.q, &x.k, &x.v, &x.bias.table}) require_grad(*t);
  const Tensor out = ops::ragged_attention(x.q, x.k, x.v, some, options(s), x.bias);
  expect_near(out.to_host(), want, 1e-5, "with gradients");
  ops::backward(ops::sum_all(ops::mul(out, out)));
  const std::vector<float> grad = x.bias.table.grad_node()->grad.to_host();
  double used = 0;
  for (const float g : grad) used += std::abs(static_cast<double>(g));
  EXPECT_GT(used, 0);
}

TEST(RaggedAttention, ABiasThatIsTooShortIsAnError) {
  CpuRuntime cpu(cpu::available_isas().back(), 1);
  const Form s{1, 1, 8, 8, 0, false, true, 0};
  const std::int64_t n = 70;
  Inputs x = inputs(cpu.rt, s, n, n);
  x.bias.origin = n + 1;
  EXPECT_THROW(ops::ragged_attention(x.q, x.k, x.v, {&n, 1}, options(s), x.bias), Error);
}

}  // namespace
}  // namespace tashika::test
