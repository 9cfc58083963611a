// Granite (IBM 2024): the Llama decoder with four constants: on the embedding, the attention scores, the
// residual branches and the logits.
#include "models/config.h"
#include "models/gguf_facts.h"
#include "models/model_def.h"

namespace tashika {
namespace {

bool claims(const Metadata& meta) {
  return is_hf(meta, "GraniteForCausalLM", "granite") || is_hf(meta, "GraniteModel", "granite") || is_gguf(meta, "granite");
}

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights) {
  const bool gguf = meta.format == Metadata::Format::gguf;
  const ConfigReader reader(meta.values, meta.origin, gguf ? "granite." : "");
  DecoderConfig c = gguf ? read_gguf_decoder(reader, weights) : read_hf_decoder(reader, weights, 0);
  c.rope_interleaved = gguf;  // GGUF stores q and k with neighbouring pairs
  c.embedding_multiplier = static_cast<float>(reader.number_or(gguf ? "embedding_scale" : "embedding_multiplier", 1.0));
  c.residual_multiplier = static_cast<float>(reader.number_or(gguf ? "residual_scale" : "residual_multiplier", 1.0));
  c.attention_scale = static_cast<float>(reader.number_or(gguf ? "attention.scale" : "attention_multiplier", gguf ? 0.0 : 1.0));
  const double logits = reader.number_or(gguf ? "logit_scale" : "logits_scaling", 1.0);
  if (!(logits > 0)) reader.bad(gguf ? "logit_scale" : "logits_scaling", "must be positive");
  c.logit_multiplier = static_cast<float>(1.0 / logits);
  return dense_decoder(c);
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
             {"model.norm.weight", "output_norm.weight", {}},
             {"lm_head.*", "output.*", {}},
             {"rope_freqs", "rope_freqs.weight", {}},
             {"model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", {}},
             {"model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", {}},
             {"model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*", {}},
             {"model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*", {}},
             {"model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*", {}},
             {"model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*", {}},
             {"model.layers.{}.mlp.gate_proj.*", "blk.{}.ffn_gate.*", {}},
             {"model.layers.{}.mlp.up_proj.*", "blk.{}.ffn_up.*", {}},
             {"model.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*", {}}};
  return b;
}

GgufFacts gguf(const Metadata& meta, const WeightSource& weights) {
  const std::unique_ptr<Module> built = build(meta, weights);
  const DecoderConfig& c = decoder_config(*built);
  GgufFacts facts = gguf_decoder_facts("granite", c);
  facts.set("embedding_scale", double{c.embedding_multiplier});
  facts.set("residual_scale", double{c.residual_multiplier});
  facts.set("attention.scale", double{c.attention_scale});
  facts.set("logit_scale", ConfigReader(meta.values, meta.origin).number_or("logits_scaling", 1.0));
  pair_rows(facts, c);
  return facts;
}

Json tiny() {
  return parse_json(R"({"architectures":["GraniteForCausalLM"],"model_type":"granite","vocab_size":73,"hidden_size":36,
    "intermediate_size":52,"num_hidden_layers":2,"num_attention_heads":6,"num_key_value_heads":2,
    "max_position_embeddings":512,"rms_norm_eps":1e-5,"hidden_act":"silu","rope_theta":10000.0,"tie_word_embeddings":true,
    "embedding_multiplier":3.0,"residual_multiplier":0.4,"attention_multiplier":0.3,"logits_scaling":2.5})", "tiny config");
}

constexpr ModelDef records[] = {{"granite", Role::language_model, "paged KV", claims, build, bindings, tiny, gguf}};

}  // namespace

extern const ModelFile granite;
const ModelFile granite{records};

}  // namespace tashika
