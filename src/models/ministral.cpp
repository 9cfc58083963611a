// Ministral (Mistral AI 2024): Mistral with sliding and full layers interleaved (`layer_types`).
#include "models/config.h"
#include "models/model_def.h"

namespace tashika {
namespace {

bool claims(const Metadata& meta) { return is_hf(meta, "MinistralForCausalLM", "ministral") || is_hf(meta, "MinistralModel", "ministral"); }

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights) {
  const ConfigReader reader(meta.values, meta.origin);
  DecoderConfig c = read_hf_decoder(reader, weights, 8);
  const std::int64_t window = meta.values.contains("sliding_window") ? reader.integer_or("sliding_window", 0, 1, std::int64_t{1} << 40) : 4096;
  c.windows.assign(static_cast<std::size_t>(c.layers), window);
  if (const JsonArray* types = reader.array("layer_types")) {
    if (static_cast<std::int64_t>(types->size()) != c.layers) reader.bad("layer_types", types->size(), " entries for ", c.layers, " layers");
    for (std::size_t i = 0; i < types->size(); ++i) {
      const std::string type = (*types)[i].is_string() ? (*types)[i].as_string() : std::string();
      if (type == "full_attention") c.windows[i] = 0;
      else if (type != "sliding_attention") reader.bad("layer_types", "entry ", i, " is neither full_attention nor sliding_attention");
      else if (window == 0) reader.bad("sliding_window", "is missing, but layer ", i, " is sliding");
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
  return parse_json(R"({"architectures":["MinistralForCausalLM"],"model_type":"ministral","vocab_size":83,"hidden_size":40,
    "intermediate_size":64,"num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":14,
    "max_position_embeddings":512,"rms_norm_eps":1e-5,"hidden_act":"silu","sliding_window":21,
    "layer_types":["full_attention","sliding_attention","sliding_attention","full_attention"],
    "rope_parameters":{"rope_type":"default","rope_theta":1000000.0},"tie_word_embeddings":true})", "tiny config");
}

constexpr ModelDef records[] = {{"ministral", Role::language_model, "sliding and full KV", claims, build, bindings, tiny}};

}  // namespace

extern const ModelFile ministral;
const ModelFile ministral{records};

}  // namespace tashika
