// Qwen2 (Yang et al. 2024) and Qwen3 (2025): the Llama decoder with biases on queries, keys and values
// (Qwen2) or with normed queries and keys (Qwen3); the upper layers may slide.
#include "models/config.h"
#include "models/gguf_facts.h"
#include "models/model_def.h"

namespace tashika {
namespace {

bool claims_2(const Metadata& meta) { return is_hf(meta, "Qwen2ForCausalLM", "qwen2") || is_hf(meta, "Qwen2Model", "qwen2") || is_gguf(meta, "qwen2"); }
bool claims_3(const Metadata& meta) { return is_hf(meta, "Qwen3ForCausalLM", "qwen3") || is_hf(meta, "Qwen3Model", "qwen3") || is_gguf(meta, "qwen3"); }

// Layers at or above max_window_layers slide, where sliding is switched on.
void read_windows(const ConfigReader& reader, DecoderConfig& c) {
  constexpr std::int64_t most = std::int64_t{1} << 40;
  if (!reader.boolean_or("use_sliding_window", false)) return;
  const std::int64_t window = reader.integer_or("sliding_window", 4096, 1, most);
  const std::int64_t first = reader.integer_or("max_window_layers", 28, 0, most);
  c.windows.assign(static_cast<std::size_t>(c.layers), 0);
  const JsonArray* types = reader.array("layer_types");
  if (types != nullptr && static_cast<std::int64_t>(types->size()) != c.layers) reader.bad("layer_types", types->size(), " entries for ", c.layers, " layers");
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const bool slides = types ? (*types)[at] == Json("sliding_attention") : i >= first;
    if (slides) c.windows[at] = window;
  }
}

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights, bool third) {
  DecoderConfig c;
  if (meta.format == Metadata::Format::gguf) {
    const ConfigReader reader(meta.values, meta.origin, third ? "qwen3." : "qwen2.");
    c = read_gguf_decoder(reader, weights);
    read_gguf_window(reader, c);
  } else {
    const ConfigReader reader(meta.values, meta.origin);
    c = read_hf_decoder(reader, weights, 32);
    if (third && !reader.has("head_dim")) reader.bad("head_dim", "is missing");
    read_windows(reader, c);
  }
  c.query_key_norm = third;
  return dense_decoder(c);
}
std::unique_ptr<Module> build_2(const Metadata& meta, const WeightSource& weights) { return build(meta, weights, false); }
std::unique_ptr<Module> build_3(const Metadata& meta, const WeightSource& weights) { return build(meta, weights, true); }

Bindings bindings(const Metadata& meta) {
  Bindings b;
  if (meta.format == Metadata::Format::hf) {
    b.rules = {{"model.*", "*", {}}};
    b.leftovers = {"model.layers.{}.self_attn.rotary_emb.inv_freq", "lm_head.weight"};
    return b;
  }
  b.own_names = false;
  b.rules = {{"model.embed_tokens.weight", "token_embd.weight", {}},
             {"model.norm.weight", "output_norm.weight", {}},
             {"lm_head.*", "output.*", {}},
             {"model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", {}},
             {"model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", {}},
             {"model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*", {}},
             {"model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*", {}},
             {"model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*", {}},
             {"model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*", {}},
             {"model.layers.{}.self_attn.q_norm.weight", "blk.{}.attn_q_norm.weight", {}},
             {"model.layers.{}.self_attn.k_norm.weight", "blk.{}.attn_k_norm.weight", {}},
             {"model.layers.{}.mlp.gate_proj.*", "blk.{}.ffn_gate.*", {}},
             {"model.layers.{}.mlp.up_proj.*", "blk.{}.ffn_up.*", {}},
             {"model.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*", {}}};
  return b;
}

GgufFacts gguf(const Metadata& meta, const WeightSource& weights, bool third) {
  const std::unique_ptr<Module> built = build(meta, weights, third);
  return gguf_decoder_facts(third ? "qwen3" : "qwen2", decoder_config(*built));
}
GgufFacts gguf_2(const Metadata& meta, const WeightSource& weights) { return gguf(meta, weights, false); }
GgufFacts gguf_3(const Metadata& meta, const WeightSource& weights) { return gguf(meta, weights, true); }

Json tiny_2() {
  return parse_json(R"({"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2","vocab_size":71,"hidden_size":48,
    "intermediate_size":60,"num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,
    "max_position_embeddings":512,"rms_norm_eps":1e-6,"hidden_act":"silu","use_sliding_window":true,"sliding_window":18,
    "max_window_layers":1,"rope_theta":1000000.0,"tie_word_embeddings":true})", "tiny config");
}
Json tiny_3() {
  return parse_json(R"({"architectures":["Qwen3ForCausalLM"],"model_type":"qwen3","vocab_size":67,"hidden_size":40,
    "intermediate_size":56,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":14,
    "max_position_embeddings":512,"rms_norm_eps":1e-6,"hidden_act":"silu","rope_theta":1000000.0,
    "tie_word_embeddings":false})", "tiny config");
}

constexpr ModelDef records[] = {{"qwen2", Role::language_model, "paged or sliding KV", claims_2, build_2, bindings, tiny_2, gguf_2},
                                {"qwen3", Role::language_model, "paged or sliding KV", claims_3, build_3, bindings, tiny_3, gguf_3}};

}  // namespace

extern const ModelFile qwen;
const ModelFile qwen{records};

}  // namespace tashika
