// Seam: a latent cache as in multi-head latent attention (DeepSeek-V2, 2024). One key head of width
// c + r is cached, whose first c entries are also the value; every query head reads it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "nn/state.h"
#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

constexpr std::int64_t latent = 20, turned = 6, heads = 5, length = 150;

Tensor noise(Runtime& rt, const Shape& shape, unsigned seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  for (float& v : values) v = normal(rng);
  return Tensor::from_host(rt, shape, values);
}

class LatentCache : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Runtime> rt = test::runtime(GetParam(), 1, ComputeMode::exact);
  KvLayout layout{f32, 1, latent + turned, latent, true};

  std::vector<float> run(const Tensor& q, const Tensor& k, std::int64_t chunk) {
    auto pool = std::make_shared<PagePool>(*rt);
    PagedCache cache(pool, layout, 0, 128);
    std::vector<float> out;
    for (std::int64_t at = 0; at < length; at += chunk) {
      const std::int64_t n = std::min(chunk, length - at);
      cache.prepare(at, n);
      const KvSegment segment{0, n, at, cache.table()};
      const KvAttrs kv{layout, {&segment, 1}};
      ops::kv_append(k.slice(0, at, at + n), {}, kv);
      const auto part = ops::cached_attention(q.slice(0, at, at + n), {kv, 0.2f, 0, 0}).to_host();
      out.insert(out.end(), part.begin(), part.end());
    }
    EXPECT_EQ(cache.bytes(), 3 * page_positions * (latent + turned) * 4);  // nothing but the latent row is stored
    return out;
  }
};

TEST_P(LatentCache, EqualsExpandedAttentionAndDoesNotDependOnChunks) {
  const Tensor q = noise(*rt, {length, heads, latent + turned}, 1), k = noise(*rt, {length, 1, latent + turned}, 2);
  const auto whole = run(q, k, length);
  const auto dense = ops::dense_attention(q, k, ops::contiguous(k.slice(2, 0, latent)), {0.2f, 0, true, 0, {}}).to_host();
  ASSERT_EQ(whole.size(), dense.size());
  for (std::size_t i = 0; i < dense.size(); ++i) ASSERT_NEAR(whole[i], dense[i], 2e-5) << i;
  for (const std::int64_t chunk : {std::int64_t{1}, std::int64_t{13}, std::int64_t{64}}) {
    const auto stepped = run(q, k, chunk);
    EXPECT_EQ(std::memcmp(stepped.data(), whole.data(), whole.size() * sizeof(float)), 0) << "chunks of " << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, LatentCache, testing::Values("ref", "cpu"), [](const auto& p) { return p.param; });

}  // namespace
}  // namespace tashika
