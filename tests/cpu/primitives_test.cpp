#include "cpu/reference.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/norm.h"

namespace tashika::test {
namespace {

constexpr std::int64_t lengths[] = {1, 2, 15, 16, 17, 63, 64, 65, 127, 200, 1023, 1025, 2100};

TEST(Norm, RmsAndLayerNorm) {
  same_as_reference([](Runtime& rt) {
    std::vector<Tensor> out;
    for (const std::int64_t n : lengths) {
      const Tensor x = random_tensor(rt, {3, n}, 1, -2, 3), w = random_tensor(rt, {n}, 2), b = random_tensor(rt, {n}, 3);
      out.push_back(ops::rms_norm(x, w, 1e-5f));
      out.push_back(ops::rms_norm(x, {}, 1e-5f));
      out.push_back(ops::layer_norm(x, w, b, 1e-5f));
      out.push_back(ops::layer_norm(x, w, {}, 1e-5f));
      out.push_back(ops::layer_norm(x, {}, {}, 1e-5f));
      out.push_back(ops::rms_norm(ops::cast(x, bf16), ops::cast(w, f16), 1e-6f));
      // Rows of a wider tensor, at an odd offset.
      out.push_back(ops::rms_norm(random_tensor(rt, {4, n + 3}, 4).slice(1, 1, n + 1), w, 1e-6f));
      out.push_back(ops::layer_norm(random_tensor(rt, {2, n, 3}, 5).transpose(1, 2), w, b, 1e-6f));
    }
    return out;
  }, 2e-5);
}

TEST(Norm, ARowDoesNotDependOnItsNeighbours) {
  CpuRuntime cpu(cpu::available_isas().back(), 2);
  const Tensor x = random_tensor(cpu.rt, {300, 200}, 1), w = random_tensor(cpu.rt, {200}, 2);
  const std::vector<float> all = ops::rms_norm(x, w, 1e-5f).to_host();
  for (const std::int64_t r : {0, 7, 299}) {
    const std::vector<float> one = ops::rms_norm(x.slice(0, r, r + 1), w, 1e-5f).to_host();
    EXPECT_EQ(0, std::memcmp(one.data(), all.data() + r * 200, 800));
  }
}

TEST(Norm, GroupNormOfBothMemoryOrders) {
  same_as_reference([](Runtime& rt) {
    std::vector<Tensor> out;
    struct Case {
      std::int64_t n, c, h, w, groups;
    };
    for (const Case s : {Case{1, 4, 3, 5, 2}, {2, 32, 7, 9, 8}, {1, 40, 40, 33, 4}, {2, 6, 1, 1, 3}, {1, 64, 70, 1, 32}, {1, 16, 1, 1, 1}}) {
      const Tensor x = random_tensor(rt, {s.n, s.c, s.h, s.w}, 1, -1, 4);
      const Tensor last = random_tensor(rt, {s.n, s.h, s.w, s.c}, 2, -3, 1).permute({0, 3, 1, 2});
      const Tensor w = random_tensor(rt, {s.c}, 3), b = random_tensor(rt, {s.c}, 4);
      for (const Tensor& t : {x, last, ops::cast(last, f16)}) {
        out.push_back(ops::group_norm(t, s.groups, w, b, 1e-5f));
        out.push_back(ops::group_norm(t, s.groups, {}, {}, 1e-6f));
      }
      // Some channels of a wider tensor.
      if (s.c >= 8) out.push_back(ops::group_norm(random_tensor(rt, {s.n, s.h, s.w, s.c + 3}, 5).permute({0, 3, 1, 2}).slice(1, 2, s.c + 2), s.groups, w, b, 1e-5f));
    }
    return out;
  }, 5e-5);
}

TEST(Softmax, MatchesTheReference) {
  same_as_reference([](Runtime& rt) {
    std::vector<Tensor> out;
    for (const std::int64_t n : lengths) {
      out.push_back(ops::softmax(random_tensor(rt, {3, n}, 1, -30, 30)));
      out.push_back(ops::softmax(random_tensor(rt, {2, n, 3}, 2, -3, 3).transpose(1, 2)));
    }
    std::vector<float> masked{-INFINITY, 1, 2, -INFINITY, 3};
    out.push_back(ops::softmax(Tensor::from_host(rt, {1, 5}, masked)));
    return out;
  }, 2e-6);
}

TEST(Reduce, SumAndMaximum) {
  same_as_reference([](Runtime& rt) {
    std::vector<Tensor> out;
    for (const std::int64_t n : lengths) {
      const Tensor x = random_tensor(rt, {3, n}, 1), y = random_tensor(rt, {n, 3}, 2);
      out.push_back(ops::sum(x, -1));
      out.push_back(ops::max(x, -1));
      out.push_back(ops::sum(y, 0));
      out.push_back(ops::max(ops::cast(y, bf16), 0));
      out.push_back(ops::sum_all(x));
    }
    std::vector<float> odd{1, std::nanf(""), 3, -INFINITY};
    out.push_back(ops::max(Tensor::from_host(rt, {2, 2}, std::span<const float>(odd).subspan(0, 4)), -1).slice(0, 1, 2));
    return out;
  }, 2e-4);
}

TEST(Reduce, NanIsTheMaximum) {
  for (const auto isa : cpu::available_isas()) {
    CpuRuntime cpu(isa);
    for (const std::int64_t at : {0, 3, 15, 16, 39}) {
      Random random(1);
      std::vector<float> x = random.vector(40);
      x[static_cast<std::size_t>(at)] = std::nanf("");
      EXPECT_TRUE(std::isnan(ops::max(Tensor::from_host(cpu.rt, {40}, x), -1).item()));
    }
  }
}

TEST(Layout, CopiesOfAnyStridesAndTypes) {
  same_as_reference([](Runtime& rt) {
    std::vector<Tensor> out;
    for (const std::int64_t n : {1, 5, 17, 40, 70, 1100}) {
      const Tensor x = random_tensor(rt, {3, n, 4}, 1, -100, 100);
      for (const DType dtype : {DType(f32), DType(f16), DType(bf16), DType(i32), DType(i64), DType(i8), DType(u8), DType(boolean), DType(f64)}) {
        const Tensor y = ops::cast(x, dtype);
        out.push_back(y);
        out.push_back(ops::contiguous(y.permute({2, 0, 1})));
        out.push_back(ops::contiguous(y.transpose(1, 2)));
        out.push_back(ops::cast(y.transpose(0, 1), f32));
        out.push_back(ops::contiguous(y.slice(1, n / 2, n)));
        out.push_back(ops::contiguous(y.slice(2, 1, 2).expand({3, n, 6})));
        out.push_back(ops::cast(y.select(0, 1).transpose(0, 1), i32));
      }
      out.push_back(ops::contiguous(random_tensor(rt, {2, n, 3, 33}, 2).permute({0, 3, 2, 1})));
      out.push_back(ops::contiguous(random_tensor(rt, {2, 40, n}, 3).transpose(1, 2)));
    }
    out.push_back(ops::cast(Tensor::full(rt, {}, 2.5f), f16));
    return out;
  }, 0);
}

TEST(Layout, WideIntegersKeepTheirBits) {
  CpuRuntime cpu("scalar");
  const std::vector<std::int64_t> values{(std::int64_t{1} << 53) + 1, -1, 2147483647, -2147483648};
  const Tensor x = Tensor::from_bytes(cpu.rt, {4}, i64, std::as_bytes(std::span(values)));
  EXPECT_EQ(ops::contiguous(x.strided({2}, {2})).to_host_int(), (std::vector<std::int64_t>{values[0], values[2]}));
  EXPECT_EQ(ops::cast(x.slice(0, 1, 4), i32).to_host_int(), (std::vector<std::int64_t>{-1, 2147483647, -2147483648}));
}

TEST(Layout, ConcatWhereScatter) {
  same_as_reference([](Runtime& rt) {
    std::vector<Tensor> out;
    for (const std::int64_t n : {1, 6, 33, 1030}) {
      const Tensor a = random_tensor(rt, {2, 3, n}, 1), b = random_tensor(rt, {n, 3, 2}, 2).permute({2, 1, 0});
      for (int dim = 0; dim < 3; ++dim) {
        const std::vector<Tensor> parts{a, b, a};
        out.push_back(ops::concat(parts, dim));
      }
      const Tensor mask = ops::binary(Binary::less, a, b);
      out.push_back(ops::where(mask, a, b));
      out.push_back(ops::where(mask.slice(0, 0, 1).expand({2, 3, n}), ops::cast(a, bf16), ops::cast(b, bf16)));
      const std::vector<std::int32_t> ids{2, 0, 2, 4, 4, 4};
      out.push_back(ops::scatter_add(random_tensor(rt, {6, n}, 3), Tensor::from_host(rt, {6}, ids), 5));
    }
    return out;
  }, 1e-6);
}

TEST(TopK, LargestFirstAndOfEqualsTheLowestIndex) {
  same_as_reference([](Runtime& rt) {
    std::vector<Tensor> out;
    for (const std::int64_t n : {1, 2, 8, 65, 130, 1000}) {
      Random random(5);
      std::vector<float> x = random.vector(3 * n, -4, 4);
      for (float& v : x) v = std::round(v * 4) / 4;  // many equals
      const Tensor t = Tensor::from_host(rt, {3, n}, x);
      for (const std::int64_t k : {std::int64_t{1}, std::min<std::int64_t>(n, 2), std::min<std::int64_t>(n, 8), n}) {
        const ops::TopK top = ops::top_k(t, k);
        out.push_back(top.values);
        out.push_back(top.ids);
      }
    }
    return out;
  }, 0);
}

}  // namespace
}  // namespace tashika::test
