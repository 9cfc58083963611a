// The page bookkeeping of sequence state: what a fork copies, what a window frees, what a budget refuses.
#include "nn/state.h"

#include <gtest/gtest.h>

#include "ops/attention.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

const KvLayout layout{bf16, 2, 8, 8, false};

std::unique_ptr<SequenceState> sequence(std::shared_ptr<PagePool> pool, std::vector<std::int64_t> windows, std::int64_t margin) {
  std::vector<std::unique_ptr<LayerState>> layers;
  for (const std::int64_t window : windows) layers.push_back(std::make_unique<PagedCache>(pool, layout, window, margin));
  return std::make_unique<SequenceState>("test", std::move(layers));
}

void grow(SequenceState& s, std::int64_t count) {
  s.prepare(count);
  s.advance(count);
}

PagedCache& cache(SequenceState& s, std::size_t layer) { return static_cast<PagedCache&>(s.layer(layer)); }

TEST(SequenceState, AForkOf32kTokensCopiesOnePageALayer) {
  auto rt = test::runtime("ref");
  auto pool = std::make_shared<PagePool>(*rt);
  auto s = sequence(pool, {0, 0, 0}, 128);
  grow(*s, 32 * 1024 + 10);
  const std::int64_t live = pool->live_bytes();
  EXPECT_EQ(live, 3 * 513 * layout.page_bytes());
  auto fork = s->fork();
  EXPECT_EQ(pool->live_bytes(), live);
  EXPECT_EQ(pool->copied_pages(), 0);
  grow(*fork, 1);
  EXPECT_EQ(pool->copied_pages(), 3);
  grow(*s, 1);  // the original is alone on its page again
  grow(*fork, 40);
  EXPECT_EQ(pool->copied_pages(), 3);
  auto aligned = sequence(pool, {0}, 128);
  grow(*aligned, 128);
  auto other = aligned->fork();
  grow(*other, 1);
  grow(*aligned, 1);
  EXPECT_EQ(pool->copied_pages(), 3);  // full pages are never written again
}

TEST(SequenceState, AWindowHoldsWhatItSeesAndTheMargin) {
  auto rt = test::runtime("ref");
  auto pool = std::make_shared<PagePool>(*rt);
  constexpr std::int64_t window = 100, margin = 30;
  auto s = sequence(pool, {window, 0}, margin);
  for (int i = 0; i < 131072; ++i) {
    grow(*s, 1);
    ASSERT_LE(cache(*s, 0).pages_held(), (window + margin) / page_positions + 2);
  }
  EXPECT_EQ(cache(*s, 1).pages_held(), 131072 / page_positions);
  EXPECT_TRUE(s->can_roll_back(margin));
  EXPECT_FALSE(s->can_roll_back(margin + 2 * page_positions));
  EXPECT_THROW(s->rollback(margin + 2 * page_positions), Error);
  EXPECT_EQ(s->length(), 131072);
  s->rollback(margin);
  // Every key that the next query sees is still there.
  const std::int64_t first = s->length() - window + 1;
  for (std::int64_t p = first / page_positions; p <= (s->length() - 1) / page_positions; ++p) EXPECT_NE(cache(*s, 0).table()[p], nullptr);
}

TEST(SequenceState, ABudgetIsNeverPassed) {
  auto rt = test::runtime("ref");
  auto pool = std::make_shared<PagePool>(*rt, 10 * layout.page_bytes());
  auto s = sequence(pool, {0, 0}, 128);
  grow(*s, 5 * page_positions);
  EXPECT_THROW(s->prepare(1), Error);
  EXPECT_LE(pool->live_bytes(), 10 * layout.page_bytes());
  s.reset();
  EXPECT_EQ(pool->live_bytes(), 0);
}

TEST(SequenceState, SnapshotsKeepTheRowsExactly) {
  for (const char* backend : {"ref", "cpu"}) {
    auto rt = test::runtime(backend);
    auto pool = std::make_shared<PagePool>(*rt);
    auto s = sequence(pool, {90}, 10);
    std::int64_t at = 0;
    for (const std::int64_t n : {150, 100, 37}) {
      s->prepare(n);
      std::vector<float> rows(static_cast<std::size_t>(n * 16));
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>((static_cast<int>(i) * 37 + at) % 101) * 0.173f;
      const Tensor k = Tensor::from_host(*rt, {n, 2, 8}, rows);
      const KvSegment segment{0, n, at, cache(*s, 0).table()};
      ops::kv_append(k, k, {layout, {&segment, 1}});
      s->advance(n);
      at += n;
    }
    auto restored = sequence(pool, {90}, 10);
    restored->restore(s->snapshot());
    const auto a = ops::kv_gather(*rt, layout, cache(*s, 0).table(), 200, at), b = ops::kv_gather(*rt, layout, cache(*restored, 0).table(), 200, at);
    EXPECT_EQ(a.k.to_host(), b.k.to_host());
    EXPECT_EQ(a.v.to_host(), b.v.to_host());
    EXPECT_EQ(restored->snapshot(), s->snapshot());
    auto two = sequence(pool, {90, 90}, 10);
    EXPECT_THROW(two->restore(s->snapshot()), Error);
  }
}

}  // namespace
}  // namespace tashika
