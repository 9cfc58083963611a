#include "nn/decoder.h"

#include "ops/autograd.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"

namespace tashika {

AttentionConfig attention_config(const DecoderConfig& c, std::int64_t layer) {
  return {c.hidden, c.heads, c.kv_heads, c.head_dim, c.window(layer), c.attention_scale, c.attention_softcap,
          c.query_key_norm ? c.norm_eps : 0.0f, c.query_slope, c.query_period};
}

PreNormBlock::PreNormBlock(const DecoderConfig& c, std::int64_t layer, std::string name, std::unique_ptr<FeedForward> part)
    : input_layernorm(c.hidden, c.norm_eps),
      post_attention_layernorm(c.hidden, c.norm_eps),
      self_attn(attention_config(c, layer)),
      feed_forward_name(std::move(name)),
      feed_forward(std::move(part)),
      residual_multiplier(c.residual_multiplier) {}

void PreNormBlock::parts(Visitor& v) {
  v("input_layernorm", input_layernorm);
  v("self_attn", self_attn);
  v("post_attention_layernorm", post_attention_layernorm);
  v(feed_forward_name, feed_forward);
}

Tensor PreNormBlock::operator()(const Tensor& x, Batch& batch, std::size_t layer, const Rope& rope) const {
  if (residual_multiplier == 1.0f) {
    const Tensor attended = self_attn(input_layernorm(x), x, batch, layer, rope);
    return (*feed_forward)(post_attention_layernorm(attended), attended, batch);
  }
  const Tensor attended = ops::add(x, ops::scale(self_attn(input_layernorm(x), {}, batch, layer, rope), residual_multiplier));
  return ops::add(attended, ops::scale((*feed_forward)(post_attention_layernorm(attended), {}, batch), residual_multiplier));
}

std::unique_ptr<LayerState> PreNormBlock::new_state(std::shared_ptr<PagePool> pool, const StateOptions& options) const {
  return self_attn.new_state(std::move(pool), options);
}

Decoder::Decoder(const DecoderConfig& c, const MakeBlock& make)
    : LanguageModel({c.vocab, c.hidden, c.layers, c.context}),
      config(c),
      embed_tokens(c.vocab, c.hidden),
      norm(c.hidden, c.norm_eps),
      lm_head(c.vocab, c.hidden),
      rope_freqs({c.rope_dim / 2}, true),
      rope_factors_short({c.rope_dim / 2}, true),
      rope_factors_long({c.rope_dim / 2}, true),
      rope(c.rope_dim, c.rope_theta, c.rope_scaling, c.rope_interleaved) {
  for (std::int64_t i = 0; i < c.layers; ++i) layers.push_back(make(i));
}

void Decoder::parts(Visitor& v) {
  v("model.embed_tokens", embed_tokens);
  v("model.layers", layers);
  v("model.norm", norm);
  if (!config.tied) v("lm_head", lm_head);
  v("rope_freqs", rope_freqs);
  if (config.rope_scaling.kind == RopeScaling::Kind::longrope) {
    v("rope_factors_short", rope_factors_short);
    v("rope_factors_long", rope_factors_long);
  }
}

void Decoder::bound() {
  // Anew, so that telling twice does not divide twice.
  rope = Rope(config.rope_dim, config.rope_theta, config.rope_scaling, config.rope_interleaved);
  if (rope_factors_short.value.defined() && rope_factors_long.value.defined() && !rope_factors_short.value.is_meta()) {
    rope.set_factors(rope_factors_short.value.to_host(), rope_factors_long.value.to_host());
  }
  if (rope_freqs.value.defined() && !rope_freqs.value.is_meta()) rope.set_frequencies(rope_freqs.value.to_host());
}

Tensor Decoder::trunk(Batch& batch) {
  Tensor x = embed_tokens(batch.tokens());
  if (config.embedding_multiplier != 1.0f) x = ops::scale(x, config.embedding_multiplier);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    batch.runtime().throw_if_cancelled();
    if (batch.recompute) {
      x = ops::recomputed(x, [this, i, shared = batch.shared_from_this()](const Tensor& in) { return (*layers[i])(in, *shared, i, rope); });
    } else {
      x = (*layers[i])(x, batch, i, rope);
    }
  }
  return norm(x);
}

Tensor Decoder::head(const Tensor& hidden) {
  Tensor out = config.tied ? ops::linear(hidden, embed_tokens.weight) : lm_head(hidden);
  if (config.logit_multiplier != 1.0f) out = ops::scale(out, config.logit_multiplier);
  if (config.logit_softcap > 0) out = ops::scale(ops::tanh(ops::scale(out, 1.0f / config.logit_softcap)), config.logit_softcap);
  return out;
}

std::unique_ptr<LayerState> Decoder::new_layer_state(std::int64_t layer, std::shared_ptr<PagePool> pool,
                                                     const StateOptions& options) const {
  return layers[static_cast<std::size_t>(layer)]->new_state(std::move(pool), options);
}

std::unique_ptr<Module> dense_decoder(const DecoderConfig& c) {
  return std::make_unique<Decoder>(
      c, [&](std::int64_t i) { return std::make_unique<PreNormBlock>(c, i, "mlp", std::make_unique<DenseFeedForward>(c)); });
}

}  // namespace tashika
