// linear, experts and matmul as ops on the CPU backend: several weights, biases, addends, strides, threads, batches.
#include "backend/contract/matmul.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "backend/contract/elementwise.h"
#include "quant/formats.h"
#include "support.h"

namespace tashika::test {
namespace {

Tensor weight(Runtime& rt, DType type, std::int64_t n, std::int64_t k, std::uint64_t seed) {
  static std::map<std::tuple<std::string_view, std::int64_t, std::int64_t, std::uint64_t>, std::vector<std::byte>> made;
  std::vector<std::byte>& bytes = made[{type->name, n, k, seed}];
  if (bytes.empty()) {  // encoding is slow, and every instruction set takes the same weights
    const std::vector<float> values = Random(seed).vector(n * k, -0.5f, 0.6f);
    bytes.resize(static_cast<std::size_t>(type.row_bytes(n * k)));
    type->encode(values.data(), bytes.data(), n * k);
  }
  return Tensor::from_bytes(rt, {n, k}, type, bytes);
}

std::vector<float> decoded(const Tensor& t) {
  std::vector<float> out(static_cast<std::size_t>(t.numel()));
  const std::int64_t k = t.size(1);
  for (std::int64_t r = 0; r < t.size(0); ++r) {
    t.dtype()->decode(t.data() + t.dtype().row_bytes(r * t.strides()[0]), out.data() + r * k, k);
  }
  return out;
}

// y = x W^T in double.
std::vector<double> product(const std::vector<float>& x, const std::vector<float>& w, std::int64_t m, std::int64_t n, std::int64_t k) {
  std::vector<double> y(static_cast<std::size_t>(m * n));
  for (std::int64_t t = 0; t < m; ++t) {
    for (std::int64_t r = 0; r < n; ++r) {
      double sum = 0;
      for (std::int64_t i = 0; i < k; ++i) sum += static_cast<double>(x[static_cast<std::size_t>(t * k + i)]) * w[static_cast<std::size_t>(r * k + i)];
      y[static_cast<std::size_t>(t * n + r)] = sum;
    }
  }
  return y;
}

double spread(const std::vector<double>& y) {
  double square = 0;
  for (const double v : y) square += v * v;
  return std::sqrt(square / static_cast<double>(y.size()));
}

TEST(Linear, SeveralWeightsOfDifferentTypesShareTheirInput) {
  for (const std::string_view isa : cpu::available_isas()) {
    for (const ComputeMode mode : {ComputeMode::exact, ComputeMode::fast}) {
      CpuRuntime r(isa, 2, mode);
      const std::int64_t m = 5, k = 512;
      const Tensor wide = random_tensor(r.rt, {m, k + 16}, 1);
      const Tensor x = wide.slice(1, 8, 8 + k);  // rows further apart than they are long
      std::vector<float> values;
      for (std::int64_t t = 0; t < m; ++t) values.insert(values.end(), x.as<float>() + t * (k + 16), x.as<float>() + t * (k + 16) + k);
      const Tensor tall = weight(r.rt, find_dtype("q4_k"), 64, k, 2);
      const Tensor every_other = tall.strided({32, k}, {2 * k, 1});
      const Tensor w[] = {every_other, weight(r.rt, find_dtype("q8_0"), 7, k, 3), weight(r.rt, bf16, 33, k, 4), weight(r.rt, f16, 1, k, 5)};
      const Tensor bias = weight(r.rt, bf16, 1, 33, 6).view({33});
      const Tensor addend = random_tensor(r.rt, {m, 7}, 7);
      std::vector<Tensor> y;
      for (const Tensor& each : w) y.push_back(Tensor::empty(r.rt, {m, each.size(0)}, f32));
      run(r.rt, linear_op, {x, w[0], {}, {}, w[1], {}, addend, w[2], bias, {}, w[3], {}, {}}, {y[0], y[1], y[2], y[3]});
      for (std::size_t i = 0; i < 4; ++i) {
        const std::int64_t n = w[i].size(0);
        std::vector<double> expected = product(values, decoded(w[i]), m, n, k);
        const double scale = spread(expected);
        const std::vector<float> biases = decoded(bias.view({1, 33}));
        for (std::int64_t j = 0; j < m * n; ++j) {
          const auto at = static_cast<std::size_t>(j);
          double want = expected[at];
          if (i == 2) want += biases[static_cast<std::size_t>(j % n)];
          if (i == 1) want += addend.as<float>()[j];
          ASSERT_NEAR(y[i].as<float>()[j], want, scale * (mode == ComputeMode::exact ? 1e-5 : 0.05)) << isa << " weight " << i;
        }
      }
    }
  }
}

TEST(Linear, ThreadsAndBatchesChangeNoBit) {
  for (const std::string_view isa : cpu::available_isas()) {
    for (const ComputeMode mode : {ComputeMode::exact, ComputeMode::fast}) {
      for (const char* name : {"q4_k", "q6_k", "q8_0", "bf16", "f32"}) {
        CpuRuntime one(isa, 1, mode), two(isa, 2, mode, true);
        const std::int64_t n = 300, k = 768, m = 9;
        const DType type = find_dtype(name);
        const Tensor w1 = weight(one.rt, type, n, k, 2), w2 = weight(two.rt, type, n, k, 2);
        const Tensor x1 = random_tensor(one.rt, {m, k}, 1), x2 = random_tensor(two.rt, {m, k}, 1);
        Tensor y1 = Tensor::empty(one.rt, {m, n}, f32), y2 = Tensor::empty(two.rt, {m, n}, f32);
        run(one.rt, linear_op, {x1, w1, {}, {}}, {y1});
        two.rt.pool().took_part();
        run(two.rt, linear_op, {x2, w2, {}, {}}, {y2});
        EXPECT_TRUE(same_bits(y1.to_host(), y2.to_host())) << isa << " " << name;
        for (std::int64_t t = 0; t < m; ++t) {
          Tensor y = Tensor::empty(two.rt, {1, n}, f32);
          run(two.rt, linear_op, {x2.slice(0, t, t + 1), w2, {}, {}}, {y});
          EXPECT_EQ(0, std::memcmp(y.data(), y1.as<float>() + t * n, static_cast<std::size_t>(n) * 4)) << isa << " " << name << " row " << t;
        }
      }
    }
  }
}

TEST(Linear, BothThreadsTakePart) {
  CpuRuntime r("", 2, ComputeMode::fast, true);
  const Tensor w = weight(r.rt, find_dtype("q8_0"), 1024, 1024, 2), x = random_tensor(r.rt, {16, 1024}, 1);
  Tensor y = Tensor::empty(r.rt, {16, 1024}, f32);
  int most = 0;
  for (int i = 0; i < 200 && most < 2; ++i) {  // a busy machine may keep the second thread away for a while
    r.rt.pool().took_part();
    run(r.rt, linear_op, {x, w, {}, {}}, {y});
    most = std::max(most, r.rt.pool().took_part());
  }
  EXPECT_EQ(most, 2);
}

TEST(Linear, MoreRowsThanOneBlock) {
  for (const std::string_view isa : {cpu::available_isas().front(), cpu::available_isas().back()}) {
    CpuRuntime r(isa, 2, ComputeMode::fast);
    for (const char* name : {"q4_k", "q8_0", "bf16", "f32"}) {
      const std::int64_t m = 515, k = 256, n = 40;
      const Tensor w = weight(r.rt, find_dtype(name), n, k, 2), x = random_tensor(r.rt, {m, k}, 1);
      Tensor y = Tensor::empty(r.rt, {m, n}, f32), part = Tensor::empty(r.rt, {2, n}, f32);
      run(r.rt, linear_op, {x, w, {}, {}}, {y});
      for (const std::int64_t at : {0, 251, 503, 511, 513}) {
        run(r.rt, linear_op, {x.slice(0, at, at + 2), w, {}, {}}, {part});
        EXPECT_EQ(0, std::memcmp(part.data(), y.as<float>() + at * n, 2 * static_cast<std::size_t>(n) * 4)) << isa << " " << name << " row " << at;
      }
    }
  }
}

// Every part of a row is a linear of its own, bit for bit, more rows than one block holds included.
TEST(GroupedLinear, IsALinearForEachPart) {
  for (const std::string_view isa : cpu::available_isas()) {
    for (const ComputeMode mode : {ComputeMode::exact, ComputeMode::fast}) {
      CpuRuntime r(isa, 2, mode, true);
      for (const char* name : {"f32", "bf16", "f16", "q8_0"}) {
        const std::int64_t m = 515, groups = 3, k = 32, n = 21;
        const Tensor wide = random_tensor(r.rt, {m, groups, k + 7}, 1), x = wide.slice(2, 3, 3 + k);
        const Tensor both = weight(r.rt, find_dtype(name), groups * (n + 2), k, 2).view({groups, n + 2, k}), w = both.slice(1, 1, 1 + n);
        Tensor y = Tensor::empty(r.rt, {m, groups, n}, f32), part = Tensor::empty(r.rt, {m, n}, f32);
        run(r.rt, grouped_linear_op, {x, w}, {y});
        for (std::int64_t g = 0; g < groups; ++g) {
          run(r.rt, linear_op, {x.select(1, g), w.select(0, g), {}, {}}, {part});
          for (std::int64_t t = 0; t < m; ++t) {
            ASSERT_EQ(0, std::memcmp(part.as<float>() + t * n, y.as<float>() + (t * groups + g) * n, static_cast<std::size_t>(n) * 4)) << isa << " " << name << " row " << t;
          }
        }
      }
    }
  }
}

float silu(float v) { return v / (1.0f + std::exp(-v)); }

TEST(Experts, OnlyTheChosenOnesCountAndNothingElseChanges) {
  for (const std::string_view isa : cpu::available_isas()) {
    for (const ComputeMode mode : {ComputeMode::exact, ComputeMode::fast}) {
      CpuRuntime r(isa, 2, mode, true);
      const std::int64_t tokens = 7, d = 256, hidden = 256, count = 4, slots = 2;
      const Tensor x = random_tensor(r.rt, {tokens, d}, 1);
      std::vector<std::int32_t> ids;
      for (std::int64_t i = 0; i < tokens; ++i) ids.insert(ids.end(), {static_cast<std::int32_t>(i % 3), static_cast<std::int32_t>(i % 3 == 1 ? 3 : 1)});
      const Tensor chosen = Tensor::from_host(r.rt, {tokens, slots}, ids), mix = random_tensor(r.rt, {tokens, slots}, 5, 0.1f, 0.9f);
      std::vector<Tensor> in{x, chosen, mix};
      const char* types[] = {"q4_k", "q8_0", "bf16", "q6_k"};
      for (std::int64_t e = 0; e < count; ++e) {
        const DType type = find_dtype(types[e]);
        in.push_back(weight(r.rt, type, hidden, d, static_cast<std::uint64_t>(10 + e)));
        in.push_back(weight(r.rt, e == 1 ? DType(f32) : type, hidden, d, static_cast<std::uint64_t>(20 + e)));
        in.push_back(weight(r.rt, type, d, hidden, static_cast<std::uint64_t>(30 + e)));
      }
      const ExpertsAttrs attrs{static_cast<int>(Unary::silu), count};
      const auto call = [&](std::int64_t from, std::int64_t to) {
        std::vector<Tensor> inputs = in;
        for (int i = 0; i < 3; ++i) inputs[static_cast<std::size_t>(i)] = in[static_cast<std::size_t>(i)].slice(0, from, to);
        Tensor out = Tensor::empty(r.rt, {to - from, d}, f32);
        const Call c{r.rt, inputs, {&out, 1}, &attrs};
        const Kernel* kernel = r.rt.kernels().find(experts_op, c);
        EXPECT_NE(kernel, nullptr);
        kernel->run(c);
        return out.to_host();
      };
      const std::vector<float> all = call(0, tokens);
      for (std::int64_t t = 0; t < tokens; ++t) {
        const std::vector<float> alone = call(t, t + 1);
        EXPECT_EQ(0, std::memcmp(alone.data(), all.data() + t * d, static_cast<std::size_t>(d) * 4)) << isa << " token " << t;
        std::vector<double> want(static_cast<std::size_t>(d));
        const std::vector<float> row(x.as<float>() + t * d, x.as<float>() + (t + 1) * d);
        for (std::int64_t j = 0; j < slots; ++j) {
          const auto e = static_cast<std::size_t>(ids[static_cast<std::size_t>(t * slots + j)]);
          const auto gate = product(row, decoded(in[3 + 3 * e]), 1, hidden, d), up = product(row, decoded(in[4 + 3 * e]), 1, hidden, d);
          std::vector<float> h(static_cast<std::size_t>(hidden));
          for (std::size_t i = 0; i < h.size(); ++i) h[i] = silu(static_cast<float>(gate[i])) * static_cast<float>(up[i]);
          const auto down = product(h, decoded(in[5 + 3 * e]), 1, d, hidden);
          for (std::size_t i = 0; i < want.size(); ++i) want[i] += mix.as<float>()[t * slots + j] * down[i];
        }
        const double scale = spread(want);
        for (std::size_t i = 0; i < want.size(); ++i) {
          ASSERT_NEAR(all[static_cast<std::size_t>(t * d) + i], want[i], scale * (mode == ComputeMode::exact ? 3e-5 : 0.1)) << isa;
        }
      }
    }
  }
}

TEST(Matmul, AnyStrides) {
  for (const std::string_view isa : cpu::available_isas()) {
    CpuRuntime r(isa, 2);
    const std::int64_t m = 19, k = 37, n = 23;
    const Tensor a = random_tensor(r.rt, {2, m, k}, 1), b = random_tensor(r.rt, {2, k, n}, 2);
    const Tensor bt = random_tensor(r.rt, {2, n, k}, 3).transpose(1, 2);
    const Tensor at = random_tensor(r.rt, {2, k, m}, 4).transpose(1, 2);
    for (const Tensor* left : {&a, &at}) {
      for (const Tensor* right : {&b, &bt}) {
        Tensor y = Tensor::empty(r.rt, {2, m, n}, f32);
        run(r.rt, matmul_op, {*left, *right}, {y});
        const std::vector<float> u = left->to_host(), v = right->to_host();
        for (std::int64_t batch = 0; batch < 2; ++batch) {
          for (std::int64_t i = 0; i < m; ++i) {
            for (std::int64_t j = 0; j < n; ++j) {
              double sum = 0;
              for (std::int64_t p = 0; p < k; ++p) {
                sum += static_cast<double>(u[static_cast<std::size_t>((batch * m + i) * k + p)]) * v[static_cast<std::size_t>((batch * k + p) * n + j)];
              }
              ASSERT_NEAR(y.as<float>()[(batch * m + i) * n + j], sum, 1e-5) << isa;
            }
          }
        }
      }
    }
  }
}

TEST(GatherRows, DecodesEachType) {
  CpuRuntime r("", 2, ComputeMode::fast, true);
  for (const char* name : {"q4_k", "q6_k", "q8_0", "bf16", "f16", "f32"}) {
    const Tensor table = weight(r.rt, find_dtype(name), 9, 512, 3);
    const std::vector<std::int32_t> ids{8, 0, 3, 3};
    Tensor out = Tensor::empty(r.rt, {4, 512}, f32);
    run(r.rt, gather_rows_op, {table, Tensor::from_host(r.rt, {4}, ids)}, {out});
    const std::vector<float> all = decoded(table), got = out.to_host();
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i], all[static_cast<std::size_t>(ids[i / 512]) * 512 + i % 512]) << name;
    }
  }
}

}  // namespace
}  // namespace tashika::test
