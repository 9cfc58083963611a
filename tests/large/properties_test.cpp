// The family properties at a size that fills tiles, panels and pages: a seeded model of 100 million
// parameters, written on the spot by the random-model program and opened like any file.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>

#include "checkpoint/checkpoint.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

using Ids = std::vector<std::int32_t>;

class Large : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    path = (std::filesystem::temp_directory_path() / cat("tashika-large-", ::getpid(), "-", GetParam(), ".gguf")).string();
    const std::string command = cat(TASHIKA_RANDOM_MODEL, " llama 100m ", GetParam(), " '", path, "' > /dev/null");
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    checkpoint = open_checkpoint(path);
  }
  void TearDown() override { std::filesystem::remove(path); }

  struct Loaded {
    std::unique_ptr<Runtime> rt;
    std::unique_ptr<LanguageModel> model;
    std::vector<float> feed(const Ids& tokens, std::size_t chunk) {
      auto state = model->new_state(*rt);
      std::vector<float> out;
      for (std::size_t i = 0; i < tokens.size(); i += chunk) {
        const std::size_t n = std::min(chunk, tokens.size() - i);
        const Slice slice{state.get(), std::span(tokens).subspan(i, n), static_cast<std::int64_t>(n)};
        const auto part = model->forward(*rt, {&slice, 1}).to_host();
        out.insert(out.end(), part.begin(), part.end());
      }
      return out;
    }
  };
  Loaded load(const std::string& backend, int threads, ComputeMode compute) {
    Loaded l{test::runtime(backend, threads, compute), nullptr};
    l.model = load_language_model(checkpoint, *l.rt);
    return l;
  }

  std::string path;
  Checkpoint checkpoint;
};

Ids random_ids(std::size_t n, unsigned seed, std::int64_t vocab) {
  std::mt19937 rng(seed);
  Ids out(n);
  for (auto& id : out) id = static_cast<std::int32_t>(rng() % static_cast<unsigned>(vocab));
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_P(Large, ChunksBatchesAndThreadsGiveTheSameBits) {
  Loaded one = load("cpu", 1, ComputeMode::fast);
  const Ids tokens = random_ids(70, 1, one.model->info().vocab), other = random_ids(9, 2, one.model->info().vocab);
  const auto whole = one.feed(tokens, 70);
  for (const float v : whole) ASSERT_TRUE(std::isfinite(v));
  for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{33}}) EXPECT_TRUE(same_bits(one.feed(tokens, chunk), whole)) << "chunks of " << chunk;

  Loaded two = load("cpu", 2, ComputeMode::fast);
  two.rt->pool().took_part();
  EXPECT_TRUE(same_bits(two.feed(tokens, 70), whole));
  EXPECT_EQ(two.rt->pool().took_part(), 2);
  EXPECT_TRUE(same_bits(two.feed(tokens, 13), whole));

  auto a = two.model->new_state(*two.rt), b = two.model->new_state(*two.rt);
  const Slice slices[] = {{b.get(), other, 9}, {a.get(), tokens, 70}};
  auto expected = two.feed(other, 1);
  expected.insert(expected.end(), whole.begin(), whole.end());
  EXPECT_TRUE(same_bits(two.model->forward(*two.rt, slices).to_host(), expected));
}

TEST_P(Large, TheExactModeIsTheReference) {
  Loaded exact = load("cpu", 2, ComputeMode::exact), truth = load("ref", 1, ComputeMode::exact);
  const Ids tokens = random_ids(2, 3, exact.model->info().vocab);
  const auto got = exact.feed(tokens, 2), expected = truth.feed(tokens, 2);
  double worst = 0, square = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, static_cast<double>(std::abs(got[i] - expected[i])));
    square += static_cast<double>(expected[i]) * expected[i];
  }
  EXPECT_LT(worst, 1e-4 * std::sqrt(square / static_cast<double>(expected.size())));
}

INSTANTIATE_TEST_SUITE_P(Types, Large, testing::Values("q4_k_m", "q8_0", "bf16"), [](const auto& p) { return p.param; });

}  // namespace
}  // namespace tashika
