#include "compress/mix.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

#include "base/error.h"
#include "quant/formats.h"

namespace tashika {
namespace {

constexpr MixType types[] = {{"f32", 0, "f32"},        {"f16", 1, "f16"},        {"bf16", 32, "bf16"},
                              {"q4_0", 2, "q4_0"},      {"q4_1", 3, "q4_1"},      {"q5_0", 8, "q5_0"},
                              {"q5_1", 9, "q5_1"},      {"q8_0", 7, "q8_0"},      {"q2_k", 10, "q2_k"},
                              {"q3_k_s", 11, "q3_k"},   {"q3_k_m", 12, "q3_k"},   {"q3_k_l", 13, "q3_k"},
                              {"q4_k_s", 14, "q4_k"},   {"q4_k_m", 15, "q4_k"},   {"q5_k_s", 16, "q5_k"},
                              {"q5_k_m", 17, "q5_k"},   {"q6_k", 18, "q6_k"},     {"iq4_nl", 25, "iq4_nl"},
                              {"iq4_xs", 30, "iq4_xs"}};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// What a tensor is for, as far as the mixes care.
enum class Part { embedding, head, query, key, value, fused_attention, attention_output, down, other };

Part part_of(std::string_view name) {
  const auto has = [name](std::string_view what) { return name.find(what) != std::string_view::npos; };
  if (name == "output.weight") return Part::head;
  if (name == "token_embd.weight" || name == "per_layer_token_embd.weight") return Part::embedding;
  // Fused projections and latent keys with values count as values; their own rule, below, never comes into play.
  if (has("attn_qkv.weight") || has("attn_kv_b.weight") || has("attn_v.weight")) return Part::value;
  if (has("attn_k.weight")) return Part::key;
  if (has("attn_q.weight")) return Part::query;
  if (has("attn_output.weight")) return Part::attention_output;
  if (has("ffn_down")) return Part::down;
  return Part::other;
}

// The number in "blk.N.", or -1.
std::int64_t layer_of(std::string_view name) {
  if (!name.starts_with("blk.")) return -1;
  std::int64_t layer = -1;
  const auto [end, error] = std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  if (error != std::errc() || end == name.data() + name.size() || *end != '.') return -1;
  return layer;
}

// Layers at both ends, an eighth each, and every third between them.
bool wants_more_bits(std::int64_t layer, std::int64_t layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

class Mixer {
 public:
  Mixer(const MixType& type, const MixFacts& facts) : type_(type), facts_(facts), base_(find_dtype(type.base)) {}

  bool tied = true;           // no head of its own: the embedding is it
  std::int64_t values = 0;    // tensors that count as attention values

  DType choose(const WeightInfo& tensor) {
    return fit_to_width(find_dtype(wanted(tensor)), tensor.shape[-1]);
  }

 private:
  template <typename... Names>
  bool is(Names... names) const {
    return ((type_.name == names) || ...);
  }
  bool grouped() const { return facts_.kv_heads > 0 && facts_.heads / facts_.kv_heads >= 4; }
  bool eight_experts() const { return facts_.experts == 8; }
  // One architecture of llama.cpp's has rules of its own; it is no family here, but its GGUF files can be requantised.
  bool falcon() const { return facts_.architecture == "falcon"; }

  std::string_view wanted(const WeightInfo& tensor) {
    const Part part = part_of(tensor.name);
    if (part == Part::head || (part == Part::embedding && tied)) return head(tensor);
    if (part == Part::value) return value();
    if (part == Part::key) return eight_experts() ? "q8_0" : type_.base;
    if (part == Part::down) return down(tensor.name);
    if (part == Part::attention_output) return attention_output();
    return type_.base;
  }

  std::string_view head(const WeightInfo& tensor) const {
    if (falcon() || tensor.shape[-1] % base_->block != 0 || type_.base == "q8_0") return "q8_0";
    return "q6_k";
  }

  std::string_view value() {
    const std::int64_t index = value_index_++;
    std::string_view out = type_.base;
    if (is("q2_k")) {
      out = grouped() ? "q4_k" : "q3_k";
    } else if (is("q3_k_m")) {
      out = index < 2 ? "q5_k" : "q4_k";
    } else if (is("q3_k_l") || (is("iq4_nl", "iq4_xs") && grouped())) {
      out = "q5_k";
    } else if (is("q4_k_m", "q5_k_m") && wants_more_bits(index, values)) {
      out = "q6_k";
    } else if (is("q4_k_s") && index < 4) {
      out = "q5_k";
    }
    // Eighty layers with grouped queries: the 70B models, whose value tensors are small.
    if (facts_.layers == 80 && facts_.heads != facts_.kv_heads && (out == "q3_k" || out == "q4_k")) out = "q5_k";
    return eight_experts() ? "q8_0" : out;
  }

  std::string_view down(std::string_view name) {
    std::int64_t layer = down_index_++;
    // The experts of a layer are not one after the other in every file: their layer is read from the name.
    if (facts_.experts > 1) layer = layer_of(name);
    if (layer < 0 || (facts_.experts > 1 && layer >= facts_.layers)) fail("tensor ", name, ": there is no such layer");
    const std::int64_t layers = facts_.layers;
    const bool first = layer < layers / 8;
    if (is("q2_k")) return "q3_k";
    if (is("q3_k_m")) {
      if (layer < layers / 16) return "q5_k";
      return !falcon() || wants_more_bits(layer, layers) ? "q4_k" : "q3_k";
    }
    if (is("q3_k_l")) return falcon() ? "q4_k" : "q5_k";
    if (is("q4_k_m") && falcon()) return layer < layers / 16 ? "q6_k" : wants_more_bits(layer, layers) ? "q5_k" : "q4_k";
    if (is("q4_k_m", "q5_k_m") && wants_more_bits(layer, layers)) return "q6_k";
    if (is("iq4_nl", "iq4_xs") && first && !facts_.importance) return "q5_k";
    if (is("q4_k_s") && first && !falcon()) return "q5_k";
    if (is("q4_0", "q5_0") && first && facts_.importance) return is("q4_0") ? "q4_1" : "q5_1";
    return type_.base;
  }

  std::string_view attention_output() const {
    if (falcon()) return is("q3_k_l") ? "q4_k" : type_.base;
    if (eight_experts()) return is("q2_k", "q3_k_s", "q3_k_m", "q4_k_s", "q4_k_m", "iq4_nl", "iq4_xs") ? "q5_k" : type_.base;
    if (is("q2_k")) return "q3_k";
    if (is("q3_k_m")) return "q4_k";
    if (is("q3_k_l")) return "q5_k";
    return type_.base;
  }

  const MixType& type_;
  const MixFacts& facts_;
  DType base_;
  std::int64_t value_index_ = 0, down_index_ = 0;
};

}  // namespace

std::span<const MixType> mix_types() { return types; }

std::string mix_type_names() {
  std::string out;
  for (const MixType& type : types) out += cat(out.empty() ? "" : ", ", type.name);
  return out;
}

const MixType& find_mix_type(std::string_view name) {
  std::string wanted = lower(name);
  if (wanted == "q3_k" || wanted == "q4_k" || wanted == "q5_k") wanted += "_m";
  for (const MixType& type : types) {
    if (type.name == wanted) return type;
  }
  fail_with(ErrorKind::usage, cat("there is no type ", printable(name), "; known: ", mix_type_names()));
}

DType find_tensor_type(std::string_view name, std::string_view where) {
  const DType type = find_dtype(lower(name));
  if (!type || type->gguf_id < 0 || type->encode == nullptr || !type.is_floating()) {
    fail_with(ErrorKind::usage, cat(where, ": ", printable(name), " is no type of a tensor; known: ", gguf_dtype_names()));
  }
  return type;
}

MixFacts mix_facts(const Json& values) {
  MixFacts facts;
  const Json& architecture = values["general.architecture"];
  if (architecture.is_string()) facts.architecture = architecture.as_string();
  const auto count = [&](std::string_view key) -> std::int64_t {
    const Json* value = &values[cat(facts.architecture, ".", key)];
    if (value->is_array() && !value->as_array().empty()) value = &value->as_array()[0];  // one a layer
    return value->is_integer() && value->as_integer() >= 0 ? value->as_integer() : 0;
  };
  facts.layers = count("block_count");
  facts.heads = count("attention.head_count");
  facts.kv_heads = values.contains(cat(facts.architecture, ".attention.head_count_kv")) ? count("attention.head_count_kv") : facts.heads;
  facts.experts = count("expert_count");
  return facts;
}

bool may_quantise(const WeightInfo& tensor) {
  if (tensor.shape.rank() < 2 || !tensor.name.ends_with("weight")) return false;
  if (tensor.name == "position_embd.weight" || tensor.name == "token_types.weight") return false;
  // Norms, routers, convolutions and the small matrices of recurrent families: few bytes, and much hangs on them.
  constexpr std::string_view kept[] = {
      "_norm.weight",          "ffn_gate_inp.weight",      "ffn_gate_tid2eid.weight",  "altup",
      "laurel",                "per_layer_model_proj",     "ssm_conv1d",               "shortconv.conv.weight",
      "indexer.k_proj.weight", "indexer.q_proj.weight",    "time_mix_first.weight",    "time_mix_w0.weight",
      "time_mix_w1.weight",    "time_mix_w2.weight",       "time_mix_v0.weight",       "time_mix_v1.weight",
      "time_mix_v2.weight",    "time_mix_a0.weight",       "time_mix_a1.weight",       "time_mix_a2.weight",
      "time_mix_g1.weight",    "time_mix_g2.weight",       "time_mix_decay_w1.weight", "time_mix_decay_w2.weight",
      "time_mix_lerp_fused.weight", "attn_rel_b.weight",   ".position_embd",           ".rel_pos",
      ".patch_embd",           ".patch_merger"};
  return std::ranges::none_of(kept, [&](std::string_view part) { return tensor.name.find(part) != std::string::npos; });
}

DType fit_to_width(DType type, std::int64_t width) {
  if (width % type->block == 0) return type;
  std::string_view narrower;
  if (type->name == "iq4_xs") narrower = "iq4_nl";
  else if (type->name == "q2_k" || type->name == "q3_k") narrower = "q4_0";
  else if (type->name == "q4_k") narrower = "q5_0";
  else if (type->name == "q5_k") narrower = "q5_1";
  else if (type->name == "q6_k") narrower = "q8_0";
  const DType found = narrower.empty() ? DType{} : find_dtype(narrower);
  return found && width % found->block == 0 ? found : DType(f16);
}

std::vector<DType> choose_types(const MixType& type, std::span<const WeightInfo> tensors, const MixFacts& facts) {
  const DType base = find_dtype(type.base);
  std::vector<DType> out(tensors.size());
  Mixer mixer(type, facts);
  for (const WeightInfo& tensor : tensors) {
    const Part part = part_of(tensor.name);
    if (part == Part::head) mixer.tied = false;
    if (part == Part::value) ++mixer.values;
  }
  // Some rules count tensors: by layer, then by name, whatever the file's order.
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const std::int64_t layer_a = layer_of(tensors[a].name), layer_b = layer_of(tensors[b].name);
    return layer_a != layer_b ? layer_a < layer_b : tensors[a].name < tensors[b].name;
  });
  for (const std::size_t i : order) {
    if (!may_quantise(tensors[i])) out[i] = tensors[i].dtype;
    else out[i] = base.is_block() ? mixer.choose(tensors[i]) : base;
  }
  return out;
}

}  // namespace tashika
