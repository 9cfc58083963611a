#include "cpu/reference.h"
#include "ops/conv.h"
#include "ops/elementwise.h"

namespace tashika::test {
namespace {

struct Case {
  std::int64_t n, c, h, w, o, kh, kw;
  Conv2dAttrs a;
};
const Case cases[] = {
    {1, 3, 9, 8, 5, 3, 3, {1, 1, 1, 1}},
    {2, 16, 7, 5, 8, 3, 3, {2, 2, 1, 1}},
    {1, 40, 23, 25, 33, 1, 1, {}},          // more positions than a block of 480
    {1, 70, 5, 6, 17, 3, 3, {1, 1, 1, 1}},  // a window longer than a chunk of 512
    {1, 4, 10, 11, 6, 3, 2, {1, 2, 2, 0, 2, 3}},
    {2, 8, 6, 6, 12, 3, 3, {1, 1, 1, 1, 1, 1, 4}},
    {1, 19, 8, 9, 19, 3, 3, {1, 2, 1, 1, 1, 1, 19}},
    {1, 2, 1, 1, 3, 1, 1, {}},
    {1, 5, 4, 30, 4, 1, 7, {1, 3, 0, 3}},
};

TEST(Conv2d, MatchesTheReference) {
  for (const Case& s : cases) {
    same_as_reference([&](Runtime& rt) {
      const Tensor x = random_tensor(rt, {s.n, s.c, s.h, s.w}, 1), w = random_tensor(rt, {s.o, s.c / s.a.groups, s.kh, s.kw}, 2);
      const Tensor b = random_tensor(rt, {s.o}, 3);
      const Tensor wide = random_tensor(rt, {s.n, s.c, s.h, s.w + 2}, 4).slice(3, 1, s.w + 1);
      return std::vector<Tensor>{ops::conv2d(x, w, b, s.a), ops::conv2d(ops::channels_last(x), w, {}, s.a),
                                 ops::conv2d(wide, ops::cast(w, f16), ops::cast(b, bf16), s.a),
                                 ops::conv2d(ops::cast(ops::channels_last(x), bf16), ops::cast(w, bf16), b, s.a)};
    }, 2e-5);
  }
}

TEST(Conv2d, FastModeRoundsToBf16AndIsTheSameOnAnyThreads) {
  for (const Case& s : cases) {
    Runtime ref("ref", ref_kernels(), RuntimeOptions{.threads = 1});
    const auto make = [&](Runtime& rt) {
      const Tensor w = ops::cast(random_tensor(rt, {s.o, s.c / s.a.groups, s.kh, s.kw}, 2), bf16);
      return ops::conv2d(random_tensor(rt, {s.n, s.c, s.h, s.w}, 1), w, random_tensor(rt, {s.o}, 3), s.a).to_host();
    };
    const std::vector<float> want = make(ref);
    for (const auto isa : cpu::available_isas()) {
      CpuRuntime one(isa, 1, ComputeMode::fast), two(isa, 2, ComputeMode::fast, true);
      const std::vector<float> got = make(one.rt);
      EXPECT_TRUE(same_bits(got, make(two.rt))) << isa;
      for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 0.02 * std::sqrt(static_cast<double>(s.c * s.kh * s.kw))) << isa;
    }
  }
}

}  // namespace
}  // namespace tashika::test
