// Seam: the residual block of a diffusion UNet (Ho et al. 2020): GroupNorm, SiLU, convolution, a time
// embedding added per channel, a 1×1 shortcut. Memory is channels-last; attention over H·W is a view.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "nn/linear.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/norm.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

struct Conv2d : Module {
  Param weight, bias;
  std::int64_t pad;
  Conv2d(std::int64_t out, std::int64_t in, std::int64_t size) : weight({out, in, size, size}), bias({out}), pad(size / 2) {}
  void parts(Visitor& v) override {
    v("weight", weight);
    v("bias", bias);
  }
  Tensor operator()(const Tensor& x) const { return ops::conv2d(x, weight, bias, {1, 1, pad, pad, 1, 1, 1}); }
};

struct GroupNorm : Module {
  Param weight, bias;
  std::int64_t groups;
  GroupNorm(std::int64_t channels, std::int64_t g) : weight({channels}), bias({channels}), groups(g) {}
  void parts(Visitor& v) override {
    v("weight", weight);
    v("bias", bias);
  }
  Tensor operator()(const Tensor& x) const { return ops::group_norm(x, groups, weight, bias, 1e-5f); }
};

struct ResnetBlock : Module {
  GroupNorm norm1, norm2;
  Conv2d conv1, conv2, conv_shortcut;
  Linear time_emb_proj;
  ResnetBlock(std::int64_t in, std::int64_t out, std::int64_t time)
      : norm1(in, 3), norm2(out, 4), conv1(out, in, 3), conv2(out, out, 3), conv_shortcut(out, in, 1), time_emb_proj(out, time) {}
  void parts(Visitor& v) override {
    v("norm1", norm1);
    v("conv1", conv1);
    v("time_emb_proj", time_emb_proj);
    v("norm2", norm2);
    v("conv2", conv2);
    v("conv_shortcut", conv_shortcut);
  }
  Tensor operator()(const Tensor& x, const Tensor& time) const {
    const Tensor shift = time_emb_proj(ops::silu(time));
    Tensor h = conv1(ops::silu(norm1(x)));
    h = ops::add(h, ops::reshape(shift, {shift.size(0), shift.size(1), 1, 1}));
    h = conv2(ops::silu(norm2(h)));
    return ops::add(conv_shortcut(x), h);
  }
};

void randomise(Module& m, Runtime& rt) {
  std::mt19937 rng(3);
  for_each_param(m, [&](const std::string&, Param& p) {
    std::normal_distribution<float> normal(p.shape.rank() == 1 ? 0.5f : 0.0f, 0.3f);
    std::vector<float> values(static_cast<std::size_t>(p.shape.numel()));
    for (float& v : values) v = normal(rng);
    p.value = Tensor::from_host(rt, p.shape, values);
  });
}

std::vector<float> run(const std::string& backend, int threads, bool last) {
  auto rt = test::runtime(backend, threads, ComputeMode::exact);
  rt->pool().force_grain_one(threads > 1);
  ResnetBlock block(6, 8, 5);
  randomise(block, *rt);
  std::vector<float> x(2 * 6 * 7 * 9), time(2 * 5);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i) * 0.37f);
  for (std::size_t i = 0; i < time.size(); ++i) time[i] = std::cos(static_cast<float>(i));
  Tensor image = Tensor::from_host(*rt, {2, 6, 7, 9}, x);
  if (last) image = ops::channels_last(image);
  const Tensor out = block(image, Tensor::from_host(*rt, {2, 5}, time));
  EXPECT_EQ(out.shape(), (Shape{2, 8, 7, 9}));
  if (last) {
    // Attention over H·W: [n, h·w, c] is a view of channels-last memory.
    const Tensor normed = block.norm2(ops::channels_last(out));
    const Tensor rows = normed.permute({0, 2, 3, 1}).view({2, 7 * 9, 8});
    EXPECT_EQ(rows.data(), normed.data());
  }
  return out.to_host();
}

TEST(UnetBlock, BackendsLayoutsAndThreadsAgree) {
  const auto expected = run("ref", 1, false);
  double size = 0;
  for (const float v : expected) size = std::max(size, static_cast<double>(std::abs(v)));
  for (const bool last : {false, true}) {
    const auto got = run("cpu", 1, last);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 2e-5 * size) << i;
    EXPECT_EQ(run("cpu", 2, last), got);
  }
}

TEST(UnetBlock, ListsItsParts) {
  ResnetBlock block(6, 8, 5);
  int n = 0;
  for_each_param(block, [&](const std::string& name, Param&) { n += name == "conv1.weight" || name == "time_emb_proj.bias"; });
  EXPECT_EQ(n, 2);
}

}  // namespace
}  // namespace tashika
