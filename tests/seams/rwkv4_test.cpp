// Seam: an RWKV-4 block (Peng et al. 2023) as a language model with recurrent state. Projections batch
// over time; the recurrence runs token by token, so that prompt and decode are the same numbers.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "nn/language_model.h"
#include "nn/linear.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/matmul.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

constexpr std::int64_t width = 24, vocab = 31, depth = 2;
using Ids = std::vector<std::int32_t>;

struct TimeMix : Module {
  Param time_decay{{width}}, time_first{{width}}, time_mix_key{{width}}, time_mix_value{{width}}, time_mix_receptance{{width}};
  Linear key{width, width}, value{width, width}, receptance{width, width}, output{width, width};
  void parts(Visitor& v) override {
    v("time_decay", time_decay);
    v("time_first", time_first);
    v("time_mix_key", time_mix_key);
    v("time_mix_value", time_mix_value);
    v("time_mix_receptance", time_mix_receptance);
    v("key", key);
    v("value", value);
    v("receptance", receptance);
    v("output", output);
  }
};

struct ChannelMix : Module {
  Param time_mix_key{{width}}, time_mix_receptance{{width}};
  Linear key{2 * width, width}, receptance{width, width}, value{width, 2 * width};
  void parts(Visitor& v) override {
    v("time_mix_key", time_mix_key);
    v("time_mix_receptance", time_mix_receptance);
    v("key", key);
    v("receptance", receptance);
    v("value", value);
  }
};

struct Block : Module {
  LayerNorm ln1{width, 1e-5f}, ln2{width, 1e-5f};
  TimeMix attention;
  ChannelMix feed_forward;
  void parts(Visitor& v) override {
    v("ln1", ln1);
    v("ln2", ln2);
    v("attention", attention);
    v("feed_forward", feed_forward);
  }
};

// x·mix + shifted·(1 - mix)
Tensor blend(const Tensor& x, const Tensor& shifted, const Tensor& mix) {
  return ops::add(ops::mul(x, mix), ops::mul(shifted, ops::affine(mix, -1.0f, 1.0f)));
}

struct Rwkv4 final : LanguageModel {
  Embedding embeddings{vocab, width};
  std::vector<Block> blocks{static_cast<std::size_t>(depth)};
  LayerNorm ln_out{width, 1e-5f};
  Linear head_map{vocab, width};
  Rwkv4() : LanguageModel({vocab, width, depth, 0}) { fingerprint = "rwkv4"; }
  void parts(Visitor& v) override {
    v("rwkv.embeddings", embeddings);
    v("rwkv.blocks", blocks);
    v("rwkv.ln_out", ln_out);
    v("head", head_map);
  }

 protected:
  std::unique_ptr<LayerState> new_layer_state(std::int64_t, std::shared_ptr<PagePool> pool, const StateOptions& options) const override {
    Runtime& rt = pool->runtime();
    const Tensor zero = Tensor::full(rt, {1, width}, 0.0f);
    // Shift of the channel mix, shift of the time mix, numerator, denominator, running maximum.
    return std::make_unique<RecurrentState>(std::vector<Tensor>{zero, zero, zero, zero, Tensor::full(rt, {1, width}, -1e30f)}, options.margin);
  }

  Tensor head(const Tensor& h) override { return head_map(h); }

  Tensor trunk(Batch& batch) override {
    Tensor x = embeddings(batch.tokens());
    for (std::size_t i = 0; i < blocks.size(); ++i) x = block(blocks[i], i, x, batch);
    return ln_out(x);
  }

  static Tensor row(const Tensor& t, std::int64_t i) { return t.slice(0, i, i + 1); }

  Tensor block(const Block& b, std::size_t layer, const Tensor& x, Batch& batch) {
    const Tensor a = b.ln1(x);
    const auto shifted = [&](const Tensor& normed, std::size_t which) {
      std::vector<Tensor> rows;
      for (std::size_t s = 0; s < batch.slices().size(); ++s) {
        const auto n = static_cast<std::int64_t>(batch.slices()[s].tokens.size()), first = batch.first_row(s);
        rows.push_back(state(batch, s, layer).current()[which]);
        if (n > 1) rows.push_back(normed.slice(0, first, first + n - 1));
      }
      return ops::concat(rows, 0);
    };
    const TimeMix& t = b.attention;
    const Tensor before = shifted(a, 1);
    const Tensor k = t.key(blend(a, before, t.time_mix_key)), v = t.value(blend(a, before, t.time_mix_value));
    const Tensor r = ops::sigmoid(t.receptance(blend(a, before, t.time_mix_receptance)));
    const Tensor decay = ops::affine(ops::exp(t.time_decay.value), -1.0f, 0.0f);

    std::vector<Tensor> out;
    std::vector<std::vector<std::vector<Tensor>>> kept(batch.slices().size());
    for (std::size_t s = 0; s < batch.slices().size(); ++s) {
      std::vector<Tensor> now = state(batch, s, layer).current();
      for (std::size_t j = 0; j < batch.slices()[s].tokens.size(); ++j) {
        const std::int64_t at = batch.first_row(s) + static_cast<std::int64_t>(j);
        const Tensor kt = row(k, at), vt = row(v, at);
        const Tensor boosted = ops::add(kt, t.time_first.value);
        const Tensor top = ops::binary(Binary::maximum, now[4], boosted);
        const Tensor e1 = ops::exp(ops::sub(now[4], top)), e2 = ops::exp(ops::sub(boosted, top));
        out.push_back(ops::div(ops::add(ops::mul(e1, now[2]), ops::mul(e2, vt)), ops::add(ops::mul(e1, now[3]), e2)));
        const Tensor faded = ops::add(now[4], decay);
        const Tensor next = ops::binary(Binary::maximum, faded, kt);
        const Tensor f1 = ops::exp(ops::sub(faded, next)), f2 = ops::exp(ops::sub(kt, next));
        now = {Tensor{}, row(a, at), ops::add(ops::mul(f1, now[2]), ops::mul(f2, vt)), ops::add(ops::mul(f1, now[3]), f2), next};
        kept[s].push_back(now);
      }
    }
    const Tensor mixed = t.output(ops::mul(r, ops::concat(out, 0)), x);

    const Tensor c = b.ln2(mixed);
    const ChannelMix& f = b.feed_forward;
    const Tensor prior = shifted(c, 0);
    const Tensor inner = ops::unary(Unary::square, ops::relu(f.key(blend(c, prior, f.time_mix_key))));
    const Tensor gate = ops::sigmoid(f.receptance(blend(c, prior, f.time_mix_receptance)));
    for (std::size_t s = 0; s < kept.size(); ++s) {
      for (std::size_t j = 0; j < kept[s].size(); ++j) {
        kept[s][j][0] = row(c, batch.first_row(s) + static_cast<std::int64_t>(j));
        state(batch, s, layer).push(batch.start(s) + static_cast<std::int64_t>(j) + 1, std::move(kept[s][j]));
      }
    }
    return ops::add(ops::mul(gate, f.value(inner)), mixed);
  }

  static RecurrentState& state(Batch& batch, std::size_t slice, std::size_t layer) {
    return static_cast<RecurrentState&>(batch.slices()[slice].state->layer(layer));
  }
};

class RecurrentSeam : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::mt19937 rng(11);
    for_each_param(model, [&](const std::string& name, Param& p) {
      if (p.optional && name.find("ln") == std::string::npos) return;
      const bool around_one = name.find("ln") != std::string::npos && name.find("weight") != std::string::npos;
      std::normal_distribution<float> normal(around_one ? 1.0f : 0.0f, 0.4f);
      std::vector<float> values(static_cast<std::size_t>(p.shape.numel()));
      for (float& v : values) v = normal(rng);
      p.value = Tensor::from_host(*rt, p.shape, values);
    });
  }
  std::vector<float> feed(SequenceState& s, const Ids& tokens) {
    const Slice slice{&s, tokens, static_cast<std::int64_t>(tokens.size())};
    return model.forward(*rt, {&slice, 1}).to_host();
  }
  Ids ids(std::size_t n, unsigned seed) {
    std::mt19937 rng(seed);
    Ids out(n);
    for (auto& id : out) id = static_cast<std::int32_t>(rng() % vocab);
    return out;
  }
  std::unique_ptr<Runtime> rt = test::runtime(GetParam(), 1, ComputeMode::exact);
  Rwkv4 model;
};

TEST_P(RecurrentSeam, StepIsChunkIsBatch) {
  const Ids tokens = ids(20, 1), other = ids(5, 2);
  auto whole = model.new_state(*rt), steps = model.new_state(*rt), alone = model.new_state(*rt);
  const auto expected = feed(*whole, tokens);
  std::vector<float> stepped;
  for (const std::int32_t id : tokens) {
    const auto one = feed(*steps, {id});
    stepped.insert(stepped.end(), one.begin(), one.end());
  }
  EXPECT_EQ(stepped, expected);
  auto a = model.new_state(*rt), b = model.new_state(*rt);
  const Slice slices[] = {{b.get(), other, 5}, {a.get(), tokens, 20}};
  auto both = feed(*alone, other);
  both.insert(both.end(), expected.begin(), expected.end());
  EXPECT_EQ(model.forward(*rt, slices).to_host(), both);
}

TEST_P(RecurrentSeam, RollbackForkSnapshot) {
  const Ids tokens = ids(20, 3), tail = ids(6, 4);
  StateOptions options;
  options.margin = 12;
  auto s = model.new_state(*rt, options), plain = model.new_state(*rt, options);
  feed(*s, tokens);
  feed(*plain, Ids(tokens.begin(), tokens.begin() + 13));
  s->rollback(7);
  auto fork = s->fork();
  const auto saved = s->snapshot();
  const auto expected = feed(*plain, tail);
  EXPECT_EQ(feed(*s, tail), expected);
  EXPECT_EQ(feed(*fork, tail), expected);
  auto restored = model.new_state(*rt, options);
  restored->restore(saved);
  EXPECT_EQ(feed(*restored, tail), expected);
  EXPECT_THROW(restored->rollback(17), Error);  // further back than it keeps
  EXPECT_EQ(restored->length(), 19);
  restored->rollback(19);  // the beginning is always held
  auto fresh = model.new_state(*rt, options);
  EXPECT_EQ(feed(*restored, tail), feed(*fresh, tail));
}

INSTANTIATE_TEST_SUITE_P(Backends, RecurrentSeam, testing::Values("ref", "cpu"), [](const auto& p) { return p.param; });

}  // namespace
}  // namespace tashika
