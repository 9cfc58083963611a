#include "models/config.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "models/model_def.h"

namespace tashika {
namespace {

constexpr std::int64_t max_width = std::int64_t{1} << 20;
constexpr std::int64_t max_vocab = std::int64_t{1} << 24;
constexpr std::int64_t max_context = std::int64_t{1} << 40;

std::vector<double> read_factors(const ConfigReader& rope, std::string_view key) {
  std::vector<double> factors;
  const JsonArray* list = rope.array(key);
  if (list == nullptr) rope.bad(key, "is missing");
  for (const Json& factor : *list) {
    if (!factor.is_number() || !(factor.as_double() > 0) || !std::isfinite(factor.as_double())) rope.bad(key, "holds something that is no positive number");
    factors.push_back(factor.as_double());
  }
  return factors;
}

// `original`: the context before stretching where the rotary fields do not say.
RopeScaling read_scaling(const ConfigReader& rope, std::int64_t context, double original, std::string_view type) {
  RopeScaling s;
  if (type == "default" || type == "none" || type.empty()) return s;
  if (type == "linear") {
    s.kind = RopeScaling::Kind::linear;
  } else if (type == "llama3") {
    s.kind = RopeScaling::Kind::llama3;
  } else if (type == "yarn") {
    s.kind = RopeScaling::Kind::yarn;
  } else if (type == "longrope" || type == "su") {
    s.kind = RopeScaling::Kind::longrope;
  } else {
    rope.bad("rope_type", "\"", type, "\" is not supported; known: default, linear, llama3, yarn, longrope");
  }
  s.original_context = rope.number_or("original_max_position_embeddings", original);
  s.factor = rope.has("factor") ? rope.number("factor") : static_cast<double>(context) / s.original_context;
  s.low_freq_factor = rope.number_or("low_freq_factor", 1.0);
  s.high_freq_factor = rope.number_or("high_freq_factor", 4.0);
  s.beta_fast = rope.number_or("beta_fast", 32.0);
  s.beta_slow = rope.number_or("beta_slow", 1.0);
  s.attention_factor = rope.number_or("attention_factor", 0.0);
  s.mscale = rope.number_or("mscale", 0.0);
  s.mscale_all_dim = rope.number_or("mscale_all_dim", 0.0);
  s.truncate = rope.boolean_or("truncate", true);
  if (!(s.factor > 0) || !(s.original_context > 0)) rope.bad("factor", "must be positive");
  if (s.kind == RopeScaling::Kind::longrope) {
    if (s.original_context <= 1) rope.bad("original_max_position_embeddings", "must be above 1");
    s.short_factor = read_factors(rope, "short_factor");
    s.long_factor = read_factors(rope, "long_factor");
  }
  if (s.kind == RopeScaling::Kind::llama3 && s.high_freq_factor == s.low_freq_factor) rope.bad("high_freq_factor", "equals low_freq_factor");
  return s;
}

void read_hf_rope(const ConfigReader& config, DecoderConfig& c) {
  double theta = config.number_or("rope_theta", 10000.0);
  double partial = config.number_or("partial_rotary_factor", 1.0);
  const Json* scaling = config.object("rope_parameters");
  const bool new_style = scaling != nullptr;
  if (!new_style) scaling = config.object("rope_scaling");
  if (scaling != nullptr) {
    const ConfigReader rope(*scaling, cat(config.origin(), new_style ? ": rope_parameters" : ": rope_scaling"));
    theta = rope.number_or("rope_theta", theta);
    partial = rope.number_or("partial_rotary_factor", partial);
    const double original = config.number_or("original_max_position_embeddings", static_cast<double>(c.context));
    c.rope_scaling = read_scaling(rope, c.context, original, rope.string_or("rope_type", rope.string_or("type", "default")));
  }
  if (!(partial > 0 && partial <= 1)) config.bad("partial_rotary_factor", "must be in (0, 1]");
  c.rope_theta = theta;
  c.rope_dim = static_cast<std::int64_t>(static_cast<double>(c.head_dim) * partial) / 2 * 2;
}

}  // namespace

ConfigReader::ConfigReader(const Json& object, std::string origin, std::string prefix)
    : object_(object), origin_(std::move(origin)), prefix_(std::move(prefix)) {
  if (!object.is_object()) fail(origin_, ": expected an object, found ", json_type_name(object.type()));
}

const Json* ConfigReader::find(std::string_view key) const {
  const Json* value = prefix_.empty() ? object_.find(key) : object_.find(prefix_ + std::string(key));
  return value && !value->is_null() ? value : nullptr;
}

bool ConfigReader::has(std::string_view key) const { return find(key) != nullptr; }

std::int64_t ConfigReader::integer(std::string_view key, std::int64_t low, std::int64_t high) const {
  const Json* value = find(key);
  if (value == nullptr) bad(key, "is missing");
  if (!value->is_integer()) bad(key, "expected a whole number, found ", dump_json(*value).substr(0, 80));
  const std::int64_t n = value->as_integer();
  if (n < low || n > high) bad(key, n, " is outside ", low, "…", high);
  return n;
}

std::int64_t ConfigReader::integer_or(std::string_view key, std::int64_t fallback, std::int64_t low, std::int64_t high) const {
  return has(key) ? integer(key, low, high) : fallback;
}

double ConfigReader::number(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) bad(key, "is missing");
  if (!value->is_number() || !std::isfinite(value->as_double())) bad(key, "expected a number, found ", dump_json(*value).substr(0, 80));
  return value->as_double();
}

double ConfigReader::number_or(std::string_view key, double fallback) const { return has(key) ? number(key) : fallback; }

bool ConfigReader::boolean_or(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) bad(key, "expected true or false, found ", dump_json(*value).substr(0, 80));
  return value->as_bool();
}

std::string ConfigReader::string_or(std::string_view key, std::string_view fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) bad(key, "expected text, found ", dump_json(*value).substr(0, 80));
  return value->as_string();
}

const JsonArray* ConfigReader::array(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) bad(key, "expected a list, found ", json_type_name(value->type()));
  return &value->as_array();
}

const Json* ConfigReader::object(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return nullptr;
  if (!value->is_object()) bad(key, "expected an object, found ", json_type_name(value->type()));
  return value;
}

std::int64_t read_layers(const ConfigReader& config, std::string_view key, const WeightSource& weights) {
  const auto tensors = static_cast<std::int64_t>(weights.list().size());
  const std::int64_t layers = config.integer(key, 1, 1 << 20);
  if (layers > tensors) config.bad(key, layers, " layers, but ", weights.origin(), " has only ", tensors, " tensors");
  return layers;
}

DecoderConfig read_hf_decoder(const ConfigReader& config, const WeightSource& weights, std::int64_t default_kv_heads) {
  DecoderConfig c;
  c.vocab = config.integer("vocab_size", 1, max_vocab);
  c.hidden = config.integer("hidden_size", 1, max_width);
  c.inner = config.integer("intermediate_size", 1, max_width);
  c.layers = read_layers(config, "num_hidden_layers", weights);
  c.heads = config.integer("num_attention_heads", 1, max_width);
  c.kv_heads = config.integer_or("num_key_value_heads", default_kv_heads ? default_kv_heads : c.heads, 1, max_width);
  if (c.heads % c.kv_heads != 0) config.bad("num_key_value_heads", c.kv_heads, " does not divide the ", c.heads, " attention heads");
  if (!config.has("head_dim") && c.hidden % c.heads != 0) config.bad("num_attention_heads", c.heads, " does not divide hidden_size ", c.hidden);
  c.head_dim = config.integer_or("head_dim", c.hidden / c.heads, 1, 65536);
  c.context = config.integer_or("max_position_embeddings", 2048, 1, max_context);
  c.norm_eps = static_cast<float>(config.number_or("rms_norm_eps", 1e-6));
  c.act = activation(config.string_or("hidden_act", "silu"));
  c.tied = config.boolean_or("tie_word_embeddings", false);
  read_hf_rope(config, c);
  return c;
}

DecoderConfig read_gguf_decoder(const ConfigReader& config, const WeightSource& weights, bool own_widths) {
  DecoderConfig c;
  c.hidden = config.integer("embedding_length", 1, max_width);
  c.inner = config.integer("feed_forward_length", 1, max_width);
  c.layers = read_layers(config, "block_count", weights);
  c.heads = config.integer("attention.head_count", 1, max_width);
  c.kv_heads = config.integer_or("attention.head_count_kv", c.heads, 1, max_width);
  if (c.heads % c.kv_heads != 0) config.bad("attention.head_count_kv", c.kv_heads, " does not divide the ", c.heads, " heads");
  if (!config.has("attention.key_length") && c.hidden % c.heads != 0) config.bad("attention.head_count", c.heads, " does not divide the width ", c.hidden);
  c.head_dim = config.integer_or("attention.key_length", c.hidden / c.heads, 1, 65536);
  if (!own_widths && config.integer_or("attention.value_length", c.head_dim, 1, 65536) != c.head_dim) config.bad("attention.value_length", "differs from attention.key_length");
  c.context = config.integer_or("context_length", 2048, 1, max_context);
  c.norm_eps = static_cast<float>(config.number_or("attention.layer_norm_rms_epsilon", 1e-5));
  const WeightInfo* embedding = weights.find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.rank() != 2) fail(weights.origin(), ": tensor token_embd.weight is missing or no matrix");
  c.vocab = embedding->shape[0];
  c.tied = weights.find("output.weight") == nullptr;
  c.rope_dim = config.integer_or("rope.dimension_count", c.head_dim, 0, c.head_dim);
  c.rope_theta = config.number_or("rope.freq_base", 10000.0);
  const std::string type = config.string_or("rope.scaling.type", "none");
  RopeScaling& s = c.rope_scaling;
  if (type == "linear") s.kind = RopeScaling::Kind::linear;
  else if (type == "yarn") s.kind = RopeScaling::Kind::yarn;
  else if (type != "none") config.bad("rope.scaling.type", "\"", type, "\" is not supported; known: none, linear, yarn");
  s.factor = config.number_or("rope.scaling.factor", config.number_or("rope.scale_linear", 1.0));
  if (s.kind == RopeScaling::Kind::none && config.has("rope.scale_linear") && s.factor != 1.0) s.kind = RopeScaling::Kind::linear;
  if (!(s.factor > 0)) config.bad("rope.scaling.factor", "must be positive");
  s.original_context = config.number_or("rope.scaling.original_context_length", static_cast<double>(c.context));
  s.beta_fast = config.number_or("rope.scaling.yarn_beta_fast", 32.0);
  s.beta_slow = config.number_or("rope.scaling.yarn_beta_slow", 1.0);
  if (weights.find("rope_factors_long.weight") != nullptr) {
    if (weights.find("rope_factors_short.weight") == nullptr) fail(weights.origin(), ": tensor rope_factors_short.weight is missing");
    if (!(s.original_context > 1)) config.bad("rope.scaling.original_context_length", "must be above 1");
    s.kind = RopeScaling::Kind::longrope;
    s.attention_factor = config.number_or("rope.scaling.attn_factor", 1.0);
  }
  if (config.has("rope.scaling.attn_factor") && s.kind == RopeScaling::Kind::yarn) {
    s.attention_factor = config.number("rope.scaling.attn_factor") * (0.1 * std::log(std::max(s.factor, 1.0)) + 1.0);
  }
  return c;
}

void read_gguf_window(const ConfigReader& config, DecoderConfig& c) {
  const std::int64_t window = config.integer_or("attention.sliding_window", 0, 0, max_context);
  if (window > 0) c.windows.assign(static_cast<std::size_t>(c.layers), window);
}

bool is_hf(const Metadata& meta, std::string_view class_name, std::string_view model_type) {
  if (meta.format != Metadata::Format::hf) return false;
  const std::string arch = architecture(meta);
  if (!arch.empty()) {
    if (arch == class_name) return true;
    for (const std::string_view head : {"ForCausalLM", "LMHeadModel"}) {
      if (class_name.ends_with(head)) return arch == std::string(class_name.substr(0, class_name.size() - head.size())) + "Model";
    }
    return false;
  }
  const Json& type = meta.values["model_type"];
  return type.is_string() && type.as_string() == model_type;
}

bool is_gguf(const Metadata& meta, std::string_view arch) { return meta.format == Metadata::Format::gguf && architecture(meta) == arch; }

}  // namespace tashika
