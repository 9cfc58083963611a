#include "checkpoint/embedding_files.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "io/gguf.h"
#include "io/safetensors.h"

namespace tashika {
namespace {

constexpr std::uint64_t max_config_bytes = 16 << 20;

bool is_file(const std::string& path) { return file_type(path) == FileType::regular; }

Json read_object(const std::string& path) {
  Json json = parse_json(read_file(path, max_config_bytes), path);
  if (!json.is_object()) fail(path, ": expected an object, found ", json_type_name(json.type()));
  return json;
}
Json read_object_if_there(const std::string& path) { return is_file(path) ? read_object(path) : Json(JsonObject{}); }

std::int64_t positive(const Json& object, std::string_view key, const std::string& path) {
  const Json* value = object.find(key);
  if (value == nullptr || value->is_null()) return 0;
  // Tokenizers without a limit say 1e30.
  if (value->is_number() && value->as_double() > 1e15) return 0;
  if (!value->is_integer() || value->as_integer() < 1) fail(path, ": ", key, ": expected a positive whole number, found ", dump_json(*value).substr(0, 80));
  return value->as_integer();
}

std::string text_of(const Json& object, std::string_view key, const std::string& path) {
  const Json* value = object.find(key);
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_string()) fail(path, ": ", key, ": expected text, found ", json_type_name(value->type()));
  return value->as_string();
}

// In the order in which sentence-transformers puts the results side by side.
constexpr std::array<std::pair<std::string_view, Pooling>, 6> switches{{{"pooling_mode_cls_token", Pooling::first},
                                                                        {"pooling_mode_max_tokens", Pooling::max},
                                                                        {"pooling_mode_mean_tokens", Pooling::mean},
                                                                        {"pooling_mode_mean_sqrt_len_tokens", Pooling::mean_sqrt_length},
                                                                        {"pooling_mode_weightedmean_tokens", Pooling::weighted_mean},
                                                                        {"pooling_mode_lasttoken", Pooling::last}}};

void read_pooling(const std::string& path, EmbeddingRecipe& recipe) {
  const Json config = read_object(path);
  if (const Json* mode = config.find("pooling_mode"); mode != nullptr && !mode->is_null()) {
    if (mode->is_string()) {
      recipe.pooling.push_back(pooling_named(mode->as_string(), path));
    } else if (mode->is_array()) {
      for (const Json& name : mode->as_array()) {
        if (!name.is_string()) fail(path, ": pooling_mode: expected names");
        recipe.pooling.push_back(pooling_named(name.as_string(), path));
      }
    }
  } else {
    for (const auto& [key, pooling] : switches) {
      const Json* on = config.find(key);
      if (on != nullptr && on->is_bool() && on->as_bool()) recipe.pooling.push_back(pooling);
    }
  }
  if (recipe.pooling.empty()) recipe.pooling.push_back(Pooling::mean);
  const Json& include = config["include_prompt"];
  recipe.include_prompt = !include.is_bool() || include.as_bool();
}

EmbeddingStep read_dense(const std::string& folder, Runtime& rt) {
  const std::string path = join_path(folder, "config.json");
  const Json config = read_object(path);
  for (const char* key : {"module_input_name", "module_output_name"}) {
    if (const std::string name = text_of(config, key, path); !name.empty() && name != "sentence_embedding") {
      fail(path, ": ", key, ": \"", name, "\" is not supported; known: sentence_embedding");
    }
  }
  if (config["use_residual"] == Json(true)) fail(path, ": use_residual: true is not supported");
  EmbeddingStep step;
  std::string act = text_of(config, "activation_function", path);
  if (act.empty()) act = "torch.nn.modules.activation.Tanh";
  act = act.substr(act.rfind('.') + 1);
  static constexpr std::array<std::pair<std::string_view, Unary>, 5> known{
      {{"Tanh", Unary::tanh}, {"ReLU", Unary::relu}, {"GELU", Unary::gelu}, {"SiLU", Unary::silu}, {"Sigmoid", Unary::sigmoid}}};
  if (act != "Identity") {
    for (const auto& [name, fn] : known) {
      if (name == act) step.act = fn;
    }
    if (!step.act) fail(path, ": activation_function: \"", act, "\" is not supported; known: Identity, Tanh, ReLU, GELU, SiLU, Sigmoid");
  }
  const std::string weights = join_path(folder, "model.safetensors");
  if (!is_file(weights)) fail(folder, ": there is no model.safetensors; weights as pytorch_model.bin are not read");
  const auto file = Safetensors::open(weights);
  if (file->find("linear.weight") == nullptr) fail(weights, ": tensor linear.weight is missing");
  step.weight = file->load("linear.weight", rt);
  if (step.weight.rank() != 2) fail(weights, ": tensor linear.weight ", step.weight.str(), " is no matrix");
  if (file->find("linear.bias") != nullptr) {
    step.bias = file->load("linear.bias", rt);
    if (step.bias.shape() != Shape{step.weight.size(0)}) fail(weights, ": tensor linear.bias ", step.bias.str(), " does not fit linear.weight ", step.weight.str());
  }
  return step;
}

void read_modules(const std::string& folder, EmbeddingRecipe& recipe, Runtime& rt) {
  const std::string path = join_path(folder, "modules.json");
  const Json list = parse_json(read_file(path, max_config_bytes), path);
  if (!list.is_array()) fail(path, ": expected a list, found ", json_type_name(list.type()));
  bool has_model = false;
  for (const Json& module : list.as_array()) {
    if (!module.is_object()) fail(path, ": expected a list of objects");
    const std::string type = text_of(module, "type", path), where = text_of(module, "path", path);
    if (where.starts_with("/") || where.find("..") != std::string::npos) fail(path, ": path \"", where, "\" leads out of the folder");
    const std::string kind = type.substr(type.rfind('.') + 1), sub = where.empty() ? folder : join_path(folder, where);
    if (kind == "Transformer" && !has_model) {
      has_model = true;
      recipe.model_path = sub;
    } else if (kind == "Pooling") {
      read_pooling(join_path(sub, "config.json"), recipe);
    } else if (kind == "Normalize") {
      recipe.steps.push_back({.normalise = true, .weight = {}, .bias = {}, .act = {}});
    } else if (kind == "Dense") {
      recipe.steps.push_back(read_dense(sub, rt));
    } else if (kind != "Dropout") {
      fail(path, ": a module of type \"", type, "\" is not supported; known: Transformer, Pooling, Dense, Normalize, Dropout");
    }
  }
  if (!has_model) fail(path, ": there is no module of type Transformer");
  if (recipe.pooling.empty()) fail(path, ": there is no module of type Pooling");
  recipe.origin = path;

  const std::string settings = join_path(recipe.model_path, "sentence_bert_config.json");
  recipe.max_tokens = positive(read_object_if_there(settings), "max_seq_length", settings);
  const std::string prompts = join_path(folder, "config_sentence_transformers.json");
  const Json config = read_object_if_there(prompts);
  if (const Json& named = config["prompts"]; named.is_object()) {
    for (const auto& [name, text] : named.as_object().entries()) {
      if (!text.is_string()) fail(prompts, ": prompts: ", name, ": expected text, found ", json_type_name(text.type()));
      recipe.prompts.emplace_back(name, text.as_string());
    }
  }
  recipe.default_prompt = text_of(config, "default_prompt_name", prompts);
}

// The tokenizer's own limit where sentence-transformers' settings name none.
void read_limit(EmbeddingRecipe& recipe) {
  const std::string path = join_path(recipe.model_path, "tokenizer_config.json");
  if (recipe.max_tokens == 0) recipe.max_tokens = positive(read_object_if_there(path), "model_max_length", path);
}

void read_gguf(const Checkpoint& c, EmbeddingRecipe& recipe) {
  const std::string key = architecture(c.meta) + ".pooling_type";
  const Json* type = c.meta.values.find(key);
  if (type == nullptr) return;
  switch (type->is_integer() ? type->as_integer() : -1) {
    case 0: return;  // none: the caller chooses
    case 1: recipe.pooling = {Pooling::mean}; break;
    case 2: recipe.pooling = {Pooling::first}; break;
    case 3: recipe.pooling = {Pooling::last}; break;
    default: fail(c.path, ": ", key, ": ", dump_json(*type), " is not supported; known: 0 none, 1 mean, 2 cls, 3 last");
  }
  recipe.origin = c.path;
}

}  // namespace

Pooling pooling_named(std::string_view name, std::string_view where) {
  static constexpr std::array<std::pair<std::string_view, Pooling>, 7> known{{{"cls", Pooling::first},
                                                                              {"max", Pooling::max},
                                                                              {"mean", Pooling::mean},
                                                                              {"mean_sqrt_len_tokens", Pooling::mean_sqrt_length},
                                                                              {"weightedmean", Pooling::weighted_mean},
                                                                              {"lasttoken", Pooling::last},
                                                                              {"last", Pooling::last}}};
  for (const auto& [key, pooling] : known) {
    if (key == name) return pooling;
  }
  fail(where, ": no pooling is called \"", name, "\"; known: cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken");
}

EmbeddingRecipe read_embedding_recipe(const std::string& path, Runtime& rt) {
  EmbeddingRecipe recipe;
  recipe.model_path = path;
  if (is_file(join_path(path, "modules.json"))) {
    read_modules(path, recipe, rt);
    read_limit(recipe);
    return recipe;
  }
  const Checkpoint c = open_checkpoint(path);
  const ModelDef& def = model_of(c);
  if (c.is_gguf()) read_gguf(c, recipe);
  else read_limit(recipe);
  if (recipe.origin.empty() && def.role == Role::language_model) recipe.pooling = {Pooling::last};
  recipe.steps.push_back({.normalise = true, .weight = {}, .bias = {}, .act = {}});
  return recipe;
}

}  // namespace tashika
