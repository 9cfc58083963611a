// Encodings that follow the sequence's length (LongRoPE): the contract of sequence state holds on both sides of the limit.
#include <gtest/gtest.h>

#include <cstring>

#include "checkpoint/bind.h"
#include "models/model_def.h"
#include "support/random_weights.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr const char* config = R"({"architectures":["Phi3ForCausalLM"],"model_type":"phi3","vocab_size":65,"hidden_size":32,
  "intermediate_size":40,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,
  "max_position_embeddings":2048,"original_max_position_embeddings":100,"rms_norm_eps":1e-5,"hidden_act":"silu",
  "sliding_window":20,"rope_theta":10000.0,"rope_scaling":{"type":"longrope","short_factor":[1.0,1.1,1.3,1.5],
  "long_factor":[1.5,2.0,4.0,7.0]},"tie_word_embeddings":true})";

class Longrope : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    Metadata meta{Metadata::Format::hf, "tiny", parse_json(config, "tiny config")};
    test::RandomWeights weights;
    std::unique_ptr<Module> module = find_model(meta).build(meta, weights);
    weights.fill(*module, f32, 7);
    bind(*module, Bindings{}, weights, *rt);
    model.reset(static_cast<LanguageModel*>(module.release()));
    for (std::int32_t i = 0; i < 180; ++i) ids.push_back(i * 37 % 65);
  }
  std::unique_ptr<SequenceState> state() const {
    StateOptions options;
    options.margin = 10;  // so that pages are freed
    return model->new_state(*rt, options);
  }
  // Logits of the last row after tokens [state's length, end).
  std::vector<float> feed(SequenceState& s, std::size_t end) const {
    const auto at = static_cast<std::size_t>(s.length());
    const Slice slice{&s, std::span(ids).subspan(at, end - at), 1};
    return model->forward(*rt, {&slice, 1}).to_host();
  }
  std::vector<float> fresh(std::size_t end) const {
    const auto s = state();
    return feed(*s, end);
  }

  std::unique_ptr<Runtime> rt = test::runtime(GetParam(), 1, ComputeMode::exact);
  std::unique_ptr<LanguageModel> model;
  Ids ids;
};

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_P(Longrope, TheLimitMatters) {
  const auto s = state();
  const Slice slice{s.get(), std::span(ids).first(90), 1, 101};
  EXPECT_FALSE(same(model->forward(*rt, {&slice, 1}).to_host(), fresh(90)));
}

TEST_P(Longrope, StepsAcrossTheLimitGiveTheWholesRows) {
  const auto s = state();
  feed(*s, 97);
  for (std::size_t end = 98; end <= 106; ++end) EXPECT_TRUE(same(feed(*s, end), fresh(end))) << end;
  EXPECT_TRUE(same(feed(*s, 170), fresh(170)));
}

TEST_P(Longrope, AChunkBoundForALengthHasItsEncoding) {
  const auto s = state();
  for (std::size_t at = 0; at < 150; at += 30) {
    const Slice slice{s.get(), std::span(ids).subspan(at, 30), 1, 150};
    const auto row = model->forward(*rt, {&slice, 1}).to_host();
    EXPECT_EQ(at == 120, same(row, fresh(150)));
  }
}

TEST_P(Longrope, RollbackAcrossTheLimit) {
  const auto s = state();
  feed(*s, 104);
  s->rollback(7);
  EXPECT_EQ(s->length(), 97);
  EXPECT_TRUE(same(feed(*s, 99), fresh(99)));
  EXPECT_TRUE(same(feed(*s, 103), fresh(103)));
}

TEST_P(Longrope, ForksCrossApart) {
  const auto s = state();
  feed(*s, 98);
  const auto fork = s->fork();
  EXPECT_TRUE(same(feed(*s, 120), fresh(120)));
  EXPECT_TRUE(same(feed(*fork, 99), fresh(99)));
  EXPECT_TRUE(same(feed(*fork, 121), fresh(121)));
}

TEST_P(Longrope, SnapshotsKnowTheirTokens) {
  for (const std::size_t length : {std::size_t{99}, std::size_t{150}}) {
    const auto s = state(), t = state();
    feed(*s, length);
    const auto saved = s->snapshot();
    t->restore(saved);
    EXPECT_TRUE(same(feed(*t, length + 3), fresh(length + 3)));
    t->rollback(5);
    EXPECT_TRUE(same(feed(*t, length), fresh(length)));
  }
}

TEST_P(Longrope, ABatchMayCrossInPart) {
  const auto s = state(), t = state();
  feed(*s, 100);
  feed(*t, 50);
  const Slice slices[] = {{s.get(), std::span(ids).subspan(100, 2), 1}, {t.get(), std::span(ids).subspan(50, 1), 1}};
  auto expected = fresh(102);
  const auto second = fresh(51);
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_TRUE(same(model->forward(*rt, slices).to_host(), expected));
}

INSTANTIATE_TEST_SUITE_P(Backends, Longrope, testing::Values("ref", "cpu"), [](const auto& p) { return p.param; });

}  // namespace
}  // namespace tashika
