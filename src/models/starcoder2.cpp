// StarCoder2 (Lozhkov et al. 2024): grouped queries, rotary positions and a sliding window, with LayerNorm,
// biases throughout and a plain GELU MLP.
#include "models/config.h"
#include "models/gguf_facts.h"
#include "models/model_def.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"

namespace tashika {
namespace {

struct Mlp : Module {
  Linear c_fc, c_proj;
  Unary act;
  explicit Mlp(const DecoderConfig& c) : c_fc(c.inner, c.hidden), c_proj(c.hidden, c.inner), act(c.act) {}
  void parts(Visitor& v) override {
    v("c_fc", c_fc);
    v("c_proj", c_proj);
  }
};

struct Block : Module {
  LayerNorm input_layernorm, post_attention_layernorm;
  Attention self_attn;
  Mlp mlp;
  Block(const DecoderConfig& c, std::int64_t layer)
      : input_layernorm(c.hidden, c.norm_eps), post_attention_layernorm(c.hidden, c.norm_eps), self_attn(attention_config(c, layer)), mlp(c) {}
  void parts(Visitor& v) override {
    v("input_layernorm", input_layernorm);
    v("self_attn", self_attn);
    v("post_attention_layernorm", post_attention_layernorm);
    v("mlp", mlp);
  }
};

struct Starcoder2 final : LanguageModel {
  DecoderConfig config;
  Embedding embed_tokens;
  std::vector<Block> layers;
  LayerNorm norm;
  Linear lm_head;
  Rope rope;

  explicit Starcoder2(const DecoderConfig& c)
      : LanguageModel({c.vocab, c.hidden, c.layers, c.context}),
        config(c),
        embed_tokens(c.vocab, c.hidden),
        norm(c.hidden, c.norm_eps),
        lm_head(c.vocab, c.hidden),
        rope(c.rope_dim, c.rope_theta, c.rope_scaling, c.rope_interleaved) {
    for (std::int64_t i = 0; i < c.layers; ++i) layers.emplace_back(c, i);
  }
  void parts(Visitor& v) override {
    v("model.embed_tokens", embed_tokens);
    v("model.layers", layers);
    v("model.norm", norm);
    if (!config.tied) v("lm_head", lm_head);
  }

 protected:
  Tensor trunk(Batch& batch) override {
    Tensor x = embed_tokens(batch.tokens());
    for (std::size_t i = 0; i < layers.size(); ++i) {
      batch.runtime().throw_if_cancelled();
      const Block& b = layers[i];
      x = b.self_attn(b.input_layernorm(x), x, batch, i, rope);
      x = b.mlp.c_proj(ops::unary(b.mlp.act, b.mlp.c_fc(b.post_attention_layernorm(x))), x);
    }
    return norm(x);
  }
  Tensor head(const Tensor& hidden) override { return config.tied ? ops::linear(hidden, embed_tokens.weight) : lm_head(hidden); }
  std::unique_ptr<LayerState> new_layer_state(std::int64_t layer, std::shared_ptr<PagePool> pool, const StateOptions& options) const override {
    return layers[static_cast<std::size_t>(layer)].self_attn.new_state(std::move(pool), options);
  }
};

bool claims(const Metadata& meta) {
  return is_hf(meta, "Starcoder2ForCausalLM", "starcoder2") || is_hf(meta, "Starcoder2Model", "starcoder2") || is_gguf(meta, "starcoder2");
}

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights) {
  const bool gguf = meta.format == Metadata::Format::gguf;
  const ConfigReader reader(meta.values, meta.origin, gguf ? "starcoder2." : "");
  DecoderConfig c = gguf ? read_gguf_decoder(reader, weights) : read_hf_decoder(reader, weights, 2);
  c.norm_eps = static_cast<float>(gguf ? reader.number_or("attention.layer_norm_epsilon", 1e-5) : reader.number_or("norm_epsilon", 1e-5));
  c.act = gguf ? Unary::gelu_tanh : activation(reader.string_or("hidden_act", "gelu_pytorch_tanh"));
  if (gguf) {
    read_gguf_window(reader, c);
  } else {
    c.tied = reader.boolean_or("tie_word_embeddings", true);
    if (const std::int64_t window = reader.integer_or("sliding_window", 0, 1, std::int64_t{1} << 40); window > 0) {
      c.windows.assign(static_cast<std::size_t>(c.layers), window);
    }
  }
  return std::make_unique<Starcoder2>(c);
}

Bindings bindings(const Metadata& meta) {
  Bindings b;
  if (meta.format == Metadata::Format::hf) {
    b.rules = {{"model.*", "*", {}}};
    b.leftovers = {"lm_head.weight"};
    return b;
  }
  b.own_names = false;
  b.rules = {{"model.embed_tokens.weight", "token_embd.weight", {}},
             {"model.norm.*", "output_norm.*", {}},
             {"lm_head.*", "output.*", {}},
             {"model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*", {}},
             {"model.layers.{}.post_attention_layernorm.*", "blk.{}.ffn_norm.*", {}},
             {"model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*", {}},
             {"model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*", {}},
             {"model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*", {}},
             {"model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*", {}},
             {"model.layers.{}.mlp.c_fc.*", "blk.{}.ffn_up.*", {}},
             {"model.layers.{}.mlp.c_proj.*", "blk.{}.ffn_down.*", {}}};
  return b;
}

GgufFacts gguf(const Metadata& meta, const WeightSource& weights) {
  const std::unique_ptr<Module> built = build(meta, weights);
  const DecoderConfig& c = static_cast<const Starcoder2&>(*built).config;
  if (c.act != Unary::gelu_tanh) fail(meta.origin, ": hidden_act: GGUF's form of this family knows gelu_pytorch_tanh only");
  return gguf_decoder_facts("starcoder2", c, "attention.layer_norm_epsilon");
}

Json tiny() {
  return parse_json(R"({"architectures":["Starcoder2ForCausalLM"],"model_type":"starcoder2","vocab_size":47,"hidden_size":40,
    "intermediate_size":72,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,
    "max_position_embeddings":512,"norm_epsilon":1e-5,"hidden_act":"gelu_pytorch_tanh","sliding_window":45,"rope_theta":10000.0})", "tiny config");
}

constexpr ModelDef records[] = {{"starcoder2", Role::language_model, "paged or sliding KV", claims, build, bindings, tiny, gguf}};

}  // namespace

extern const ModelFile starcoder2;
const ModelFile starcoder2{records};

}  // namespace tashika
