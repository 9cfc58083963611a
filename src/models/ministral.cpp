// Ministral (Mistral AI 2024): Mistral with sliding and full layers interleaved (`layer_types`). Ministral 3 (2025):
// full layers, YaRN, and queries that grow with the logarithm of their position; its text part also out of the files
// that hold an image encoder beside it.
#include "models/config.h"
#include "models/gguf_facts.h"
#include "models/model_def.h"

namespace tashika {
namespace {

constexpr std::int64_t most = std::int64_t{1} << 40;

bool claims(const Metadata& meta) {
  return is_hf(meta, "MinistralForCausalLM", "ministral") || is_hf(meta, "MinistralModel", "ministral");
}

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights) {
  const ConfigReader reader(meta.values, meta.origin);
  DecoderConfig c = read_hf_decoder(reader, weights, 8);
  const std::int64_t window =
      meta.values.contains("sliding_window") ? reader.integer_or("sliding_window", 0, 1, most) : 4096;
  c.windows.assign(static_cast<std::size_t>(c.layers), window);
  if (const JsonArray* types = reader.array("layer_types")) {
    if (static_cast<std::int64_t>(types->size()) != c.layers)
      reader.bad("layer_types", types->size(), " entries for ", c.layers, " layers");
    for (std::size_t i = 0; i < types->size(); ++i) {
      const std::string type = (*types)[i].is_string() ? (*types)[i].as_string() : std::string();
      if (type == "full_attention")
        c.windows[i] = 0;
      else if (type != "sliding_attention")
        reader.bad("layer_types", "entry ", i, " is neither full_attention nor sliding_attention");
      else if (window == 0)
        reader.bad("sliding_window", "is missing, but layer ", i, " is sliding");
    }
  } else {
    // The 8B checkpoint's published pattern: one full layer, then three sliding ones.
    for (std::size_t i = 0; i < c.windows.size(); i += 4) c.windows[i] = 0;
  }
  return dense_decoder(c);
}

Bindings bindings(const Metadata&) {
  Bindings b;
  b.rules = {{"model.*", "*", {}}};
  b.leftovers = {"lm_head.weight"};
  return b;
}

Json tiny() {
  return parse_json(
      R"({"architectures":["MinistralForCausalLM"],"model_type":"ministral","vocab_size":83,"hidden_size":40,
    "intermediate_size":64,"num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":14,
    "max_position_embeddings":512,"rms_norm_eps":1e-5,"hidden_act":"silu","sliding_window":21,
    "layer_types":["full_attention","sliding_attention","sliding_attention","full_attention"],
    "rope_parameters":{"rope_type":"default","rope_theta":1000000.0},"tie_word_embeddings":true})",
      "tiny config");
}

// The text part's config in a file of several parts; null where the config is the text's own.
const Json* text_part(const Metadata& meta) {
  if (meta.format != Metadata::Format::hf || architecture(meta) != "Mistral3ForConditionalGeneration") return nullptr;
  const Json& text = meta.values["text_config"];
  return text.is_object() && text["model_type"] == Json("ministral3") ? &text : nullptr;
}

bool claims_3(const Metadata& meta) {
  return is_hf(meta, "Ministral3ForCausalLM", "ministral3") || is_hf(meta, "Ministral3Model", "ministral3") ||
         is_gguf(meta, "mistral3") || text_part(meta) != nullptr;
}

std::unique_ptr<Module> build_3(const Metadata& meta, const WeightSource& weights) {
  if (meta.format == Metadata::Format::gguf) {
    const ConfigReader reader(meta.values, meta.origin, "mistral3.");
    DecoderConfig c = read_gguf_decoder(reader, weights);
    c.rope_interleaved = true;
    read_gguf_window(reader, c);
    // The file gives mscale_all_dim; mscale is 1.
    c.rope_scaling.mscale_all_dim = reader.number_or("rope.scaling.yarn_log_multiplier", 0.0);
    c.rope_scaling.mscale = c.rope_scaling.mscale_all_dim != 0 ? 1.0 : 0.0;
    c.query_slope = static_cast<float>(reader.number_or("attention.temperature_scale", 0.0));
    c.query_period = c.rope_scaling.original_context;
    return dense_decoder(c);
  }
  const Json* text = text_part(meta);
  const ConfigReader reader(text ? *text : meta.values, text ? cat(meta.origin, ": text_config") : meta.origin);
  DecoderConfig c = read_hf_decoder(reader, weights, 8);
  const Json* rope = reader.object("rope_parameters");
  if (rope == nullptr) reader.bad("rope_parameters", "is missing");
  const ConfigReader rotary(*rope, cat(reader.origin(), ": rope_parameters"));
  c.query_slope = static_cast<float>(rotary.number_or("llama_4_scaling_beta", 0.0));
  c.query_period = rotary.number_or("original_max_position_embeddings", static_cast<double>(c.context));
  if (c.query_slope != 0 && !(c.query_period > 0)) rotary.bad("original_max_position_embeddings", "must be positive");
  if (const std::int64_t window = reader.integer_or("sliding_window", 0, 1, most); window > 0) {
    c.windows.assign(static_cast<std::size_t>(c.layers), window);
  }
  return dense_decoder(c);
}

Bindings bindings_3(const Metadata& meta) {
  Bindings b;
  if (meta.format == Metadata::Format::hf) {
    b.rules = {{"model.*", "*", {}},
               {"model.*", "language_model.model.*", {}},  // as published
               {"lm_head.*", "language_model.lm_head.*", {}},
               {"model.*", "model.language_model.*", {}}};  // as transformers 5 saves it
    b.leftovers = {"lm_head.weight", "language_model.lm_head.weight"};
    if (text_part(meta) != nullptr) {
      for (const char* prefix : {"", "model."}) {
        b.leftovers.push_back(cat(prefix, "vision_tower.*"));
        b.leftovers.push_back(cat(prefix, "multi_modal_projector.*"));
      }
    }
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
             {"model.layers.{}.mlp.gate_proj.*", "blk.{}.ffn_gate.*", {}},
             {"model.layers.{}.mlp.up_proj.*", "blk.{}.ffn_up.*", {}},
             {"model.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*", {}}};
  return b;
}

GgufFacts gguf_3(const Metadata& meta, const WeightSource& weights) {
  const std::unique_ptr<Module> built = build_3(meta, weights);
  const DecoderConfig& c = decoder_config(*built);
  const RopeScaling& s = c.rope_scaling;
  if (s.mscale_all_dim != 0 && s.mscale != 1.0) fail(meta.origin, ": rope_parameters: mscale: GGUF's form of this family knows 1 only");
  if (c.query_slope != 0 && c.query_period != s.original_context) fail(meta.origin, ": rope_parameters: the period of the queries' scale must be the original context");
  GgufFacts facts = gguf_decoder_facts("mistral3", c);
  facts.values.as_object().erase("mistral3.rope.scaling.attn_factor");  // what follows says it
  facts.set("rope.scaling.yarn_log_multiplier", s.mscale_all_dim);
  if (c.query_slope != 0) facts.set("attention.temperature_scale", double{c.query_slope});
  pair_rows(facts, c);
  return facts;
}

Json tiny_3() {
  return parse_json(
      R"({"architectures":["Ministral3ForCausalLM"],"model_type":"ministral3","vocab_size":77,"hidden_size":40,
    "intermediate_size":52,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":14,
    "max_position_embeddings":512,"rms_norm_eps":1e-5,"hidden_act":"silu","sliding_window":null,
    "rope_parameters":{"rope_type":"yarn","rope_theta":1000000.0,"factor":16.0,"original_max_position_embeddings":32,
    "beta_fast":32.0,"beta_slow":1.0,"mscale":1.0,"mscale_all_dim":1.0,"llama_4_scaling_beta":0.1},
    "tie_word_embeddings":false})",
      "tiny config");
}

constexpr ModelDef records[] = {
    {"ministral", Role::language_model, "sliding and full KV", claims, build, bindings, tiny},
    {"ministral3", Role::language_model, "paged KV", claims_3, build_3, bindings_3, tiny_3, gguf_3}};

}  // namespace

extern const ModelFile ministral;
const ModelFile ministral{records};

}  // namespace tashika
