// Llama (Touvron et al. 2023; Dubey et al. 2024): pre-norm decoder, grouped queries, rotary
// positions, gated SiLU MLP. With biases on attention and MLP and a tied head it is also Granite
// Code 3B and 8B (Mishra et al. 2024).
#include "models/config.h"
#include "models/gguf_facts.h"
#include "models/model_def.h"

namespace tashika {
namespace {

bool claims(const Metadata& meta) {
  if (is_gguf(meta, "llama")) {
    // The same GGUF architecture name holds mixtures, told apart by their expert count.
    const Json& experts = meta.values["llama.expert_count"];
    return !experts.is_integer() || experts.as_integer() == 0;
  }
  return is_hf(meta, "LlamaForCausalLM", "llama") || is_hf(meta, "LlamaModel", "llama") ||
         is_hf(meta, "LLaMAForCausalLM", "llama");
}

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights) {
  if (meta.format == Metadata::Format::gguf) {
    const ConfigReader reader(meta.values, meta.origin, "llama.");
    DecoderConfig c = read_gguf_decoder(reader, weights);
    c.rope_interleaved = true;  // GGUF stores q and k with neighbouring pairs
    read_gguf_window(reader, c);
    return dense_decoder(c);
  }
  const ConfigReader reader(meta.values, meta.origin);
  return dense_decoder(read_hf_decoder(reader, weights, 0));
}

Bindings bindings(const Metadata& meta) {
  Bindings b;
  if (meta.format == Metadata::Format::hf) {
    b.rules = {{"model.*", "*", {}}};  // a bare backbone has no prefix
    b.leftovers = {"model.layers.{}.self_attn.rotary_emb.inv_freq", "lm_head.weight"};
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
  b.leftovers = {"blk.{}.attn_rot_embd"};
  return b;
}

GgufFacts gguf(const Metadata& meta, const WeightSource& weights) {
  const std::unique_ptr<Module> built = build(meta, weights);
  const DecoderConfig& c = decoder_config(*built);
  GgufFacts facts = gguf_decoder_facts("llama", c);
  pair_rows(facts, c);
  return facts;
}

Json tiny() {
  return parse_json(R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":97,"hidden_size":40,
    "intermediate_size":72,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":12,
    "max_position_embeddings":512,"rms_norm_eps":1e-5,"hidden_act":"silu","tie_word_embeddings":false,
    "rope_parameters":{"rope_type":"llama3","rope_theta":10000.0,"factor":4.0,"low_freq_factor":1.0,
    "high_freq_factor":4.0,"original_max_position_embeddings":64}})", "tiny config");
}

constexpr ModelDef records[] = {{"llama", Role::language_model, "paged KV", claims, build, bindings, tiny, gguf}};

}  // namespace

extern const ModelFile llama;
const ModelFile llama{records};

}  // namespace tashika
