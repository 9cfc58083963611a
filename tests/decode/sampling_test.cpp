#include "decode/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "base/options.h"
#include "base/random.h"

namespace tashika {
namespace {

// Known answers of Random123's kat_vectors for philox4x32-10.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Philox{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (Philox{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Philox{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, UniformDependsOnEveryPartOfTheKey) {
  std::set<double> seen;
  double sum = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const double u = draw_uniform(7, Draw::token, 0, i);
    EXPECT_GE(u, 0);
    EXPECT_LT(u, 1);
    seen.insert(u);
    sum += u;
  }
  seen.insert(draw_uniform(8, Draw::token, 0, 0));
  seen.insert(draw_uniform(7, Draw::bench, 0, 0));
  seen.insert(draw_uniform(7, Draw::token, 1, 0));
  seen.insert(draw_uniform(7 + (std::uint64_t{1} << 40), Draw::token, 0, 0));
  EXPECT_EQ(seen.size(), 1004u);
  EXPECT_NEAR(sum / 1000, 0.5, 0.04);
}

std::vector<float> logits_of(std::initializer_list<double> probabilities) {
  std::vector<float> out;
  for (const double p : probabilities) out.push_back(static_cast<float>(std::log(p)));
  return out;
}

std::vector<std::int32_t> ids(const Candidates& c) {
  std::vector<std::int32_t> out;
  for (const Candidate& x : c.list()) out.push_back(x.id);
  return out;
}
std::set<std::int32_t> id_set(const Candidates& c) {
  const auto list = ids(c);
  return {list.begin(), list.end()};
}
using Ids = std::vector<std::int32_t>;
using IdSet = std::set<std::int32_t>;

TEST(Candidates, TopKTakesTheLikeliestInOrderAndTiesByLowerId) {
  const std::vector<float> logits = {1, 5, 3, 5, 2, 3};
  EXPECT_EQ(ids(Candidates(logits, 3)), (Ids{1, 3, 2}));
  EXPECT_EQ(ids(Candidates(logits, 1)), (Ids{1}));
  EXPECT_EQ(Candidates(logits, 0).list().size(), 6u);
  EXPECT_EQ(Candidates(logits, 99).list().size(), 6u);
}

TEST(Candidates, TopPKeepsTheSmallestSetThatReachesP) {
  const std::vector<float> logits = logits_of({0.1, 0.5, 0.05, 0.35});
  for (const std::int64_t k : {0, 3}) {  // in any order, and sorted by top-k
    Candidates c(logits, k);
    c.top_p(0.6f);
    EXPECT_EQ(ids(c), (Ids{1, 3})) << k;
  }
  Candidates tiny(logits, 0);
  tiny.top_p(0);
  EXPECT_EQ(ids(tiny), (Ids{1}));
  Candidates all(logits, 0);
  all.top_p(1);
  EXPECT_EQ(all.list().size(), 4u);
}

TEST(Candidates, MinPIsRelativeToTheLikeliest) {
  Candidates c(logits_of({0.1, 0.5, 0.06, 0.34}), 0);
  c.min_p(0.19f);  // 0.5 · 0.19 = 0.095
  EXPECT_EQ(id_set(c), (IdSet{0, 1, 3}));
  c.min_p(1);
  EXPECT_EQ(id_set(c), (IdSet{1}));
}

TEST(Candidates, TypicalPrefersWhatIsAsSurprisingAsTheTextIs) {
  // Entropy of the distribution is 1.19 nats; -log p of 0.3 (1.20) is nearest, then 0.45 (0.80), 0.2 (1.61).
  Candidates c(logits_of({0.45, 0.3, 0.2, 0.05}), 0);
  c.typical(0.4f);
  EXPECT_EQ(id_set(c), (IdSet{0, 1}));
  Candidates one(logits_of({0.45, 0.3, 0.2, 0.05}), 0);
  one.typical(0);
  EXPECT_EQ(id_set(one), (IdSet{1}));
}

TEST(Candidates, TemperatureAndPick) {
  Candidates c(logits_of({0.2, 0.8}), 0);
  c.softmax();
  EXPECT_EQ(c.pick(0.0).id, 0);
  EXPECT_EQ(c.pick(0.19).id, 0);
  EXPECT_EQ(c.pick(0.21).id, 1);
  EXPECT_EQ(c.pick(0.9999999999).id, 1);
  c.temperature(0.5f);  // squares the odds: 1 : 16
  c.softmax();
  EXPECT_NEAR(c.list()[0].p, 1.0 / 17, 1e-6);
}

TEST(Candidates, SurpriseLimitKeepsOneAtLeast) {
  Candidates c(logits_of({0.5, 0.25, 0.125, 0.125}), 0);
  c.surprise_limit(2.0f);
  EXPECT_EQ(id_set(c), (IdSet{0, 1}));
  c.surprise_limit(0);
  EXPECT_EQ(id_set(c), (IdSet{0}));
}

TEST(Penalties, RepeatPresenceFrequency) {
  SamplingOptions o;
  o.repeat_penalty = 2;
  o.presence_penalty = 0.5f;
  o.frequency_penalty = 0.25f;
  const std::vector<std::int32_t> history = {0, 1, 1, 7};
  std::vector<float> logits = {4, -4, 4, 4};  // 7 is outside: ignored
  apply_penalties(logits, o, history);
  EXPECT_FLOAT_EQ(logits[0], 4 / 2.0f - 0.25f - 0.5f);
  EXPECT_FLOAT_EQ(logits[1], -4 * 2.0f - 0.5f - 0.5f);
  EXPECT_FLOAT_EQ(logits[2], 4);
  o.repeat_last_n = 2;  // sees 1 and 7 only
  logits = {4, -4, 4, 4};
  apply_penalties(logits, o, history);
  EXPECT_FLOAT_EQ(logits[0], 4);
  EXPECT_FLOAT_EQ(logits[1], -4 * 2.0f - 0.25f - 0.5f);
  o.repeat_last_n = 0;
  logits = {4, -4, 4, 4};
  apply_penalties(logits, o, history);
  EXPECT_FLOAT_EQ(logits[1], -4);
}

TEST(Penalties, DryGrowsWithTheRepetition) {
  SamplingOptions o;
  o.dry_multiplier = 1;
  o.dry_base = 2;
  o.dry_allowed_length = 2;
  // "1 2 3 4 … 1 2 3": token 4 would repeat a run of three; base^(3-2) = 2.
  std::vector<float> logits(10, 0);
  apply_dry(logits, o, std::vector<std::int32_t>{1, 2, 3, 4, 9, 1, 2, 3}, {});
  EXPECT_FLOAT_EQ(logits[4], -2);
  EXPECT_FLOAT_EQ(logits[9], 0);
  // A breaker within the run ends it: only "3" matches, which is allowed.
  std::vector<bool> breaker(10, false);
  breaker[2] = true;
  logits.assign(10, 0);
  apply_dry(logits, o, std::vector<std::int32_t>{1, 2, 3, 4, 9, 1, 2, 3}, breaker);
  EXPECT_FLOAT_EQ(logits[4], 0);
  // Of several matches the longest counts.
  logits.assign(10, 0);
  apply_dry(logits, o, std::vector<std::int32_t>{2, 3, 4, 8, 1, 2, 3, 4, 9, 1, 2, 3}, {});
  EXPECT_FLOAT_EQ(logits[4], -2);
  // A run that goes on for ever stays a number.
  logits.assign(10, 0);
  apply_dry(logits, o, std::vector<std::int32_t>(5000, 5), {});
  EXPECT_TRUE(std::isfinite(logits[5]));
  EXPECT_LT(logits[5], -1e20f);
}

TEST(Penalties, BiasIgnoresIdsOutside) {
  std::vector<float> logits = {0, 0};
  apply_bias(logits, {{1, 2.5f}, {5, 1.0f}, {-1, 1.0f}});
  EXPECT_EQ(logits, (std::vector<float>{0, 2.5f}));
}

TEST(Sampler, GreedyTakesTheFirstOfEquals) {
  SamplingOptions o;
  o.temperature = 0;
  Sampler s(o, 1, 0, nullptr);
  EXPECT_EQ(s.sample(std::vector<float>{1, 3, 3, 2}, {}).id, 1);
}

TEST(Sampler, DrawsDependOnSeedSequenceAndPositionOnly) {
  SamplingOptions o;
  o.temperature = 1;
  o.top_k = 0, o.top_p = 1, o.min_p = 0;
  const std::vector<float> logits(50, 0.0f);
  const auto run = [&](std::uint64_t seed, std::uint32_t sequence) {
    Sampler s(o, seed, sequence, nullptr);
    std::vector<std::int32_t> history, out;
    for (int i = 0; i < 20; ++i) {
      out.push_back(s.sample(logits, history).id);
      history.push_back(0);
    }
    return out;
  };
  EXPECT_EQ(run(1, 0), run(1, 0));
  EXPECT_NE(run(1, 0), run(2, 0));
  EXPECT_NE(run(1, 0), run(1, 1));
}

TEST(Sampler, FrequenciesFollowTheDistribution) {
  SamplingOptions o;
  o.temperature = 1;
  o.top_k = 0, o.top_p = 1, o.min_p = 0;
  Sampler s(o, 3, 0, nullptr);
  const std::vector<float> logits = logits_of({0.7, 0.2, 0.1});
  std::vector<std::int32_t> history;
  int count[3] = {};
  for (int i = 0; i < 3000; ++i) {
    ++count[s.sample(logits, history).id];
    history.push_back(0);
  }
  // Five standard deviations.
  EXPECT_NEAR(count[0] / 3000.0, 0.7, 0.042);
  EXPECT_NEAR(count[1] / 3000.0, 0.2, 0.037);
}

TEST(Sampler, MirostatHoldsTheSurpriseAndRollsBack) {
  SamplingOptions o;
  o.temperature = 1;
  o.mirostat = 2;
  o.mirostat_tau = 2;
  o.mirostat_eta = 0.2f;
  std::vector<float> logits(64);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = -0.08f * static_cast<float>(i);
  Sampler s(o, 5, 0, nullptr);
  std::vector<std::int32_t> history;
  double surprise = 0;
  std::int32_t at_100 = 0;
  for (int i = 0; i < 600; ++i) {
    const Choice c = s.sample(logits, history, 0);
    if (i == 100) at_100 = c.id;
    if (i >= 100) surprise += -c.logprob / std::log(2.0);
    history.push_back(c.id);
  }
  EXPECT_LT(surprise / 500, 6.0);  // the whole distribution has 5.2 bits, the truncated one about tau
  history.resize(100);
  EXPECT_EQ(s.sample(logits, history).id, at_100);
}

TEST(Sampler, LogprobsAreTheModels) {
  SamplingOptions o;
  o.temperature = 0;
  o.logit_bias = {{2, 100.0f}};
  Sampler s(o, 1, 0, nullptr);
  const Choice c = s.sample(logits_of({0.5, 0.3, 0.2}), {}, 2);
  EXPECT_EQ(c.id, 2);
  EXPECT_NEAR(c.logprob, std::log(0.2), 1e-5);
  ASSERT_EQ(c.top.size(), 2u);
  EXPECT_EQ(c.top[0].id, 0);
  EXPECT_NEAR(c.top[1].logprob, std::log(0.3), 1e-5);
}

TEST(Sampler, BrokenLogitsAreAnError) {
  Sampler s({}, 1, 0, nullptr);
  EXPECT_THROW(s.sample(std::vector<float>{0, NAN}, {}), Error);
  EXPECT_THROW(s.sample(std::vector<float>{0, INFINITY}, {}), Error);
}

TEST(SamplingOptions, OptionsCheckTheirRanges) {
  SamplingOptions s;
  Options o;
  describe(o, s);
  o.find_name("top_p")->set("0.5", "--top-p");
  EXPECT_FLOAT_EQ(s.top_p, 0.5f);
  EXPECT_THROW(o.find_name("top_p")->set("1.5", "--top-p"), Error);
  EXPECT_THROW(o.find_name("temp")->set("-1", "--temp"), Error);
  EXPECT_THROW(o.find_name("temp")->set("warm", "--temp"), Error);
  EXPECT_THROW(o.find_name("top_k")->set("1.5", "--top-k"), Error);
  o.find_name("logit_bias")->set("15-inf", "--logit-bias");
  o.find_name("logit_bias")->set("7+1.5", "--logit-bias");
  EXPECT_LT(s.logit_bias.at(15), -1e29f);
  EXPECT_FLOAT_EQ(s.logit_bias.at(7), 1.5f);
  EXPECT_THROW(o.find_name("logit_bias")->set("x", "--logit-bias"), Error);
  o.find_name("top_k")->set_json(Json(5), "top_k");
  EXPECT_EQ(s.top_k, 5);
  EXPECT_THROW(o.find_name("top_k")->set_json(Json("5"), "top_k"), Error);
  s.mirostat = 1;
  EXPECT_THROW(check(s), Error);
}

}  // namespace
}  // namespace tashika
