// Low-rank adapters (Hu et al. 2021) on chosen linear maps, in the files of PEFT.
#pragma once

#include <string>
#include <vector>

#include "nn/linear.h"
#include "nn/module.h"
#include "train/parameters.h"
#include "train/recipe.h"

namespace tashika {

struct AdaptedLinear {
  std::string name;  // of the module: "model.layers.0.self_attn.q_proj"
  Linear* map = nullptr;
  std::int64_t turned_heads = 0;  // above 0: rows lie as GGUF stores rotary heads, pairs side by side; so many heads
};

struct LoraOptions {
  std::int64_t rank = 0;
  double alpha = 0;
  std::vector<std::string> targets;  // last parts of module names
};

// The linear maps whose name ends in one of the targets. Error when a target names none, with those that there are.
std::vector<AdaptedLinear> find_targets(Module& module, const std::vector<std::string>& targets);

// Gives each map a fresh adapter: A uniform in ±1/√in, B zero.
void attach_adapters(const std::vector<AdaptedLinear>& maps, const LoraOptions& options, Runtime& rt, std::uint64_t seed);
// Or that of a PEFT folder; its rank, alpha and targets are taken from there.
LoraOptions read_adapter_config(const std::string& folder);
void load_adapters(const std::vector<AdaptedLinear>& maps, const LoraOptions& options, const std::string& folder, Runtime& rt);

std::vector<Trained> train_adapters(const std::vector<AdaptedLinear>& maps, Runtime& rt);

// adapter_model.safetensors and adapter_config.json.
void save_adapters(const std::vector<AdaptedLinear>& maps, const LoraOptions& options, const std::string& base, const std::string& folder);
// W + scale · B A in f32, and no adapter any more.
void merge_adapters(const std::vector<AdaptedLinear>& maps);

}  // namespace tashika
