// How the hidden states of a model become one vector a text: what sentence-transformers keeps beside a model (modules.json and the
// folders it names), or a GGUF file's pooling type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "ops/elementwise.h"

namespace tashika {

enum class Pooling { first, max, mean, mean_sqrt_length, weighted_mean, last };

// The name a config or the command line gives: cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken. Error for others.
Pooling pooling_named(std::string_view name, std::string_view where);

struct EmbeddingStep {
  bool normalise = false;  // else a dense layer:
  Tensor weight;           // [out, in]
  Tensor bias;             // [out] or undefined
  std::optional<Unary> act;
};

struct EmbeddingRecipe {
  std::string origin;             // the file that says so; empty: nothing does, and what is here is a default
  std::string model_path;         // where the model itself lies
  std::vector<Pooling> pooling;   // their results side by side; empty: the encoder's own pooled output
  bool include_prompt = true;     // whether the prompt's tokens count in the pooling
  std::vector<EmbeddingStep> steps;
  std::int64_t max_tokens = 0;    // of a text with its special tokens; 0: the model's own limit
  std::vector<std::pair<std::string, std::string>> prompts;  // by name
  std::string default_prompt;     // a name; empty: none
};

// `path` is what find_checkpoint gave: a .gguf file, a model folder, or a sentence-transformers folder whose model may lie in a
// folder of its own. Tensors of dense layers are views of their files.
EmbeddingRecipe read_embedding_recipe(const std::string& path, Runtime& rt);

}  // namespace tashika
