// Recurrent state: every rollback within the margin, at any distance from a kept state; constant memory; a forward that
// fails leaves nothing behind.
#include <gtest/gtest.h>

#include "checkpoint/bind.h"
#include "models/model_def.h"
#include "support/random_weights.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

using Ids = std::vector<std::int32_t>;

std::vector<const ModelDef*> recurrent_models() {
  std::vector<const ModelDef*> out;
  for (const ModelFile* file : model_files()) {
    for (const ModelDef& def : file->records) {
      if (def.role == Role::language_model && def.state == "recurrent") out.push_back(&def);
    }
  }
  return out;
}

class Recurrent : public testing::TestWithParam<const ModelDef*> {
 protected:
  Recurrent() : rt(test::runtime("cpu", 1, ComputeMode::exact)) {
    const Metadata meta{Metadata::Format::hf, "tiny", GetParam()->tiny()};
    test::RandomWeights weights;
    std::unique_ptr<Module> module = GetParam()->build(meta, weights);
    weights.fill(*module, f32, 7);
    bind(*module, Bindings{}, weights, *rt);
    model.reset(static_cast<LanguageModel*>(module.release()));
    std::mt19937 rng(3);
    for (auto& id : tokens) id = static_cast<std::int32_t>(rng() % static_cast<unsigned>(model->info().vocab));
  }
  std::unique_ptr<SequenceState> state(std::int64_t margin) const {
    StateOptions options;
    options.margin = margin;
    return model->new_state(*rt, options);
  }
  // Feeds tokens [from, to) in chunks of the given size, ending with what fits.
  std::vector<float> feed(SequenceState& s, std::int64_t to, std::int64_t chunk) {
    std::vector<float> last;
    while (s.length() < to) {
      const auto at = static_cast<std::size_t>(s.length()), n = static_cast<std::size_t>(std::min(chunk, to - s.length()));
      const Slice slice{&s, std::span(tokens).subspan(at, n), 1};
      last = model->forward(*rt, {&slice, 1}).to_host();
    }
    return last;
  }
  std::unique_ptr<Runtime> rt;
  std::unique_ptr<LanguageModel> model;
  Ids tokens = Ids(600);
};

TEST_P(Recurrent, EveryRollbackWithinTheMarginIsExact) {
  for (const std::int64_t margin : {std::int64_t{1}, std::int64_t{40}, std::int64_t{128}}) {
    for (const std::int64_t chunk : {std::int64_t{1}, std::int64_t{9}, std::int64_t{200}}) {
      auto s = state(margin);
      feed(*s, 200, chunk);
      for (const std::int64_t n : {std::int64_t{1}, std::int64_t{31}, std::int64_t{32}, std::int64_t{33}, std::int64_t{40}, std::int64_t{100}, std::int64_t{128}}) {
        if (n > margin) continue;
        auto back = s->fork(), fresh = state(margin);
        back->rollback(n);
        feed(*fresh, 200 - n, 1);
        EXPECT_EQ(feed(*back, 210, 3), feed(*fresh, 210, 1)) << "margin " << margin << ", chunks of " << chunk << ", back by " << n;
      }
      auto start = s->fork(), fresh = state(margin);
      start->rollback(200);  // the beginning is always held
      EXPECT_EQ(feed(*start, 5, 1), feed(*fresh, 5, 1));
    }
  }
}

TEST_P(Recurrent, FurtherBackIsAnErrorAndChangesNothing) {
  auto s = state(16);
  feed(*s, 300, 1);
  EXPECT_FALSE(s->can_roll_back(200));
  EXPECT_THROW(s->rollback(200), Error);
  EXPECT_EQ(s->length(), 300);
}

TEST_P(Recurrent, MemoryDoesNotGrowWithTheSequence) {
  for (const std::int64_t chunk : {std::int64_t{1}, std::int64_t{50}}) {
    auto s = state(64);
    feed(*s, 200, chunk);
    std::int64_t most = 0;
    for (std::int64_t to = 200; to < 300; to += chunk) {
      feed(*s, to, chunk);
      most = std::max(most, s->bytes());
    }
    for (std::int64_t to = 300; to < 600; to += chunk) {
      feed(*s, to, chunk);
      EXPECT_LE(s->bytes(), most);
    }
  }
}

TEST_P(Recurrent, AForwardThatFailsLeavesTheState) {
  for (const std::int64_t n : {std::int64_t{3}, std::int64_t{150}}) {
    auto s = state(32), fresh = state(32);
    feed(*s, 40, 1);
    feed(*fresh, 40, 1);
    const auto failing = [&] {
      const Slice slice{s.get(), std::span(tokens).subspan(100, static_cast<std::size_t>(n)), 1};
      model->forward(*rt, {&slice, 1});
    };
    rt->cancel();
    EXPECT_THROW(failing(), Error);
    rt->clear_cancel();
    EXPECT_EQ(s->length(), 40);
    EXPECT_EQ(feed(*s, 60, 7), feed(*fresh, 60, 1));
    s->rollback(25);
    fresh->rollback(25);
    EXPECT_EQ(feed(*s, 60, 7), feed(*fresh, 60, 1));
  }
}

INSTANTIATE_TEST_SUITE_P(All, Recurrent, testing::ValuesIn(recurrent_models()), [](const auto& p) { return std::string(p.param->name); });

}  // namespace
}  // namespace tashika
