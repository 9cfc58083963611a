// Properties that every encoder keeps, run for every record on its tiny config: one sequence = a batch, one thread = several,
// bitwise; the fast backend computes what the reference does; the path with gradients agrees; the meta run has shapes.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "base/error.h"
#include "base/thread_pool.h"
#include "checkpoint/bind.h"
#include "models/model_def.h"
#include "nn/encoder.h"
#include "support/random_weights.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

using Ids = std::vector<std::int32_t>;

std::vector<const ModelDef*> encoders() {
  std::vector<const ModelDef*> out;
  for (const ModelFile* file : model_files()) {
    for (const ModelDef& def : file->records) {
      if (def.role == Role::encoder) out.push_back(&def);
    }
  }
  return out;
}

struct Loaded {
  std::unique_ptr<Runtime> rt;
  std::unique_ptr<Encoder> encoder;

  Loaded(const ModelDef& def, const std::string& backend, int threads, ComputeMode compute, DType dtype)
      : rt(test::runtime(backend, threads, compute)) {
    const Metadata meta{Metadata::Format::hf, "tiny", def.tiny()};
    EXPECT_TRUE(def.claims(meta));
    test::RandomWeights weights;
    std::unique_ptr<Module> module = def.build(meta, weights);
    weights.fill(*module, dtype, 11);
    bind(*module, Bindings{}, weights, *rt);
    encoder.reset(static_cast<Encoder*>(module.release()));
  }
  std::vector<float> encode(const std::vector<Ids>& sequences) const {
    const std::vector<std::span<const std::int32_t>> spans(sequences.begin(), sequences.end());
    const Encoder::Output out = encoder->encode(*rt, spans, encoder->has_pooled());
    std::vector<float> values = out.hidden.to_host();
    if (out.pooled.defined()) {
      const std::vector<float> pooled = out.pooled.to_host();
      values.insert(values.end(), pooled.begin(), pooled.end());
    }
    return values;
  }
  Ids ids(std::size_t n, unsigned seed) const {
    std::mt19937 rng(seed);
    Ids out(n);
    for (auto& id : out) id = static_cast<std::int32_t>(rng() % static_cast<unsigned>(encoder->info().vocab));
    return out;
  }
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
double relative_gap(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double squares = 0, worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    squares += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    const double gap = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    worst = std::isnan(gap) ? HUGE_VAL : std::max(worst, gap);
  }
  return worst / std::sqrt(squares / static_cast<double>(a.size()));
}

class EncoderFamily : public testing::TestWithParam<const ModelDef*> {};

TEST_P(EncoderFamily, FastBackendIsTheReference) {
  const Loaded ref(*GetParam(), "ref", 1, ComputeMode::exact, bf16), cpu(*GetParam(), "cpu", 1, ComputeMode::exact, bf16);
  const std::vector<Ids> sequences{ref.ids(70, 1), ref.ids(3, 2), ref.ids(131, 3)};
  EXPECT_LT(relative_gap(ref.encode(sequences), cpu.encode(sequences)), 3e-5);
}

TEST_P(EncoderFamily, BatchIsOneAndThreadsDoNotMatter) {
  for (const ComputeMode compute : {ComputeMode::exact, ComputeMode::fast}) {
    const Loaded one(*GetParam(), "cpu", 1, compute, bf16), two(*GetParam(), "cpu", 2, compute, bf16);
    two.rt->pool().force_grain_one(true);
    const std::vector<Ids> sequences{one.ids(70, 4), one.ids(1, 5), one.ids(64, 6)};
    const std::vector<float> together = one.encode(sequences);
    EXPECT_TRUE(same_bits(together, two.encode(sequences)));
    std::size_t at = 0;
    for (const Ids& ids : sequences) {
      const std::vector<float> alone = one.encode({ids});
      const std::size_t n = ids.size() * static_cast<std::size_t>(one.encoder->info().hidden);
      EXPECT_EQ(0, std::memcmp(alone.data(), together.data() + at, n * sizeof(float)));
      at += n;
    }
  }
}

TEST_P(EncoderFamily, MetaRunGivesShapes) {
  const Loaded meta(*GetParam(), "meta", 1, ComputeMode::fast, f16);
  const Ids ids = meta.ids(20, 7);
  const std::span<const std::int32_t> span = ids;
  EXPECT_EQ(meta.encoder->encode(*meta.rt, {&span, 1}).hidden.shape(), (Shape{20, meta.encoder->info().hidden}));
}

INSTANTIATE_TEST_SUITE_P(All, EncoderFamily, testing::ValuesIn(encoders()), [](const auto& p) { return std::string(p.param->name); });

TEST(EncoderFamilies, AreSeveral) { EXPECT_GE(encoders().size(), 8u); }

// Bucket boundaries as the reference's f32 arithmetic places them.
TEST(RelativeBuckets, AreSymmetricAndEndAtTheLast) {
  const RelativeBuckets b;
  EXPECT_EQ(b.bucket(0), 0);
  EXPECT_EQ(b.bucket(7), 16 + 7);
  EXPECT_EQ(b.bucket(-7), 7);
  EXPECT_EQ(b.bucket(8), 16 + 8);
  EXPECT_EQ(b.bucket(16), 16 + 10);
  EXPECT_EQ(b.bucket(-32), 12);
  EXPECT_EQ(b.bucket(127), 31);
  EXPECT_EQ(b.bucket(1000000), 31);
  EXPECT_EQ(b.bucket(-1000000), 15);
}

}  // namespace
}  // namespace tashika
