// The pre-norm decoder that most language models share: embedding, blocks of attention and a
// feed-forward part with residuals, final norm, head. A family's file chooses the parts.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "nn/attention.h"
#include "nn/language_model.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/rope.h"

namespace tashika {

struct DecoderConfig {
  std::int64_t vocab = 0, hidden = 0, inner = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, context = 0;
  float norm_eps = 1e-6f;
  Unary act = Unary::silu;
  bool tied = false;  // the head is the embedding
  std::vector<std::int64_t> windows;  // per layer, 0: full attention; empty: all full
  std::int64_t rope_dim = 0;          // entries of a head that turn
  double rope_theta = 10000;
  RopeScaling rope_scaling;
  bool rope_interleaved = false;
  // Constants that some families multiply by.
  float embedding_multiplier = 1, residual_multiplier = 1;
  float attention_scale = 0;   // 0: 1 / sqrt(head_dim)
  float attention_softcap = 0, logit_softcap = 0;
  float logit_multiplier = 1;
  float query_slope = 0;  // AttentionConfig's
  double query_period = 1;
  bool query_key_norm = false;  // RMS norm of every head's queries and keys before they turn

  std::int64_t window(std::int64_t layer) const { return windows.empty() ? 0 : windows[static_cast<std::size_t>(layer)]; }
};

AttentionConfig attention_config(const DecoderConfig& c, std::int64_t layer);

// One layer: hidden rows in, hidden rows out.
struct DecoderBlock : Module {
  virtual Tensor operator()(const Tensor& x, Batch& batch, std::size_t layer, const Rope& rope) const = 0;
  virtual std::unique_ptr<LayerState> new_state(std::shared_ptr<PagePool> pool, const StateOptions& options) const = 0;
};

// f(normed x) + residual.
struct FeedForward : Module {
  virtual Tensor operator()(const Tensor& x, const Tensor& residual) const = 0;
  // The same for parts that have something to tell about the batch.
  virtual Tensor operator()(const Tensor& x, const Tensor& residual, Batch& /*batch*/) const { return (*this)(x, residual); }
};

struct DenseFeedForward final : FeedForward {
  GatedMlp mlp;
  explicit DenseFeedForward(const DecoderConfig& c) : mlp(c.hidden, c.inner, c.act) {}
  void parts(Visitor& v) override { mlp.parts(v); }
  using FeedForward::operator();
  Tensor operator()(const Tensor& x, const Tensor& residual) const override { return mlp(x, residual); }
};

// x + attention(norm x), then x + feed_forward(norm x): the block of most decoders.
struct PreNormBlock final : DecoderBlock {
  RmsNorm input_layernorm, post_attention_layernorm;
  Attention self_attn;
  std::string feed_forward_name;  // "mlp" in most checkpoints
  std::unique_ptr<FeedForward> feed_forward;
  float residual_multiplier = 1;

  PreNormBlock(const DecoderConfig& c, std::int64_t layer, std::string name, std::unique_ptr<FeedForward> part);
  void parts(Visitor& v) override;
  Tensor operator()(const Tensor& x, Batch& batch, std::size_t layer, const Rope& rope) const override;
  std::unique_ptr<LayerState> new_state(std::shared_ptr<PagePool> pool, const StateOptions& options) const override;
};

struct Decoder final : LanguageModel {
  DecoderConfig config;
  Embedding embed_tokens;
  std::vector<std::unique_ptr<DecoderBlock>> layers;
  RmsNorm norm;
  Linear lm_head;
  Param rope_freqs;  // divisors of the rotary frequencies that some GGUF files carry
  Param rope_factors_short, rope_factors_long;  // LongRoPE's, where a GGUF file has them
  Rope rope;

  using MakeBlock = std::function<std::unique_ptr<DecoderBlock>(std::int64_t layer)>;
  Decoder(const DecoderConfig& c, const MakeBlock& make);
  void parts(Visitor& v) override;
  void bound() override;
  // Final hidden states of a batch, for encoders that are made of one.
  Tensor states(Batch& batch) { return trunk(batch); }

 protected:
  Tensor trunk(Batch& batch) override;
  Tensor head(const Tensor& hidden) override;
  bool depends_on_length() const override { return rope.depends_on_length(); }
  int encoding(std::int64_t length) const override { return rope.encoding(length); }
  std::unique_ptr<LayerState> new_layer_state(std::int64_t layer, std::shared_ptr<PagePool> pool,
                                              const StateOptions& options) const override;
};

// A decoder of pre-norm blocks with dense gated MLPs.
std::unique_ptr<Module> dense_decoder(const DecoderConfig& c);

}  // namespace tashika
