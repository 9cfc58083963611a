// Where training starts: a checkpoint, or a config whose parameters are drawn from a seed.
#pragma once

#include <memory>
#include <string>

#include "checkpoint/checkpoint.h"
#include "models/model_def.h"
#include "train/recipe.h"

namespace tashika {

struct StartingModel {
  Metadata meta;
  const ModelDef* def = nullptr;
  std::unique_ptr<LanguageModel> model;
  std::shared_ptr<WeightSource> weights;  // null when fresh
  std::string folder;                     // with tokenizer and template; empty when there is none
};

StartingModel start_model(const Recipe& recipe, Runtime& rt);

// What tokenizer and chat template are read from; Error when there is nothing.
Checkpoint text_checkpoint(const StartingModel& start);

// The matrices of all linear maps but the head, stored in a weight format ("q8_0", "q4_k"): for a model that stays frozen.
void quantise_linears(Module& model, const std::string& format, Runtime& rt);

// Writes config.json, model.safetensors and the starting folder's tokenizer files to `folder`; config.json comes last.
void save_model(const StartingModel& start, const std::string& folder);

}  // namespace tashika
