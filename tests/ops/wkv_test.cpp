// The recurrences' kernels against their composition, and the composition's gradients by finite differences in f64.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "ops/autograd.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/wkv.h"
#include "support/runtimes.h"
#include "tensor/tape.h"

namespace tashika {
namespace {

using Inputs = std::vector<Tensor>;
using Segments = std::vector<RecurrenceSegment>;

struct Case {
  const char* name;
  std::vector<Shape> shapes;       // the two states are the last
  std::function<ops::Recurrence(const Inputs&, const Segments&)> run;
};

constexpr std::int64_t rows = 5, heads = 2, n = 3;
const Segments segments = {{0, 3}, {3, 2}};

ops::Recurrence run4(const Inputs& x, const Segments& s) {
  const Tensor decay = ops::affine(ops::exp(x[2]), -1.0f, 0.0f);
  const Tensor states[] = {ops::exp(x[4]), ops::exp(x[5])};  // a denominator is positive
  return ops::wkv4(x[0], x[1], decay, x[3], states, s);
}
ops::Recurrence run6(const Inputs& x, const Segments& s) { return ops::wkv6(x[0], x[1], x[2], ops::sigmoid(x[3]), x[4], std::span(x).subspan(5), s); }
ops::Recurrence run7(const Inputs& x, const Segments& s) {
  return ops::wkv7(x[0], ops::sigmoid(x[1]), x[2], x[3], x[4], x[5], std::span(x).subspan(6), s);
}

std::vector<Case> cases() {
  const Shape row = {rows, heads, n}, state = {heads, n, n}, flat = {rows, 4}, channel = {4}, state4 = {3, 4};
  return {{"wkv4", {flat, flat, channel, channel, state4, state4}, run4},
          {"wkv6", {row, row, row, row, {heads, n}, state, state}, run6},
          {"wkv6_constant_decay", {row, row, row, {1, heads, n}, {heads, n}, state, state}, run6},
          {"wkv7", {row, row, row, row, row, row, state, state}, run7}};
}

class Wkv : public testing::TestWithParam<Case> {
 protected:
  Inputs inputs(Runtime& rt, DType dtype) const {
    std::mt19937 rng(5);
    std::normal_distribution<float> normal(0.0f, 0.6f);
    Inputs out;
    for (const Shape& shape : GetParam().shapes) {
      std::vector<float> v(static_cast<std::size_t>(shape.numel()));
      for (float& x : v) x = normal(rng);
      out.push_back(ops::cast(Tensor::from_host(rt, shape, v), dtype));
    }
    return out;
  }
  // A number that depends on every result, each element weighted differently.
  static Tensor loss(const ops::Recurrence& r) {
    Tensor total = weighted(r.y);
    for (const Tensor& s : r.states) total = ops::add(total, weighted(s));
    return total;
  }
  static Tensor weighted(const Tensor& t) {
    std::vector<float> w(static_cast<std::size_t>(t.numel()));
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::sin(static_cast<float>(3 * i + 1));
    return ops::sum_all(ops::mul(t, ops::cast(Tensor::from_host(t.runtime(), t.shape(), w), t.dtype())));
  }
};

TEST_P(Wkv, KernelIsTheComposition) {
  for (const char* backend : {"ref", "cpu"}) {
    const auto rt = test::runtime(backend, 1, ComputeMode::exact);
    Inputs plain = inputs(*rt, f32), recorded = inputs(*rt, f32);
    for (Tensor& t : recorded) require_grad(t);
    const ops::Recurrence kernel = GetParam().run(plain, segments), composed = GetParam().run(recorded, segments);
    ASSERT_FALSE(kernel.y.requires_grad());
    ASSERT_TRUE(composed.y.requires_grad());
    const auto near = [&](const Tensor& a, const Tensor& b) {
      const std::vector<float> x = a.to_host(), y = b.to_host();
      ASSERT_EQ(x.size(), y.size());
      for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], y[i], 2e-6 * (1 + std::abs(y[i]))) << backend;
    };
    near(kernel.y, composed.y);
    for (std::size_t i = 0; i < 2; ++i) near(kernel.states[i], composed.states[i]);
  }
}

TEST_P(Wkv, GradientIsTheSlope) {
  const auto rt = test::runtime("ref", 1, ComputeMode::exact);
  Inputs x = inputs(*rt, f32);
  for (Tensor& t : x) require_grad(t);
  ops::backward(loss(GetParam().run(x, segments)));
  const Inputs base = inputs(*rt, f64);
  const double step = 1e-3;
  for (std::size_t i = 0; i < base.size(); ++i) {
    ASSERT_TRUE(x[i].grad_node()->grad.defined()) << "input " << i;
    const std::vector<float> gradient = x[i].grad_node()->grad.to_host(), value = base[i].to_host();
    for (std::size_t j = 0; j < value.size(); ++j) {
      const auto at = [&](double shift) {
        Inputs moved = base;
        // In f64, so that the difference is the slope's and not the rounding's.
        std::vector<float> bump(value.size(), 0.0f);
        bump[j] = static_cast<float>(shift);
        moved[i] = ops::add(base[i], ops::cast(Tensor::from_host(*rt, base[i].shape(), bump), f64));
        return static_cast<double>(loss(GetParam().run(moved, segments)).item());
      };
      const double slope = (at(step * 8) - at(-step * 8)) / (16 * step);
      EXPECT_NEAR(gradient[j], slope, 4e-3 * (1 + std::abs(slope))) << "input " << i << ", element " << j;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Wkv, testing::ValuesIn(cases()), [](const auto& p) { return std::string(p.param.name); });

TEST(WkvShapes, MismatchesAreNamed) {
  const auto rt = test::runtime("ref");
  const Tensor row = Tensor::full(*rt, {2, 1, 4}, 0.5f), state = Tensor::full(*rt, {1, 4, 4}, 0.0f), small = Tensor::full(*rt, {1, 3, 3}, 0.0f);
  const Segments all = {{0, 2}}, short_of_one = {{0, 1}};
  const Tensor bonus = Tensor::full(*rt, {1, 4}, 0.1f);
  EXPECT_THROW(ops::wkv6(row, row, row, row, bonus, {&small, 1}, all), Error);
  EXPECT_THROW(ops::wkv6(row, row, row, row, bonus, {&state, 1}, short_of_one), Error);
  EXPECT_THROW(ops::wkv7(row, row, row, row, row, row, {}, all), Error);
  EXPECT_NO_THROW(ops::wkv6(row, row, row, row, bonus, {&state, 1}, all));
}

}  // namespace
}  // namespace tashika
