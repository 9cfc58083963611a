// What a checkpoint says about generating text: where it ends, and how its makers sample.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace tashika {

// Ids that end a text, sorted: generation_config.json's eos_token_id, or else config.json's; of a
// GGUF file eos, eot and eom, and control tokens known to end a turn. Needs no tokenizer.
std::vector<std::int32_t> end_tokens(const Checkpoint& checkpoint);

// The sampling that the checkpoint recommends: a JSON object under our option names (temperature,
// top_k, …). Empty when it recommends nothing; `source` then is empty too, else the file it is from.
struct SamplingDefaults {
  Json values;
  std::string source;
};
SamplingDefaults sampling_defaults(const Checkpoint& checkpoint);

}  // namespace tashika
