// Parity with transformers (and, for GGUF, with llama.cpp) on tiny checkpoints whose every tensor is
// random. What was computed and how: tools/fixtures/golden.py and gguf_golden.py.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <tuple>

#include "base/thread_pool.h"
#include "golden/golden_case.h"

namespace tashika {
namespace {

using test::GoldenCase;
using test::GoldenModel;
using test::GoldenSequence;

// f32 arithmetic in another order than the reference's, in units of the logits' spread.
constexpr double exact_bound = 1e-4;

struct Distance {
  double mean = 0, worst = 0;
};

// NaN counts as infinitely far.
Distance distance(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  if (a.size() != b.size() || a.empty()) return {HUGE_VAL, HUGE_VAL};
  Distance d;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double gap = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    d.mean += std::isnan(gap) ? HUGE_VAL : gap;
    d.worst = std::isnan(gap) ? HUGE_VAL : std::max(d.worst, gap);
  }
  d.mean /= static_cast<double>(a.size());
  return d;
}

double spread_of(const std::vector<float>& values) {
  double sum = 0, squares = 0;
  for (const float v : values) {
    sum += static_cast<double>(v);
    squares += static_cast<double>(v) * static_cast<double>(v);
  }
  const auto n = static_cast<double>(values.size());
  return std::sqrt(squares / n - sum / n * (sum / n));
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Descriptor and backend.
class Golden : public testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  void SetUp() override {
    c = test::read_golden(std::get<0>(GetParam()));
    backend = std::get<1>(GetParam());
    ASSERT_FALSE(c.sequences.empty());
    ASSERT_FALSE(c.greedy_ids.empty());
  }
  GoldenModel open(ComputeMode compute, int threads = 1) const { return GoldenModel(c.model, backend, threads, compute); }
  GoldenCase c;
  std::string backend;
};

TEST_P(Golden, ExactLogitsAreTheReferences) {
  const GoldenModel model = open(ComputeMode::exact);
  for (const GoldenSequence& s : c.sequences) {
    EXPECT_LE(distance(model.logits(s.ids), s.logits).worst / c.spread, exact_bound);
    if (s.hidden.empty()) continue;
    EXPECT_LE(distance(model.hidden(s.ids), s.hidden).worst / spread_of(s.hidden), exact_bound) << "hidden";
  }
}

TEST_P(Golden, GreedyIdsAreTheReferences) {
  ASSERT_GT(c.greedy_margin, 100 * exact_bound) << "the fixture's own margin is too small to decide anything";
  EXPECT_EQ(open(ComputeMode::exact).greedy(c.greedy_prompt, c.greedy_ids.size()), c.greedy_ids);
  // llama.cpp's ids were made by quantised arithmetic, with a margin above both engines' rounding.
  if (!c.greedy_by_peer) return;
  EXPECT_EQ(open(ComputeMode::fast).greedy(c.greedy_prompt, c.greedy_ids.size()), c.greedy_ids) << "fast";
}

// The reference backend has no fast path, threads or chunks of its own to differ in.
class GoldenFast : public Golden {};

TEST_P(GoldenFast, FastLogitsAreNear) {
  const GoldenModel model = open(ComputeMode::fast);
  double sum = 0, count = 0;
  for (const GoldenSequence& s : c.sequences) {
    const auto n = static_cast<double>(s.logits.size());
    sum += distance(model.logits(s.ids), s.logits).mean * n;
    count += n;
  }
  const double mean = sum / count / c.spread;
  RecordProperty("mean_distance", std::to_string(mean));
  EXPECT_LE(mean, c.fast_bound);
}

// Chunks, companions in the batch, and threads change no bit.
TEST_P(GoldenFast, NothingButTheTokensMatters) {
  for (const ComputeMode compute : {ComputeMode::exact, ComputeMode::fast}) {
    const GoldenModel model = open(compute);
    const std::vector<std::int32_t>& ids = c.sequences[0].ids;
    const std::vector<float> whole = model.logits(ids);
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{3}}) {
      EXPECT_TRUE(same_bits(model.logits(ids, chunk), whole)) << "chunks of " << chunk << ", mode " << static_cast<int>(compute);
    }
    const std::vector<std::int32_t>& other = c.sequences.size() > 1 ? c.sequences[1].ids : c.greedy_prompt;
    std::vector<float> both = whole;
    const std::vector<float> second = model.logits(other);
    both.insert(both.end(), second.begin(), second.end());
    EXPECT_TRUE(same_bits(model.batch({ids, other}), both)) << "batch of two, mode " << static_cast<int>(compute);

    const GoldenModel two = open(compute, 2);
    two.runtime().pool().force_grain_one(true);
    EXPECT_TRUE(same_bits(two.logits(ids), whole)) << "two threads, mode " << static_cast<int>(compute);
  }
}

std::string name_of(const testing::TestParamInfo<std::tuple<std::string, std::string>>& info) {
  const std::filesystem::path path = std::get<0>(info.param);
  return (path.filename() == "case.json" ? path.parent_path().filename() : path.stem()).string() + "_" + std::get<1>(info.param);
}

using Names = std::vector<std::string>;

auto cases(const std::string& kind, const Names& backends) {
  return testing::Combine(testing::ValuesIn(test::golden_descriptors(kind)), testing::ValuesIn(backends));
}

INSTANTIATE_TEST_SUITE_P(Folders, Golden, cases("folders", {"ref", "cpu"}), name_of);
INSTANTIATE_TEST_SUITE_P(Gguf, Golden, cases("gguf", {"ref", "cpu"}), name_of);
INSTANTIATE_TEST_SUITE_P(Folders, GoldenFast, cases("folders", {"cpu"}), name_of);
INSTANTIATE_TEST_SUITE_P(Gguf, GoldenFast, cases("gguf", {"cpu"}), name_of);

TEST(GoldenSuite, FindsEveryCase) {
  EXPECT_EQ(test::golden_descriptors("folders").size(), 87u);
  EXPECT_EQ(test::golden_descriptors("gguf").size(), 29u);
}

}  // namespace
}  // namespace tashika
