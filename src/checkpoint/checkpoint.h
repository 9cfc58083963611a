// What MODEL means: finding it, opening it, and giving its weights to a module tree.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/model_def.h"
#include "nn/encoder.h"
#include "nn/language_model.h"
#include "tensor/runtime.h"
#include "tensor/weights.h"

namespace tashika {

class Gguf;

// An opened checkpoint: facts and names, no weight page touched. A Hugging Face folder or a GGUF file; either may lack weights
// (tokenizer files only, a vocabulary-only GGUF).
struct Checkpoint {
  std::string path;   // folder or file
  Metadata meta;      // values null when a folder has no config.json
  std::shared_ptr<WeightSource> weights;  // null when there are none
  std::shared_ptr<Gguf> gguf;             // the same file when it is GGUF: tokenizer tables, template
  bool is_gguf() const { return gguf != nullptr; }
};

// Name of the model that comes with the program.
inline constexpr std::string_view default_model = "tashika-standin";

// The path of MODEL: a folder, a .gguf file, `org/name[:quant]` in the local Hugging Face cache
// (HF_HUB_CACHE, HF_HOME), or default_model. Error with suggestions when there is no such thing.
std::string find_checkpoint(const std::string& model);

Checkpoint open_checkpoint(const std::string& path);

// The record that claims it; Error when the checkpoint has no weights or no config.
const ModelDef& model_of(const Checkpoint& checkpoint);

// Builds and binds. The runtime may be meta: shapes and memory without bytes.
std::unique_ptr<Module> load_module(const Checkpoint& checkpoint, Runtime& rt);
// The same for a checkpoint whose role is a language model.
std::unique_ptr<LanguageModel> load_language_model(const Checkpoint& checkpoint, Runtime& rt);
// The same for one whose role is an encoder.
std::unique_ptr<Encoder> load_encoder(const Checkpoint& checkpoint, Runtime& rt);

}  // namespace tashika
