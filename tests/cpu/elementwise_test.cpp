#include <cmath>
#include <limits>

#include "backend/contract/elementwise.h"
#include "cpu/support.h"

namespace tashika::test {
namespace {

// The real function, in double.
double truth(Unary fn, double x) {
  switch (fn) {
    case Unary::neg: return -x;
    case Unary::abs: return std::fabs(x);
    case Unary::exp: return std::exp(x);
    case Unary::log: return std::log(x);
    case Unary::sqrt: return std::sqrt(x);
    case Unary::rsqrt: return 1 / std::sqrt(x);
    case Unary::tanh: return std::tanh(x);
    case Unary::sigmoid: return 1 / (1 + std::exp(-x));
    case Unary::relu: return x < 0 ? 0 : x;
    case Unary::silu: return x / (1 + std::exp(-x));
    case Unary::gelu: return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Unary::gelu_tanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Unary::gelu_quick: return x / (1 + std::exp(-1.702 * x));
    case Unary::sin: return std::sin(x);
    case Unary::cos: return std::cos(x);
    case Unary::erf: return std::erf(x);
    case Unary::square: return x * x;
    case Unary::reciprocal: return 1 / x;
    case Unary::log_sigmoid: return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x));
  }
  return 0;
}

double ulps(float got, double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e9;
  const float nearest = static_cast<float>(want);
  if (got == nearest) return 0;
  if (std::isinf(nearest) || std::isinf(got)) return 1e9;
  const double unit = std::max(std::ldexp(1.0, std::ilogb(std::fabs(want)) - 23), 0x1p-149);
  return std::fabs(got - want) / unit;
}

std::vector<float> inputs() {
  Random random(7);
  std::vector<float> x{0.0f, -0.0f, 1.0f, -1.0f, 0x1p-149f, -0x1p-130f, 88.72f, 88.73f, -87.4f, -103.9f, -104.1f, 1e9f, -3e38f,
                       std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), std::nanf("")};
  for (int i = 0; i < 20000; ++i) x.push_back(random.uniform(-12, 12));
  for (int i = 0; i < 20000; ++i) {  // every exponent
    const auto bits = static_cast<std::uint32_t>(random.next());
    float f;
    std::memcpy(&f, &bits, 4);
    x.push_back(f);
  }
  return x;
}

struct Bound {
  Unary fn;
  double limit;  // in ulp of the result
};

TEST(Elementwise, UnaryFunctionsAreAccurate) {
  const std::vector<float> x = inputs();
  for (const auto isa : cpu::available_isas()) {
    CpuRuntime cpu(isa);
    const Tensor in = Tensor::from_host(cpu.rt, Shape{static_cast<std::int64_t>(x.size())}, x);
    for (const Bound b : {Bound{Unary::neg, 0}, {Unary::abs, 0}, {Unary::exp, 1}, {Unary::log, 1}, {Unary::sqrt, 0.5},
                          {Unary::rsqrt, 1.5}, {Unary::tanh, 2}, {Unary::sigmoid, 2.5}, {Unary::relu, 0}, {Unary::silu, 3},
                          {Unary::sin, 0.6}, {Unary::cos, 0.6}, {Unary::erf, 1.2}, {Unary::square, 0.5},
                          {Unary::reciprocal, 0.5}, {Unary::log_sigmoid, 3}}) {
      Tensor out = Tensor::empty(cpu.rt, in.shape(), f32);
      const UnaryAttrs attrs{b.fn};
      run(cpu.rt, unary_op, {in}, {out}, &attrs);
      double worst = 0;
      float at = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (std::isnan(x[i]) || std::isnan(out.as<float>()[i])) {
          EXPECT_EQ(std::isnan(out.as<float>()[i]), std::isnan(truth(b.fn, x[i]))) << static_cast<int>(b.fn) << " " << x[i];
          continue;
        }
        if (b.fn == Unary::silu && x[i] < -85) continue;  // a product with a subnormal
        const double u = ulps(out.as<float>()[i], truth(b.fn, x[i]));
        if (u > worst) worst = u, at = x[i];
      }
      EXPECT_LE(worst, b.limit) << isa << " function " << static_cast<int>(b.fn) << " at " << at;
    }
    for (const Unary fn : {Unary::gelu, Unary::gelu_tanh, Unary::gelu_quick}) {  // absolute where Φ is small
      Tensor out = Tensor::empty(cpu.rt, in.shape(), f32);
      const UnaryAttrs attrs{fn};
      run(cpu.rt, unary_op, {in}, {out}, &attrs);
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (!(std::fabs(x[i]) < 1e4)) continue;
        EXPECT_NEAR(out.as<float>()[i], truth(fn, x[i]), 3e-7 * std::max(1.0f, std::fabs(x[i])) * std::fabs(x[i]) + 0x1p-148) << x[i];
      }
    }
  }
}

TEST(Elementwise, EveryInstructionSetGivesTheSameBits) {
  const std::vector<float> x = inputs();
  std::vector<float> y(x.rbegin(), x.rend());
  std::vector<std::vector<float>> first;
  for (const auto isa : cpu::available_isas()) {
    CpuRuntime cpu(isa);
    const Shape shape{static_cast<std::int64_t>(x.size())};
    const Tensor a = Tensor::from_host(cpu.rt, shape, x), b = Tensor::from_host(cpu.rt, shape, y);
    std::vector<std::vector<float>> results;
    const auto keep = [&](const OpId& op, std::initializer_list<Tensor> in, const void* attrs, DType dtype) {
      Tensor out = Tensor::empty(cpu.rt, shape, dtype);
      run(cpu.rt, op, in, {out}, attrs);
      std::vector<float> host = out.to_host();
      for (float& f : host) f = std::isnan(f) ? std::nanf("") : f;  // the payload of a NaN is free
      results.push_back(std::move(host));
    };
    for (int fn = 0; fn < unary_count; ++fn) {
      const UnaryAttrs attrs{static_cast<Unary>(fn)};
      keep(unary_op, {a}, &attrs, f32);
      keep(unary_op, {a}, &attrs, bf16);
      keep(unary_op, {a}, &attrs, f16);
      const GatedAttrs gate{static_cast<Unary>(fn)};
      keep(gated_op, {a, b}, &gate, f32);
    }
    for (int fn = 0; fn < binary_count; ++fn) {
      const BinaryAttrs attrs{static_cast<Binary>(fn)};
      keep(binary_op, {a, b}, &attrs, f32);
    }
    const AffineAttrs affine{1.25f, -0.3f};
    keep(affine_op, {a}, &affine, f32);
    if (first.empty()) first = results;
    ASSERT_EQ(first.size(), results.size());
    for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(same_bits(first[i], results[i])) << isa << " result " << i;
  }
}

TEST(Elementwise, BinaryMatchesPlainLoops) {
  CpuRuntime cpu(cpu::available_isas().back(), 2, ComputeMode::exact, true);
  for (const std::int64_t n : {1, 15, 16, 17, 33, 1025}) {
    const Tensor a = random_tensor(cpu.rt, {3, n}, 1, 0.1f, 2), row = random_tensor(cpu.rt, {n}, 2, 0.1f, 2);
    const Tensor column = random_tensor(cpu.rt, {3, 1}, 3, 0.1f, 2);
    for (const Tensor& b : {row.expand({3, n}), column.expand({3, n}), random_tensor(cpu.rt, {n, 3}, 4).transpose(0, 1),
                            random_tensor(cpu.rt, {3, n + 5}, 5).slice(1, 2, n + 2)}) {
      const std::vector<float> x = a.to_host(), y = b.to_host();
      for (int fn = 0; fn < binary_count; ++fn) {
        const BinaryAttrs attrs{static_cast<Binary>(fn)};
        const bool compares = fn >= static_cast<int>(Binary::less);
        Tensor out = Tensor::empty(cpu.rt, {3, n}, compares ? boolean : f32);
        run(cpu.rt, binary_op, {a, b}, {out}, &attrs);
        const std::vector<float> got = out.to_host();
        for (std::size_t i = 0; i < got.size(); ++i) {
          float want = 0;
          switch (attrs.fn) {
            case Binary::add: want = x[i] + y[i]; break;
            case Binary::sub: want = x[i] - y[i]; break;
            case Binary::mul: want = x[i] * y[i]; break;
            case Binary::div: want = x[i] / y[i]; break;
            case Binary::maximum: want = std::max(x[i], y[i]); break;
            case Binary::minimum: want = std::min(x[i], y[i]); break;
            case Binary::pow: want = static_cast<float>(std::pow(static_cast<double>(x[i]), static_cast<double>(y[i]))); break;
            case Binary::less: want = x[i] < y[i]; break;
            case Binary::less_equal: want = x[i] <= y[i]; break;
            case Binary::equal: want = x[i] == y[i]; break;
          }
          EXPECT_EQ(got[i], want) << "function " << fn << " of " << x[i] << " and " << y[i];
        }
      }
    }
  }
}

TEST(Elementwise, PowerOfSpecialValuesIsThatOfC) {
  CpuRuntime cpu("scalar");
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> values{0.0f, -0.0f, 1, -1, 2, -2, 3, -3, 0.5f, -0.5f, 1.5f, -1.5f, 16777216.0f, -16777217.0f, inf, -inf,
                                  std::nanf(""), 1e-40f, 3e38f};
  const auto n = static_cast<std::int64_t>(values.size());
  const Tensor v = Tensor::from_host(cpu.rt, {n}, values);
  Tensor out = Tensor::empty(cpu.rt, {n, n}, f32);
  const BinaryAttrs attrs{Binary::pow};
  run(cpu.rt, binary_op, {v.unsqueeze(1).expand({n, n}), v.expand({n, n})}, {out}, &attrs);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      const float x = values[static_cast<std::size_t>(i)], y = values[static_cast<std::size_t>(j)];
      const float got = out.as<float>()[i * n + j];
      const auto want = static_cast<float>(std::pow(static_cast<double>(x), static_cast<double>(y)));
      EXPECT_LE(ulps(got, want), 1) << x << "^" << y;
      if (want == 0) {
        EXPECT_EQ(std::signbit(got), std::signbit(want)) << x << "^" << y;
      }
    }
  }
}

TEST(Elementwise, StridedHalfInputsAndThreadsGiveTheSameBits) {
  for (const auto isa : cpu::available_isas()) {
    CpuRuntime one(isa), two(isa, 2, ComputeMode::exact, true);
    std::vector<float> results[2];
    int i = 0;
    for (CpuRuntime* cpu : {&one, &two}) {
      const Tensor wide = random_tensor(cpu->rt, {7, 5, 33}, 11, -4, 4);
      Tensor half = Tensor::empty(cpu->rt, {7, 5, 33}, f16);
      const AffineAttrs same{1, 0};
      run(cpu->rt, affine_op, {wide}, {half}, &same);
      Tensor out = Tensor::empty(cpu->rt, {33, 7, 5}, f32);
      const GatedAttrs attrs{Unary::silu};
      run(cpu->rt, gated_op, {half.permute({2, 0, 1}), wide.permute({2, 0, 1})}, {out}, &attrs);
      results[i++] = out.to_host();
    }
    EXPECT_TRUE(same_bits(results[0], results[1]));
  }
}

}  // namespace
}  // namespace tashika::test
