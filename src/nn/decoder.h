// The pre-norm decoder that most language models share: embedding, blocks of attention and a
// feed-forward part with residuals, final norm, head. A family's file chooses the parts.
#pragma once

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

  std::int64_t window(std::int64_t layer) const { return windows.empty() ? 0 : windows[static_cast<std::size_t>(layer)]; }
};

// f(normed x) + residual.
struct FeedForward : Module {
  virtual Tensor operator()(const Tensor& x, const Tensor& residual) const = 0;
};

struct DenseFeedForward final : FeedForward {
  GatedMlp mlp;
  explicit DenseFeedForward(const DecoderConfig& c) : mlp(c.hidden, c.inner, c.act) {}
  void parts(Visitor& v) override { mlp.parts(v); }
  Tensor operator()(const Tensor& x, const Tensor& residual) const override { return mlp(x, residual); }
};

struct DecoderLayer : Module {
  RmsNorm input_layernorm, post_attention_layernorm;
  Attention self_attn;
  std::string feed_forward_name;  // "mlp" in most checkpoints
  std::unique_ptr<FeedForward> feed_forward;

  void parts(Visitor& v) override;
};

struct Decoder final : LanguageModel {
  DecoderConfig config;
  Embedding embed_tokens;
  std::vector<DecoderLayer> layers;
  RmsNorm norm;
  Linear lm_head;
  Param rope_freqs;  // divisors of the rotary frequencies that some GGUF files carry
  Rope rope;

  using MakeFeedForward = std::unique_ptr<FeedForward> (*)(const DecoderConfig&, const void* more);
  Decoder(const DecoderConfig& c, std::string feed_forward_name, const MakeFeedForward& make, const void* more = nullptr);
  void parts(Visitor& v) override;
  void bound() override;

 protected:
  Tensor trunk(Batch& batch) override;
  Tensor head(const Tensor& hidden) override;
  std::unique_ptr<LayerState> new_layer_state(std::int64_t layer, std::shared_ptr<PagePool> pool,
                                              const StateOptions& options) const override;
};

std::unique_ptr<FeedForward> dense_feed_forward(const DecoderConfig& c, const void*);

}  // namespace tashika
