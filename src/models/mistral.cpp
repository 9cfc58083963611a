// Mistral (Jiang et al. 2023): the Llama decoder with a sliding window on every layer.
#include "models/config.h"
#include "models/gguf_facts.h"
#include "models/model_def.h"

namespace tashika {
namespace {

// Ministral 8B was published under this class name with its windows on three layers of four, which its
// config does not say; its sizes give it away.
bool is_ragged_8b(const Metadata& meta) {
  const auto is = [&](std::string_view key, std::int64_t value) { return meta.values[key] == Json(value); };
  return is("num_hidden_layers", 36) && is("hidden_size", 4096) && is("intermediate_size", 12288) && is("vocab_size", 131072) &&
         meta.values["layer_types"].is_null();
}

bool claims(const Metadata& meta) { return is_hf(meta, "MistralForCausalLM", "mistral") || is_hf(meta, "MistralModel", "mistral"); }

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights) {
  const ConfigReader reader(meta.values, meta.origin);
  DecoderConfig c = read_hf_decoder(reader, weights, 8);
  // Absent means 4096, null means none: the reference's default and its way to switch it off.
  const std::int64_t window = meta.values.contains("sliding_window") ? reader.integer_or("sliding_window", 0, 1, std::int64_t{1} << 40) : 4096;
  if (window > 0) {
    c.windows.assign(static_cast<std::size_t>(c.layers), window);
    if (is_ragged_8b(meta)) {
      for (std::size_t i = 0; i < c.windows.size(); i += 4) c.windows[i] = 0;
    }
  }
  return dense_decoder(c);
}

Bindings bindings(const Metadata&) {
  Bindings b;
  b.rules = {{"model.*", "*", {}}};
  b.leftovers = {"model.layers.{}.self_attn.rotary_emb.inv_freq", "lm_head.weight"};
  return b;
}

// GGUF files of this family go by the name of the one it changed.
GgufFacts gguf(const Metadata& meta, const WeightSource& weights) {
  const std::unique_ptr<Module> built = build(meta, weights);
  const DecoderConfig& c = decoder_config(*built);
  GgufFacts facts = gguf_decoder_facts("llama", c);
  pair_rows(facts, c);
  return facts;
}

Json tiny() {
  return parse_json(R"({"architectures":["MistralForCausalLM"],"model_type":"mistral","vocab_size":89,"hidden_size":36,
    "intermediate_size":56,"num_hidden_layers":2,"num_attention_heads":6,"num_key_value_heads":3,"head_dim":10,
    "max_position_embeddings":512,"rms_norm_eps":1e-5,"hidden_act":"silu","sliding_window":37,"rope_theta":10000.0,
    "tie_word_embeddings":false})", "tiny config");
}

constexpr ModelDef records[] = {{"mistral", Role::language_model, "sliding KV", claims, build, bindings, tiny, gguf}};

}  // namespace

extern const ModelFile mistral;
const ModelFile mistral{records};

}  // namespace tashika
