// Seam: one low-rank step on a Q4_K Linear. The frozen weight stays in blocks; the adapter trains.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "nn/linear.h"
#include "ops/autograd.h"
#include "ops/elementwise.h"
#include "quant/q4_k.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

std::vector<float> noise(std::size_t n, unsigned seed, float width) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, width);
  std::vector<float> out(n);
  for (float& v : out) v = normal(rng);
  return out;
}

class LoraStep : public testing::TestWithParam<std::string> {};

TEST_P(LoraStep, GradientsAreRightAndAStepHelps) {
  auto rt = test::runtime(GetParam(), 1, ComputeMode::exact);
  constexpr std::int64_t in = 256, out = 6, rank = 3, rows = 4;
  const auto dense = noise(static_cast<std::size_t>(in * out), 1, 0.06f);
  std::vector<std::byte> blocks(static_cast<std::size_t>(DType(q4_k).row_bytes(in * out)));
  q4_k.encode(dense.data(), blocks.data(), in * out);
  Linear map(out, in);
  map.weight.value = Tensor::from_bytes(*rt, {out, in}, q4_k, blocks);
  map.adapter = std::make_shared<Adapter>();
  map.adapter->scale = 0.5f;

  auto a = noise(static_cast<std::size_t>(rank * in), 2, 0.1f), b = noise(static_cast<std::size_t>(out * rank), 3, 0.1f);
  auto x_values = noise(static_cast<std::size_t>(rows * in), 4, 1.0f);
  const auto target = noise(static_cast<std::size_t>(rows * out), 5, 1.0f);
  struct Result {
    double loss;
    std::vector<float> da, db, dx;
  };
  const auto run = [&](bool grads) {
    Tensor x = Tensor::from_host(*rt, {rows, in}, x_values);
    map.adapter->a = Tensor::from_host(*rt, {rank, in}, a);
    map.adapter->b = Tensor::from_host(*rt, {out, rank}, b);
    if (grads) {
      require_grad(map.adapter->a);
      require_grad(map.adapter->b);
      require_grad(x);
    }
    const Tensor error = ops::sub(map(x), Tensor::from_host(*rt, {rows, out}, target));
    const Tensor loss = ops::sum_all(ops::mul(error, error));
    Result r{loss.item(), {}, {}, {}};
    if (grads) {
      ops::backward(loss);
      r.da = map.adapter->a.grad_node()->grad.to_host();
      r.db = map.adapter->b.grad_node()->grad.to_host();
      r.dx = x.grad_node()->grad.to_host();
    }
    return r;
  };
  const Result base = run(true);
  const auto numeric = [&](float& v) {
    const float kept = v, h = 1e-2f;
    v = kept + h;
    const double up = run(false).loss;
    v = kept - h;
    const double down = run(false).loss;
    v = kept;
    return (up - down) / (2.0 * static_cast<double>(h));
  };
  for (const std::size_t i : {std::size_t{0}, std::size_t{100}, a.size() - 1}) EXPECT_NEAR(base.da[i], numeric(a[i]), 2e-3 * (1 + std::abs(base.da[i])));
  for (std::size_t i = 0; i < b.size(); ++i) EXPECT_NEAR(base.db[i], numeric(b[i]), 2e-3 * (1 + std::abs(base.db[i])));
  for (const std::size_t i : {std::size_t{3}, std::size_t{500}}) EXPECT_NEAR(base.dx[i], numeric(x_values[i]), 2e-3 * (1 + std::abs(base.dx[i])));
  EXPECT_FALSE(map.weight.value.requires_grad());

  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= 1e-3f * base.da[i];
  for (std::size_t i = 0; i < b.size(); ++i) b[i] -= 1e-3f * base.db[i];
  EXPECT_LT(run(false).loss, base.loss);
}

INSTANTIATE_TEST_SUITE_P(Backends, LoraStep, testing::Values("ref", "cpu"), [](const auto& p) { return p.param; });

}  // namespace
}  // namespace tashika
