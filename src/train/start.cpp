#include "train/start.h"

#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/save.h"
#include "io/safetensors_write.h"
#include "quant/formats.h"
#include "train/lora.h"
#include "train/parameters.h"

namespace tashika {
namespace {

constexpr std::uint64_t max_config_bytes = 16 << 20;

// Builds a module tree for a config without a file: sizes are compared with the tensors present, so it claims many.
class Unwritten final : public WeightSource {
 public:
  Unwritten() : list_(1 << 20, WeightInfo{"", f32, {}}) {}
  const std::vector<WeightInfo>& list() const override { return list_; }
  const WeightInfo* find(std::string_view) const override { return nullptr; }
  Tensor load(std::string_view, Runtime&) const override { return {}; }
  std::string origin() const override { return "a fresh model"; }

 private:
  std::vector<WeightInfo> list_;
};

bool is_true(const Json& config, std::string_view key) { return config[key] == Json(true); }

// Biases of a fresh model, by the switches that configs have for them.
bool has_bias(const Json& config, const std::string& name) {
  if (!name.ends_with(".bias")) return false;
  if (is_true(config, "use_bias")) return true;
  if (name.find("self_attn") != std::string::npos) return is_true(config, "attention_bias");
  return name.find("mlp") != std::string::npos && is_true(config, "mlp_bias");
}

std::unique_ptr<LanguageModel> as_language_model(const ModelDef& def, std::unique_ptr<Module> module, const std::string& origin) {
  if (def.role != Role::language_model) fail(origin, ": ", def.name, " is no language model");
  return std::unique_ptr<LanguageModel>(static_cast<LanguageModel*>(module.release()));
}

StartingModel start_fresh(const Recipe::ModelPart& part, Runtime& rt) {
  StartingModel start;
  start.meta.format = Metadata::Format::hf;
  start.meta.origin = "model.config";
  start.meta.values = part.config;
  if (part.config.is_string()) {
    std::string path = part.config.as_string();
    if (file_type(path) == FileType::directory) path = join_path(path, "config.json");
    start.folder = parent_path(path);
    start.meta.origin = path;
    start.meta.values = parse_json(read_file(path, max_config_bytes), path);
  }
  if (!start.meta.values.is_object()) fail(start.meta.origin, ": expected an object");
  start.def = &find_model(start.meta);
  start.model = as_language_model(*start.def, start.def->build(start.meta, Unwritten()), start.meta.origin);
  const Json& range = start.meta.values["initializer_range"];
  initialise(*start.model, rt, range.is_number() ? range.as_double() : 0.02, static_cast<std::uint64_t>(part.seed), has_bias, start.meta.values);
  start.model->bound();
  return start;
}

}  // namespace

StartingModel start_model(const Recipe& recipe, Runtime& rt) {
  if (!recipe.model.config.is_null()) return start_fresh(recipe.model, rt);
  const Checkpoint checkpoint = open_checkpoint(find_checkpoint(recipe.model.init));
  if (checkpoint.is_gguf() && (!recipe.trains_adapters() || recipe.lora.merge)) {
    fail(checkpoint.path, ": a GGUF file can be the frozen base of adapters (lora.rank); a whole model is written as a Hugging Face folder and has to "
         "start from one");
  }
  StartingModel start;
  start.meta = checkpoint.meta;
  start.def = &model_of(checkpoint);
  start.weights = checkpoint.weights;
  start.folder = checkpoint.path;
  start.model = load_language_model(checkpoint, rt);
  return start;
}

Checkpoint text_checkpoint(const StartingModel& start) {
  if (start.folder.empty()) fail("rows of text need a tokenizer: put one beside model.config, or give rows of input_ids");
  return open_checkpoint(start.folder);
}

void quantise_linears(Module& model, const std::string& format, Runtime& rt) {
  const DType type = find_dtype(format);
  if (!type || type->encode == nullptr || !type.is_floating()) fail("model.quantize: there is no format called ", printable(format), " that can be written");
  for (const AdaptedLinear& map : find_targets(model, {"all-linear"})) {
    Tensor& weight = map.map->weight.value;
    if (weight.size(1) % type->block != 0) continue;  // rows that no whole blocks cover stay as they are
    const std::vector<float> values = weight.to_host();
    std::vector<std::byte> bytes(static_cast<std::size_t>(type.row_bytes(weight.numel())));
    type->encode(values.data(), bytes.data(), weight.numel());
    weight = Tensor::from_bytes(rt, weight.shape(), type, bytes);
  }
}

void save_model(const StartingModel& start, const std::string& folder) {
  make_directories(folder);
  const auto tensors = unbind(*start.model, start.def->bindings(start.meta), start.weights.get());
  save_safetensors(join_path(folder, "model.safetensors"), tensors, {{"format", "pt"}});
  if (!start.folder.empty() && start.folder != folder) copy_companions(start.folder, folder);
  Json config = start.meta.values;
  const bool old_style = config.contains("torch_dtype") && !config.contains("dtype");
  if (config.contains("quantization_config")) config.as_object().erase("quantization_config");
  config.set(old_style ? "torch_dtype" : "dtype", "float32");
  write_file(join_path(folder, "config.json"), dump_json(config, JsonStyle::python, 2) + "\n");
}

}  // namespace tashika
