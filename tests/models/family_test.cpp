// Tensors are given under the names of the modules; what files call them is the golden tests' matter.
//
// Properties that every language-model family keeps, run for every record on its tiny config: one
// token at a time = chunks = the whole, one sequence = a batch, one thread = several, and the
// contract of sequence state. All comparisons are bitwise.
#include <gtest/gtest.h>

#include <cstring>

#include "checkpoint/bind.h"
#include "models/model_def.h"
#include "support/random_weights.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

using test::RandomWeights;
using Ids = std::vector<std::int32_t>;

struct Case {
  const ModelDef* def;
  std::string backend;
  ComputeMode compute;
  DType dtype;
};

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const ModelFile* file : model_files()) {
    for (const ModelDef& def : file->records) {
      if (def.role != Role::language_model) continue;
      out.push_back({&def, "ref", ComputeMode::exact, f32});
      out.push_back({&def, "cpu", ComputeMode::exact, bf16});
      out.push_back({&def, "cpu", ComputeMode::fast, f32});
      out.push_back({&def, "cpu", ComputeMode::fast, bf16});
      out.push_back({&def, "cpu", ComputeMode::fast, f16});
    }
  }
  return out;
}

class Family : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { load(1); }

  void load(int threads) {
    model.reset();
    rt = test::runtime(GetParam().backend, threads, GetParam().compute);
    Metadata meta{Metadata::Format::hf, "tiny", GetParam().def->tiny()};
    RandomWeights weights;
    std::unique_ptr<Module> module = GetParam().def->build(meta, weights);
    weights.fill(*module, GetParam().dtype, 7);
    bind(*module, Bindings{}, weights, *rt);
    model.reset(static_cast<LanguageModel*>(module.release()));
    model->fingerprint = "tiny";
  }

  Ids ids(std::size_t n, unsigned seed) const {
    std::mt19937 rng(seed);
    Ids out(n);
    for (auto& id : out) id = static_cast<std::int32_t>(rng() % static_cast<unsigned>(model->info().vocab));
    return out;
  }

  std::unique_ptr<SequenceState> state(std::int64_t margin = 128) {
    StateOptions options;
    options.margin = margin;
    return model->new_state(*rt, options);
  }

  std::vector<float> feed(SequenceState& s, std::span<const std::int32_t> tokens) {
    const Slice slice{&s, tokens, static_cast<std::int64_t>(tokens.size())};
    return model->forward(*rt, {&slice, 1}).to_host();
  }

  std::vector<float> feed_in_chunks(SequenceState& s, std::span<const std::int32_t> tokens, std::size_t chunk) {
    std::vector<float> out;
    for (std::size_t i = 0; i < tokens.size(); i += chunk) {
      const auto part = feed(s, tokens.subspan(i, std::min(chunk, tokens.size() - i)));
      out.insert(out.end(), part.begin(), part.end());
    }
    return out;
  }

  std::unique_ptr<Runtime> rt;
  std::unique_ptr<LanguageModel> model;
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_P(Family, StepIsChunkIsWhole) {
  const Ids tokens = ids(150, 1);  // over two pages
  auto whole = state();
  const auto expected = feed(*whole, tokens);
  for (const float v : expected) ASSERT_TRUE(std::isfinite(v));
  for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{65}}) {
    auto s = state();
    EXPECT_TRUE(same_bits(feed_in_chunks(*s, tokens, chunk), expected)) << "chunks of " << chunk;
  }
}

TEST_P(Family, BatchIsOne) {
  const Ids a = ids(70, 2), b = ids(3, 3), c = ids(1, 4);
  auto sa = state(), sb = state(), sc = state();
  const auto la = feed(*sa, a), lb = feed(*sb, b), lc = feed(*sc, c);
  auto ta = state(), tb = state(), tc = state();
  const Slice slices[] = {{ta.get(), a, 70}, {tb.get(), b, 3}, {tc.get(), c, 1}};
  const auto all = model->forward(*rt, slices).to_host();
  std::vector<float> expected = la;
  expected.insert(expected.end(), lb.begin(), lb.end());
  expected.insert(expected.end(), lc.begin(), lc.end());
  EXPECT_TRUE(same_bits(all, expected));
  // Only the wanted rows, from states of different lengths.
  const Ids next = {1};
  const auto na = feed(*sa, next), nc = feed(*sc, next);
  const Slice more[] = {{ta.get(), next, 1}, {tb.get(), next, 0}, {tc.get(), next, 1}};
  auto both = na;
  both.insert(both.end(), nc.begin(), nc.end());
  EXPECT_TRUE(same_bits(model->forward(*rt, more).to_host(), both));
}

TEST_P(Family, ThreadsDoNotMatter) {
  const Ids tokens = ids(90, 5);
  auto s = state();
  const auto expected = feed(*s, tokens);
  s.reset();
  load(2);
  rt->pool().force_grain_one(true);
  auto t = state();
  EXPECT_TRUE(same_bits(feed(*t, tokens), expected));
}

TEST_P(Family, RollbackGivesTheSameContinuation) {
  const Ids tokens = ids(140, 6), other = ids(30, 7), tail = ids(20, 8);
  auto s = state(), t = state();
  feed(*s, tokens);
  feed(*t, tokens);
  feed(*t, other);
  for (const std::int32_t id : tail) feed(*t, {&id, 1});
  t->rollback(20);
  t->rollback(30);
  EXPECT_EQ(t->length(), s->length());
  EXPECT_TRUE(same_bits(feed(*t, tail), feed(*s, tail)));
  EXPECT_THROW(s->rollback(s->length() + 1), Error);
}

TEST_P(Family, ForkIsIndependent) {
  const Ids tokens = ids(100, 9), a = ids(40, 10), b = ids(40, 11);
  auto s = state();
  feed(*s, tokens);
  auto fork = s->fork();
  auto expected_a = state(), expected_b = state();
  feed(*expected_a, tokens);
  feed(*expected_b, tokens);
  EXPECT_TRUE(same_bits(feed(*s, a), feed(*expected_a, a)));
  EXPECT_TRUE(same_bits(feed(*fork, b), feed(*expected_b, b)));
  EXPECT_TRUE(same_bits(feed(*s, b), feed(*expected_a, b)));
}

TEST_P(Family, SnapshotRestores) {
  const Ids tokens = ids(130, 12), tail = ids(10, 13);
  auto s = state(), t = state();
  feed(*s, tokens);
  const std::vector<std::byte> saved = s->snapshot();
  t->restore(saved);
  EXPECT_EQ(t->length(), 130);
  EXPECT_TRUE(same_bits(feed(*t, tail), feed(*s, tail)));
  for (const std::size_t at : {std::size_t{9}, saved.size() / 2, saved.size() - 1}) {
    auto torn = saved;
    torn[at] ^= std::byte{1};
    EXPECT_THROW(state()->restore(torn), Error);
  }
  EXPECT_THROW(state()->restore(std::span(saved).first(saved.size() - 5)), Error);
}

TEST_P(Family, WithoutStateAgreesWithinRounding) {
  const Ids tokens = ids(50, 14);
  auto s = state();
  const auto expected = feed(*s, tokens);
  const Slice slice{nullptr, tokens, 50};
  const auto dense = model->forward(*rt, {&slice, 1}).to_host();
  double spread = 0, worst = 0, total = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    spread += static_cast<double>(expected[i]) * expected[i];
    worst = std::max(worst, static_cast<double>(std::abs(expected[i] - dense[i])));
    total += std::abs(expected[i] - dense[i]);
  }
  spread = std::sqrt(spread / static_cast<double>(expected.size()));
  // In fast mode the cache is rounded to f16, which the dense path is not: a router may then choose otherwise.
  if (GetParam().compute == ComputeMode::exact) EXPECT_LT(worst / spread, 1e-5);
  else EXPECT_LT(total / static_cast<double>(expected.size()) / spread, 0.06);
}

TEST_P(Family, MetaRunGivesShapes) {
  auto meta_rt = test::runtime("meta");
  Metadata meta{Metadata::Format::hf, "tiny", GetParam().def->tiny()};
  RandomWeights weights;
  std::unique_ptr<Module> module = GetParam().def->build(meta, weights);
  weights.fill(*module, GetParam().dtype, 7);
  bind(*module, Bindings{}, weights, *meta_rt);
  auto& lm = static_cast<LanguageModel&>(*module);
  auto s = lm.new_state(*meta_rt);
  const Ids tokens = ids(20, 15);
  const Slice slice{s.get(), tokens, 20};
  const Tensor out = lm.forward(*meta_rt, {&slice, 1});
  EXPECT_EQ(out.shape(), (Shape{20, lm.info().vocab}));
  EXPECT_GT(meta_rt->memory().peak, 0);
}

TEST_P(Family, OutOfRangeIdsAreErrors) {
  auto s = state();
  const Ids bad = {0, static_cast<std::int32_t>(model->info().vocab)};
  EXPECT_THROW(feed(*s, bad), Error);
  EXPECT_EQ(s->length(), 0);
}

INSTANTIATE_TEST_SUITE_P(All, Family, testing::ValuesIn(cases()), [](const auto& p) {
  return cat(p.param.def->name, "_", p.param.backend, p.param.compute == ComputeMode::exact ? "_exact_" : "_fast_", p.param.dtype->name);
});

TEST(Families, AreSeveral) { EXPECT_GE(cases().size(), 20u); }

}  // namespace
}  // namespace tashika
