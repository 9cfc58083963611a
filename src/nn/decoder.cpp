#include "nn/decoder.h"

#include "ops/matmul.h"

namespace tashika {

std::unique_ptr<FeedForward> dense_feed_forward(const DecoderConfig& c, const void*) { return std::make_unique<DenseFeedForward>(c); }

void DecoderLayer::parts(Visitor& v) {
  v("input_layernorm", input_layernorm);
  v("self_attn", self_attn);
  v("post_attention_layernorm", post_attention_layernorm);
  v(feed_forward_name, feed_forward);
}

Decoder::Decoder(const DecoderConfig& c, std::string feed_forward_name, const MakeFeedForward& make, const void* more)
    : LanguageModel({c.vocab, c.hidden, c.layers, c.context}),
      config(c),
      embed_tokens(c.vocab, c.hidden),
      norm(c.hidden, c.norm_eps),
      lm_head(c.vocab, c.hidden),
      rope_freqs({c.rope_dim / 2}, true),
      rope(c.rope_dim, c.rope_theta, c.rope_scaling, c.rope_interleaved) {
  for (std::int64_t i = 0; i < c.layers; ++i) {
    DecoderLayer layer;
    layer.input_layernorm = RmsNorm(c.hidden, c.norm_eps);
    layer.post_attention_layernorm = RmsNorm(c.hidden, c.norm_eps);
    layer.self_attn = Attention({c.hidden, c.heads, c.kv_heads, c.head_dim, c.window(i), 0, 0});
    layer.feed_forward_name = feed_forward_name;
    layer.feed_forward = make(c, more);
    layers.push_back(std::move(layer));
  }
}

void Decoder::parts(Visitor& v) {
  v("model.embed_tokens", embed_tokens);
  v("model.layers", layers);
  v("model.norm", norm);
  if (!config.tied) v("lm_head", lm_head);
  v("rope_freqs", rope_freqs);
}

void Decoder::bound() {
  if (rope_freqs.value.defined() && !rope_freqs.value.is_meta()) rope.set_frequencies(rope_freqs.value.to_host());
}

Tensor Decoder::trunk(Batch& batch) {
  Tensor x = embed_tokens(batch.tokens());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    batch.runtime().throw_if_cancelled();
    const DecoderLayer& layer = layers[i];
    x = layer.self_attn(layer.input_layernorm(x), x, batch, i, rope);
    x = (*layer.feed_forward)(layer.post_attention_layernorm(x), x);
  }
  return norm(x);
}

Tensor Decoder::head(const Tensor& hidden) {
  return config.tied ? ops::linear(hidden, embed_tokens.weight) : lm_head(hidden);
}

std::unique_ptr<LayerState> Decoder::new_layer_state(std::int64_t layer, std::shared_ptr<PagePool> pool,
                                                     const StateOptions& options) const {
  return layers[static_cast<std::size_t>(layer)].self_attn.new_state(std::move(pool), options);
}

}  // namespace tashika
