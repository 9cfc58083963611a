#include "train/lora.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "io/safetensors.h"
#include "io/safetensors_write.h"
#include "nn/attention.h"
#include "nn/decoder.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/matmul.h"

namespace tashika {
namespace {

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

struct FindLinears : Visitor {
  void param(const std::string&, Param&) override {}
  void enter(const std::string& name, Module& module) override {
    if (auto* attention = dynamic_cast<Attention*>(&module)) attentions.emplace_back(name, attention);
    if (auto* map = dynamic_cast<Linear*>(&module)) found.push_back({name, map, 0});
  }
  std::vector<AdaptedLinear> found;
  std::vector<std::pair<std::string, Attention*>> attentions;
};

std::string peft_name(const AdaptedLinear& map, char part) { return cat("base_model.model.", map.name, ".lora_", part, ".weight"); }

// Rows of B between the order of a GGUF file (rotary pairs side by side) and that of Hugging Face (halves apart).
Tensor reorder_heads(const Tensor& b, std::int64_t heads, bool to_hf) {
  if (heads == 0) return b;
  const std::int64_t rank = b.size(1), half = b.size(0) / heads / 2;
  const Shape shape = to_hf ? Shape{heads, half, 2, rank} : Shape{heads, 2, half, rank};
  return ops::contiguous(ops::contiguous(b).view(shape).transpose(1, 2)).view(b.shape());
}

}  // namespace

std::vector<AdaptedLinear> find_targets(Module& module, const std::vector<std::string>& targets) {
  FindLinears walk;
  module.parts(walk);
  const auto* decoder = dynamic_cast<const Decoder*>(&module);
  std::vector<AdaptedLinear> out;
  std::set<std::string> used, known;
  for (AdaptedLinear& map : walk.found) {
    known.insert(last_part(map.name));
    const auto it = std::ranges::find_if(targets, [&](const std::string& t) { return t == "all-linear" ? map.name != "lm_head" : last_part(map.name) == t || map.name.ends_with("." + t); });
    if (it == targets.end()) continue;
    used.insert(*it);
    if (decoder != nullptr && decoder->rope.interleaved()) {
      for (const auto& [name, attention] : walk.attentions) {
        if (map.map == &attention->q_proj) map.turned_heads = attention->config.heads;
        if (map.map == &attention->k_proj) map.turned_heads = attention->config.kv_heads;
      }
    }
    out.push_back(map);
  }
  for (const std::string& target : targets) {
    if (used.contains(target)) continue;
    std::string list;
    for (const std::string& name : known) list += cat(list.empty() ? "" : ", ", name);
    fail("lora.targets: no linear map of this model is called ", printable(target), "; there are ", list);
  }
  return out;
}

void attach_adapters(const std::vector<AdaptedLinear>& maps, const LoraOptions& options, Runtime& rt, std::uint64_t seed) {
  for (const AdaptedLinear& map : maps) {
    const std::int64_t out = map.map->weight.shape[0], in = map.map->weight.shape[1];
    map.map->adapter = std::make_shared<Adapter>();
    const std::string name = peft_name(map, 'A');
    map.map->adapter->a = Tensor::from_host(rt, {options.rank, in}, uniform_values(options.rank * in, 1.0 / std::sqrt(static_cast<double>(in)), seed, name));
    map.map->adapter->b = Tensor::zeros(rt, {out, options.rank}, f32);
    map.map->adapter->scale = static_cast<float>(options.alpha / static_cast<double>(options.rank));
  }
}

LoraOptions read_adapter_config(const std::string& folder) {
  const std::string path = join_path(folder, "adapter_config.json");
  const Json config = parse_json(read_file(path, 1 << 20), path);
  const auto refuse = [&](std::string_view key) {
    if (config[key] == Json(true)) fail(path, ": ", key, " is not supported");
  };
  if (config["peft_type"] != Json("LORA")) fail(path, ": peft_type: expected LORA, found ", printable(dump_json(config["peft_type"]), 40));
  for (const std::string_view key : {"use_dora", "fan_in_fan_out"}) refuse(key);
  for (const std::string_view key : {"rank_pattern", "alpha_pattern"}) {
    if (config[key].is_object() && !config[key].as_object().empty()) fail(path, ": ", key, " is not supported");
  }
  LoraOptions options;
  if (!config["r"].is_integer() || config["r"].as_integer() < 1 || config["r"].as_integer() > 65536) fail(path, ": r: expected the rank");
  options.rank = config["r"].as_integer();
  options.alpha = config["lora_alpha"].is_number() ? config["lora_alpha"].as_double() : 8.0;
  if (config["use_rslora"] == Json(true)) options.alpha *= std::sqrt(static_cast<double>(options.rank));  // alpha / √r
  const Json& targets = config["target_modules"];
  if (targets.is_string()) options.targets = {targets.as_string()};
  if (targets.is_array()) {
    for (const Json& t : targets.as_array()) options.targets.push_back(t.as_string());
  }
  if (options.targets.empty()) fail(path, ": target_modules: expected a list of names");
  return options;
}

void load_adapters(const std::vector<AdaptedLinear>& maps, const LoraOptions& options, const std::string& folder, Runtime& rt) {
  const std::string path = join_path(folder, "adapter_model.safetensors");
  const auto file = Safetensors::open(path);
  std::set<std::string> used;
  for (const AdaptedLinear& map : maps) {
    const std::int64_t out = map.map->weight.shape[0], in = map.map->weight.shape[1];
    const auto read = [&](char part, const Shape& shape) {
      const std::string name = peft_name(map, part);
      const WeightInfo* info = file->find(name);
      if (info == nullptr) fail(path, ": tensor ", name, " is missing");
      if (info->shape != shape) fail(path, ": tensor ", name, " is ", info->shape.str(), ", expected ", shape.str());
      used.insert(name);
      return ops::cast(file->load(name, rt), f32);
    };
    map.map->adapter = std::make_shared<Adapter>();
    map.map->adapter->a = read('A', {options.rank, in});
    map.map->adapter->b = reorder_heads(read('B', {out, options.rank}), map.turned_heads, false);
    map.map->adapter->scale = static_cast<float>(options.alpha / static_cast<double>(options.rank));
  }
  for (const WeightInfo& info : file->list()) {
    if (!used.contains(info.name)) fail(path, ": tensor ", printable(info.name), " belongs to no target of this model");
  }
}

std::vector<Trained> train_adapters(const std::vector<AdaptedLinear>& maps, Runtime& rt) {
  std::vector<Trained> out;
  for (const AdaptedLinear& map : maps) {
    out.push_back(make_trained(peft_name(map, 'A'), map.map->adapter->a, rt, f32));
    out.push_back(make_trained(peft_name(map, 'B'), map.map->adapter->b, rt, f32));
  }
  return out;
}

void save_adapters(const std::vector<AdaptedLinear>& maps, const LoraOptions& options, const std::string& base, const std::string& folder) {
  make_directories(folder);
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const AdaptedLinear& map : maps) {
    tensors.emplace_back(peft_name(map, 'A'), ops::contiguous(map.map->adapter->a.detach()));
    tensors.emplace_back(peft_name(map, 'B'), reorder_heads(map.map->adapter->b.detach(), map.turned_heads, true));
  }
  save_safetensors(join_path(folder, "adapter_model.safetensors"), tensors, {{"format", "pt"}});
  Json config;
  config.set("peft_type", "LORA");
  config.set("task_type", "CAUSAL_LM");
  config.set("base_model_name_or_path", base);
  config.set("r", options.rank);
  config.set("lora_alpha", options.alpha == std::floor(options.alpha) ? Json(static_cast<std::int64_t>(options.alpha)) : Json(options.alpha));
  JsonArray targets;
  for (const std::string& t : options.targets) targets.emplace_back(t);
  config.set("target_modules", options.targets == std::vector<std::string>{"all-linear"} ? Json("all-linear") : Json(targets));
  config.set("lora_dropout", 0.0);
  config.set("bias", "none");
  config.set("fan_in_fan_out", false);
  config.set("inference_mode", true);
  write_file(join_path(folder, "adapter_config.json"), dump_json(config, JsonStyle::python, 2) + "\n");
}

void merge_adapters(const std::vector<AdaptedLinear>& maps) {
  for (const AdaptedLinear& map : maps) {
    const Adapter& adapter = *map.map->adapter;
    const Tensor delta = ops::scale(ops::matmul(ops::cast(adapter.b.detach(), f32), ops::cast(adapter.a.detach(), f32)), adapter.scale);
    map.map->weight.value = ops::add(ops::cast(map.map->weight.value.detach(), f32), delta);
    map.map->adapter.reset();
  }
}

}  // namespace tashika
