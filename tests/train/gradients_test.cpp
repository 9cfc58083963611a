// Gradients in one pass beside those of the compositions, on sizes that straddle tiles, blocks and windows.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "ops/attention.h"
#include "ops/autograd.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/sequence_attention.h"
#include "ops/training.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

std::vector<float> noise(std::int64_t n, unsigned seed, float width = 1.0f) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, width);
  std::vector<float> out(static_cast<std::size_t>(n));
  for (float& v : out) v = normal(rng);
  return out;
}

Tensor leaf(Runtime& rt, const Shape& shape, unsigned seed, float width = 1.0f) {
  Tensor t = Tensor::from_host(rt, shape, noise(shape.numel(), seed, width));
  require_grad(t);
  return t;
}

using Build = std::function<std::vector<Tensor>(Runtime&)>;          // leaves
using Apply = std::function<Tensor(const std::vector<Tensor>&)>;

struct Result {
  std::vector<float> out;
  std::vector<std::vector<float>> grads;
};

Result differentiate(const std::string& backend, int threads, const Build& build, const Apply& apply) {
  const auto rt = test::runtime(backend, threads, ComputeMode::exact);
  if (threads > 1) rt->pool().force_grain_one(true);
  std::vector<Tensor> leaves = build(*rt);
  const Tensor out = apply(leaves);
  Result r{out.to_host(), {}};
  ops::backward(out, Tensor::from_host(*rt, out.shape(), noise(out.numel(), 99)));
  for (const Tensor& t : leaves) r.grads.push_back(t.grad_node()->grad.to_host());
  return r;
}

void expect_near(const std::vector<float>& a, const std::vector<float>& b, double tolerance, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  double scale = 0, worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    scale += static_cast<double>(b[i]) * static_cast<double>(b[i]);
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  scale = std::sqrt(scale / static_cast<double>(std::max<std::size_t>(1, a.size())));
  EXPECT_LE(worst, tolerance * (scale + 1e-2)) << what;
}

// The reference backend composes every op of primitives in double.
void check_against_reference(const Build& build, const Apply& apply, double tolerance = 2e-5) {
  const Result expected = differentiate("ref", 1, build, apply);
  const Result one = differentiate("cpu", 1, build, apply), two = differentiate("cpu", 2, build, apply);
  expect_near(one.out, expected.out, tolerance, "result");
  for (std::size_t i = 0; i < expected.grads.size(); ++i) expect_near(one.grads[i], expected.grads[i], tolerance, cat("gradient ", i));
  EXPECT_EQ(one.out, two.out);
  EXPECT_EQ(one.grads, two.grads);
}

TEST(FusedGradients, Linear) {
  for (const std::int64_t rows : {1, 5, 37}) {
    check_against_reference(
        [&](Runtime& rt) {
          return std::vector{leaf(rt, {rows, 35}, 1), leaf(rt, {19, 35}, 2), leaf(rt, {19}, 3), leaf(rt, {rows, 19}, 4)};
        },
        [](const std::vector<Tensor>& t) { return ops::linear(t[0], t[1], t[2], t[3]); });
  }
}

TEST(FusedGradients, RmsNorm) {
  for (const std::int64_t n : {1, 16, 75}) {
    check_against_reference([&](Runtime& rt) { return std::vector{leaf(rt, {131, n}, 1), leaf(rt, {n}, 2)}; },
                            [](const std::vector<Tensor>& t) { return ops::rms_norm(t[0], t[1], 1e-3f); }, 4e-5);
  }
}

TEST(FusedGradients, Gated) {
  check_against_reference([](Runtime& rt) { return std::vector{leaf(rt, {7, 2501}, 1, 3.0f), leaf(rt, {7, 2501}, 2)}; },
                          [](const std::vector<Tensor>& t) { return ops::gated(Unary::silu, t[0], t[1]); });
}

TEST(FusedGradients, Softmax) {
  check_against_reference([](Runtime& rt) { return std::vector{leaf(rt, {9, 43}, 1, 2.0f)}; },
                          [](const std::vector<Tensor>& t) { return ops::softmax(t[0]); });
}

TEST(FusedGradients, TopK) {
  check_against_reference([](Runtime& rt) { return std::vector{leaf(rt, {9, 11}, 1)}; },
                          [](const std::vector<Tensor>& t) { return ops::softmax(ops::top_k(t[0], 3).values); });
}

TEST(FusedGradients, Rope) {
  for (const bool interleaved : {false, true}) {
    const auto apply = [interleaved](const std::vector<Tensor>& t) {
      Runtime& rt = t[0].runtime();
      return ops::rope(t[0], Tensor::from_host(rt, {6, 4}, noise(24, 7)), Tensor::from_host(rt, {6, 4}, noise(24, 8)), interleaved);
    };
    check_against_reference([](Runtime& rt) { return std::vector{leaf(rt, {6, 3, 10}, 1)}; }, apply);
  }
}

TEST(FusedGradients, Attention) {
  struct Case {
    std::vector<std::int64_t> lengths;
    std::int64_t heads_q, heads, k_dim, v_dim, window;
    bool causal;
  };
  const Case cases[] = {{{1, 5, 17}, 4, 2, 6, 6, 0, true},    {{113, 49}, 2, 1, 16, 24, 0, true}, {{97}, 3, 3, 33, 17, 20, true},
                        {{64, 48, 1}, 2, 2, 8, 8, 1, true}, {{50, 3}, 2, 1, 20, 20, 0, false}};
  for (const Case& c : cases) {
    std::vector<SequenceSpan> spans;
    std::int64_t rows = 0;
    for (const std::int64_t n : c.lengths) {
      spans.push_back({rows, n});
      rows += n;
    }
    check_against_reference(
        [&](Runtime& rt) {
          return std::vector{leaf(rt, {rows, c.heads_q, c.k_dim}, 1, 1.5f), leaf(rt, {rows, c.heads, c.k_dim}, 2), leaf(rt, {rows, c.heads, c.v_dim}, 3)};
        },
        [&](const std::vector<Tensor>& t) { return ops::sequence_attention(t[0], t[1], t[2], {spans, 0.3f, 0.0f, c.causal, c.window}); }, 1e-4);
  }
}

// The gradient of a convolution by differences: it is linear in each argument, so they are exact up to rounding.
TEST(FusedGradients, Convolution) {
  struct Case {
    Conv2dAttrs attrs;
    Shape x, weight;
  };
  const Case cases[] = {{{1, 1, 1, 1, 1, 1, 1}, {2, 3, 5, 6}, {4, 3, 3, 3}},
                        {{2, 3, 1, 0, 1, 1, 1}, {1, 2, 8, 9}, {3, 2, 3, 2}},
                        {{1, 2, 2, 1, 2, 1, 2}, {2, 4, 7, 6}, {6, 2, 2, 3}},
                        {{2, 2, 0, 0, 1, 1, 4}, {1, 4, 6, 5}, {4, 1, 1, 1}},
                        {{1, 1, 3, 2, 1, 1, 1}, {1, 1, 4, 4}, {2, 1, 2, 2}}};
  for (const char* backend : {"ref", "cpu"}) {
    for (const Case& c : cases) {
      const auto rt = test::runtime(backend, 2, ComputeMode::exact);
      std::vector<float> values[3] = {noise(c.x.numel(), 1), noise(c.weight.numel(), 2), noise(c.weight[0], 3)};
      const Shape shapes[3] = {c.x, c.weight, {c.weight[0]}};
      std::vector<float> seed;
      const auto run = [&](bool gradients, std::vector<std::vector<float>>* grads) {
        Tensor t[3];
        for (int i = 0; i < 3; ++i) {
          t[i] = Tensor::from_host(*rt, shapes[i], values[i]);
          if (gradients) require_grad(t[i]);
        }
        const Tensor out = ops::conv2d(t[0], t[1], t[2], c.attrs);
        if (seed.empty()) seed = noise(out.numel(), 9);
        if (gradients) {
          ops::backward(out, Tensor::from_host(*rt, out.shape(), seed));
          for (const Tensor& leaf_of : t) grads->push_back(leaf_of.grad_node()->grad.to_host());
        }
        double total = 0;
        const std::vector<float> y = out.to_host();
        for (std::size_t i = 0; i < y.size(); ++i) total += static_cast<double>(y[i]) * static_cast<double>(seed[i]);
        return total;
      };
      std::vector<std::vector<float>> grads;
      run(true, &grads);
      for (std::size_t i = 0; i < 3; ++i) {
        ASSERT_EQ(grads[i].size(), values[i].size());
        for (std::size_t j = 0; j < values[i].size(); j += 1 + values[i].size() / 17) {
          const float kept = values[i][j];
          values[i][j] = kept + 1;
          const double up = run(false, nullptr);
          values[i][j] = kept - 1;
          const double down = run(false, nullptr);
          values[i][j] = kept;
          EXPECT_NEAR((up - down) / 2, static_cast<double>(grads[i][j]), 2e-4) << backend << " argument " << i << " element " << j;
        }
      }
    }
  }
}

TEST(FusedGradients, CrossEntropy) {
  const std::vector<std::int32_t> targets{3, -1, 88, 0};
  std::vector<float> losses[2], grads[2];
  for (int i = 0; i < 2; ++i) {
    const auto rt = test::runtime(i == 0 ? "ref" : "cpu", 2, ComputeMode::exact);
    const ops::CrossEntropy r =
        ops::cross_entropy(Tensor::from_host(*rt, {4, 89}, noise(4 * 89, 1, 4.0f)), Tensor::from_host(*rt, {4}, targets), 0.25);
    losses[i] = r.losses.to_host();
    grads[i] = r.gradients.to_host();
  }
  expect_near(losses[1], losses[0], 1e-6, "losses");
  expect_near(grads[1], grads[0], 1e-5, "gradients");
  EXPECT_EQ(losses[1][1], 0.0f);
}

// The gradient of the loss itself, by central differences in double.
TEST(FusedGradients, CrossEntropyByFiniteDifferences) {
  const auto rt = test::runtime("ref", 1, ComputeMode::exact);
  const std::vector<std::int32_t> targets{2, 0};
  std::vector<float> x = noise(10, 5);
  const auto loss = [&](const std::vector<float>& values) {
    const Tensor wide = ops::cast(Tensor::from_host(*rt, {2, 5}, values), f64);
    const ops::CrossEntropy r = ops::cross_entropy(wide, Tensor::from_host(*rt, {2}, targets), 1.0);
    return r;
  };
  const std::vector<float> gradient = loss(x).gradients.to_host();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float kept = x[i], h = 0x1p-7f;
    double sums[2];
    for (int side = 0; side < 2; ++side) {
      x[i] = side == 0 ? kept + h : kept - h;
      const std::vector<float> l = loss(x).losses.to_host();
      sums[side] = static_cast<double>(l[0]) + static_cast<double>(l[1]);
    }
    x[i] = kept;
    EXPECT_NEAR((sums[0] - sums[1]) / static_cast<double>(2 * h), static_cast<double>(gradient[i]), 2e-4);
  }
}

TEST(Updates, AdamWAndSums) {
  const std::int64_t n = 70001;
  std::vector<float> p[2], m[2], v[2];
  double squares[2];
  for (int i = 0; i < 2; ++i) {
    const auto rt = test::runtime(i == 0 ? "ref" : "cpu", 2, ComputeMode::exact);
    Tensor tp = Tensor::from_host(*rt, {n}, noise(n, 1)), tm = Tensor::from_host(*rt, {n}, noise(n, 2, 0.1f));
    Tensor tv = Tensor::from_host(*rt, {n}, std::vector<float>(static_cast<std::size_t>(n), 0.02f));
    const Tensor g = Tensor::from_host(*rt, {n}, noise(n, 3, 0.3f));
    squares[i] = ops::sum_squares(g);
    ops::adamw(tp, tm, tv, g, {1e-2, 0.9, 0.95, 1e-8, 0.1, 0.5, 7});
    Tensor total = Tensor::from_host(*rt, {n}, noise(n, 4));
    ops::accumulate(total, g);
    p[i] = tp.to_host(), m[i] = tm.to_host(), v[i] = total.to_host();
  }
  expect_near(p[1], p[0], 1e-6, "parameters");
  expect_near(m[1], m[0], 1e-6, "moments");
  expect_near(v[1], v[0], 1e-6, "accumulated");
  EXPECT_NEAR(squares[1], squares[0], 1e-6 * squares[0]);
}

}  // namespace
}  // namespace tashika
