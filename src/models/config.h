// Reading a config: typed fields with ranges, errors that name the file and the field.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "nn/decoder.h"
#include "tensor/weights.h"

namespace tashika {

class ConfigReader {
 public:
  // `prefix` is put before every key (GGUF: "llama.").
  ConfigReader(const Json& object, std::string origin, std::string prefix = {});

  bool has(std::string_view key) const;  // present and not null
  std::int64_t integer(std::string_view key, std::int64_t low, std::int64_t high) const;
  std::int64_t integer_or(std::string_view key, std::int64_t fallback, std::int64_t low, std::int64_t high) const;
  double number(std::string_view key) const;  // finite
  double number_or(std::string_view key, double fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  std::string string_or(std::string_view key, std::string_view fallback) const;
  // Null when absent; Error when present and no array / object.
  const JsonArray* array(std::string_view key) const;
  const Json* object(std::string_view key) const;

  const std::string& origin() const { return origin_; }
  template <typename... Args>
  [[noreturn]] void bad(std::string_view key, const Args&... what) const {
    fail(origin_, ": ", prefix_, key, ": ", what...);
  }

 private:
  const Json* find(std::string_view key) const;
  const Json& object_;
  std::string origin_, prefix_;
};

// The fields that decoder-only models of the Hugging Face style share: sizes, norm, activation,
// tied embeddings, rotary positions in their old (rope_theta, rope_scaling) and new (rope_parameters) form.
// `default_kv_heads` 0: as many as heads. Sizes are compared with the tensors present.
DecoderConfig read_hf_decoder(const ConfigReader& config, const WeightSource& weights, std::int64_t default_kv_heads);

// The same from GGUF keys under the reader's prefix. `own_widths`: the family reads its heads' widths itself.
DecoderConfig read_gguf_decoder(const ConfigReader& config, const WeightSource& weights, bool own_widths = false);

// One window for all layers (attention.sliding_window); zero or absent: none.
void read_gguf_window(const ConfigReader& config, DecoderConfig& c);

// Layers, checked against the number of tensors in the file before anything is sized by it.
std::int64_t read_layers(const ConfigReader& config, std::string_view key, const WeightSource& weights);

// The architecture name or, where the config has none, the model_type of a Hugging Face config matches. The name of a model with
// a head (XForCausalLM) stands for its bare backbone (XModel), too.
bool is_hf(const Metadata& meta, std::string_view class_name, std::string_view model_type);
bool is_gguf(const Metadata& meta, std::string_view arch);

}  // namespace tashika
