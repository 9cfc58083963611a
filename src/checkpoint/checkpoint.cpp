#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/bind.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "io/torch_file.h"

namespace tashika {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t max_config_bytes = 16 << 20;

Checkpoint open_gguf(const std::string& path) {
  Checkpoint c;
  c.path = path;
  c.gguf = Gguf::open(path);
  c.meta = c.gguf->metadata();
  if (!c.gguf->list().empty()) c.weights = c.gguf;
  return c;
}

// The one .pth file of a folder; empty when there is none or there are several.
std::string only_torch_file(const fs::path& folder) {
  std::string found;
  for (const std::string& name : list_directory(folder.string())) {
    if (!name.ends_with(".pth")) continue;
    if (!found.empty()) return {};
    found = (folder / name).string();
  }
  return found;
}

Checkpoint open_torch(const std::string& path) {
  Checkpoint c;
  c.path = path;
  std::shared_ptr<TorchFile> file = TorchFile::open(path);
  c.meta = file->metadata();
  c.weights = std::move(file);
  return c;
}

bool is_torch_file(const std::string& path) {
  return path.ends_with(".pth") || path.ends_with(".pt") || path.ends_with(".bin");
}

Checkpoint open_folder(const std::string& path) {
  Checkpoint c;
  c.path = path;
  c.meta.format = Metadata::Format::hf;
  const fs::path folder(path);
  const std::string config = (folder / "config.json").string();
  c.meta.origin = config;
  if (fs::exists(config)) {
    c.meta.values = parse_json(read_file(config, max_config_bytes), config);
    if (!c.meta.values.is_object()) fail(config, ": expected an object, found ", json_type_name(c.meta.values.type()));
  }
  for (const char* name : {"model.safetensors.index.json", "model.safetensors"}) {
    if (const fs::path file = folder / name; fs::exists(file)) {
      c.weights = Safetensors::open(file.string());
      return c;
    }
  }
  if (const fs::path file = folder / "pytorch_model.bin"; fs::exists(file)) {
    c.weights = TorchFile::open(file.string());
  } else if (std::string bare = only_torch_file(folder); !bare.empty()) {
    const Checkpoint torch = open_torch(bare);
    c.meta = torch.meta;
    c.weights = torch.weights;
  }
  return c;
}

// What most of the module's parameters begin with ("model."), which a backbone saved alone leaves out.
std::string common_prefix(Module& module) {
  std::map<std::string, int> counts;
  for_each_param(module, [&](const std::string& name, Param&) { ++counts[name.substr(0, name.find('.') + 1)]; });
  const auto most = std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; });
  return most == counts.end() ? std::string() : most->first;
}

Bindings backbone_bindings(Bindings b, const std::string& prefix) {
  std::vector<BindRule> bare;
  for (const BindRule& rule : b.rules) {
    if (rule.source.starts_with(prefix)) bare.push_back({rule.param, rule.source.substr(prefix.size()), rule.steps});
  }
  if (b.own_names) bare.push_back({prefix + "*", "*", {}});
  b.rules.insert(b.rules.end(), bare.begin(), bare.end());
  for (std::size_t i = 0, n = b.leftovers.size(); i < n; ++i) {
    if (b.leftovers[i].starts_with(prefix)) b.leftovers.push_back(b.leftovers[i].substr(prefix.size()));
  }
  return b;
}

constexpr std::string_view head_weight = "lm_head.weight";

}  // namespace

Checkpoint open_checkpoint(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return open_folder(path);
  if (!fs::exists(path, error)) fail(path, ": no such file or folder");
  return is_torch_file(path) ? open_torch(path) : open_gguf(path);
}

const ModelDef& model_of(const Checkpoint& c) {
  if (c.meta.values.is_null()) fail(c.path, ": there is no config.json, so this is no model folder");
  return find_model(c.meta);
}

std::unique_ptr<Module> load_module(const Checkpoint& c, Runtime& rt) {
  const ModelDef& def = model_of(c);
  if (!c.weights) {
    fail(c.path, c.is_gguf() ? ": this GGUF file holds a vocabulary only, no weights" : ": there is no model.safetensors, model.safetensors.index.json or pytorch_model.bin in this folder, nor a single .pth file");
  }
  std::unique_ptr<Module> module = def.build(c.meta, *c.weights);
  Bindings bindings = def.bindings(c.meta);
  if (def.role == Role::language_model && is_backbone(c.meta)) {
    bindings = backbone_bindings(std::move(bindings), common_prefix(*module));
    for_each_param(*module, [](const std::string& name, Param& p) { p.optional = p.optional || name == head_weight; });
  }
  bind(*module, bindings, *c.weights, rt);
  return module;
}

std::unique_ptr<LanguageModel> load_language_model(const Checkpoint& c, Runtime& rt) {
  const ModelDef& def = model_of(c);
  if (def.role != Role::language_model) fail(c.path, ": ", def.name, " is an encoder, no language model: use `hidden` or `embed`");
  std::unique_ptr<Module> module = load_module(c, rt);
  std::unique_ptr<LanguageModel> model(static_cast<LanguageModel*>(module.release()));
  for_each_param(*model, [&](const std::string& name, Param& p) { model->headless = model->headless || (name == head_weight && !p.value.defined()); });
  model->fingerprint = cat(def.name, " ", rt.compute() == ComputeMode::exact ? "f32" : "auto");
  return model;
}

std::unique_ptr<Encoder> load_encoder(const Checkpoint& c, Runtime& rt) {
  const ModelDef& def = model_of(c);
  if (def.role != Role::encoder) fail(c.path, ": ", def.name, " is no encoder");
  std::unique_ptr<Module> module = load_module(c, rt);
  return std::unique_ptr<Encoder>(static_cast<Encoder*>(module.release()));
}

}  // namespace tashika
