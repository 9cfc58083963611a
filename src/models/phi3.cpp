// Phi-3 (Abdin et al. 2024) and the later models of its shape: the Llama decoder with queries, keys and values stored
// as one matrix, gate and up as another, and LongRoPE (Ding et al. 2024), whose factors follow the sequence's length.
#include <cmath>

#include "models/config.h"
#include "models/gguf_facts.h"
#include "models/model_def.h"

namespace tashika {
namespace {

bool claims(const Metadata& meta) {
  return is_hf(meta, "Phi3ForCausalLM", "phi3") || is_hf(meta, "Phi3Model", "phi3") || is_gguf(meta, "phi3");
}

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights) {
  constexpr std::int64_t most = std::int64_t{1} << 40;
  if (meta.format == Metadata::Format::gguf) {
    const ConfigReader reader(meta.values, meta.origin, "phi3.");
    DecoderConfig c = read_gguf_decoder(reader, weights);
    // Zero stands for no window.
    if (const std::int64_t window = reader.integer_or("attention.sliding_window", 0, 0, most); window > 0) {
      c.windows.assign(static_cast<std::size_t>(c.layers), window);
    }
    return dense_decoder(c);
  }
  const ConfigReader reader(meta.values, meta.origin);
  DecoderConfig c = read_hf_decoder(reader, weights, 0);
  if (!reader.has("rms_norm_eps")) c.norm_eps = 1e-5f;
  if (c.rope_scaling.kind == RopeScaling::Kind::yarn)
    reader.bad("rope_scaling", "\"yarn\" means something else in this family's old files: only longrope is supported");
  if (const std::int64_t window = reader.integer_or("sliding_window", 0, 1, most); window > 0) {
    c.windows.assign(static_cast<std::size_t>(c.layers), window);
  }
  return dense_decoder(c);
}

// Rows of the fused projection: queries, keys, values, in units of a head.
Bindings bindings(const Metadata& meta) {
  using Step = BindStep;
  const bool hf = meta.format == Metadata::Format::hf;
  const auto count = [&](const char* key, std::int64_t fallback) {
    const Json& n = meta.values[key];
    return n.is_integer() && n.as_integer() > 0 && n.as_integer() < 1 << 20 ? n.as_integer() : fallback;
  };
  const auto heads = static_cast<int>(hf ? count("num_attention_heads", 32) : count("phi3.attention.head_count", 1));
  const auto keys =
      static_cast<int>(hf ? count("num_key_value_heads", heads) : count("phi3.attention.head_count_kv", heads));
  const int all = heads + 2 * keys;
  const std::string layer = "model.layers.{}.", attn = layer + "self_attn.";
  const std::string qkv = hf ? attn + "qkv_proj.*" : "blk.{}.attn_qkv.*",
                    gate_up = hf ? layer + "mlp.gate_up_proj.*" : "blk.{}.ffn_up.*";
  Bindings b;
  for (const std::size_t cut : {std::size_t{0}, std::size_t{6}}) {  // files of the bare model lack "model."
    const auto file = [&](const std::string& name) { return hf ? name.substr(cut) : name; };
    b.rules.push_back({attn + "q_proj.*", file(qkv), {Step::rows(0, heads, all)}});
    b.rules.push_back({attn + "k_proj.*", file(qkv), {Step::rows(heads, keys, all)}});
    b.rules.push_back({attn + "v_proj.*", file(qkv), {Step::rows(heads + keys, keys, all)}});
    b.rules.push_back({layer + "mlp.gate_proj.*", file(gate_up), {Step::rows(0, 1, 2)}});
    b.rules.push_back({layer + "mlp.up_proj.*", file(gate_up), {Step::rows(1, 1, 2)}});
    if (!hf) break;
  }
  if (hf) {
    b.rules.push_back({"model.*", "*", {}});
    b.leftovers = {attn + "rotary_emb.inv_freq", "lm_head.weight"};
    return b;
  }
  b.own_names = false;
  const Bindings rest{{{"model.embed_tokens.weight", "token_embd.weight", {}},
                       {"model.norm.weight", "output_norm.weight", {}},
                       {"lm_head.*", "output.*", {}},
                       {"rope_factors_long", "rope_factors_long.weight", {}},
                       {"rope_factors_short", "rope_factors_short.weight", {}},
                       {layer + "input_layernorm.weight", "blk.{}.attn_norm.weight", {}},
                       {layer + "post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", {}},
                       {attn + "q_proj.*", "blk.{}.attn_q.*", {}},
                       {attn + "k_proj.*", "blk.{}.attn_k.*", {}},
                       {attn + "v_proj.*", "blk.{}.attn_v.*", {}},
                       {attn + "o_proj.*", "blk.{}.attn_output.*", {}},
                       {layer + "mlp.down_proj.*", "blk.{}.ffn_down.*", {}}}};
  b.rules.insert(b.rules.end(), rest.rules.begin(), rest.rules.end());
  return b;
}

GgufFacts gguf(const Metadata& meta, const WeightSource& weights) {
  const std::unique_ptr<Module> built = build(meta, weights);
  const DecoderConfig& c = decoder_config(*built);
  GgufFacts facts = gguf_decoder_facts("phi3", c);
  facts.set("attention.sliding_window", c.window(0));  // zero stands for none
  return facts;
}

Json tiny() {
  return parse_json(R"({"architectures":["Phi3ForCausalLM"],"model_type":"phi3","vocab_size":65,"hidden_size":48,
    "intermediate_size":60,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,
    "max_position_embeddings":2048,"original_max_position_embeddings":512,"rms_norm_eps":1e-5,"hidden_act":"silu",
    "sliding_window":90,"partial_rotary_factor":0.5,"rope_theta":10000.0,"rope_scaling":{"type":"longrope",
    "short_factor":[1.0,1.1,1.3],"long_factor":[1.5,2.0,4.0]},"tie_word_embeddings":true})",
                    "tiny config");
}

constexpr ModelDef records[] = {{"phi3", Role::language_model, "paged or sliding KV", claims, build, bindings, tiny, gguf}};

}  // namespace

extern const ModelFile phi3;
const ModelFile phi3{records};

}  // namespace tashika
