// What training needs to go on bit for bit: masters, moments and averages, the position in the data, the length of the
// metrics. Every random draw is a function of seed and position, so there is no generator to keep.
//
// A checkpoint is a folder OUT/checkpoints/step-N of state.safetensors and, written last, trainer.json with its digest: a
// folder without it, or whose state has another digest, is torn and is passed over.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "train/parameters.h"

namespace tashika {

struct Progress {
  std::int64_t step = 0;      // finished
  std::int64_t position = 0;  // rows read
  std::uint64_t metrics_bytes = 0;
  double norm_mean = 0;       // running mean of the gradient norm
  std::int64_t updates = 0;   // steps that were not skipped: Adam's t
};

using Say = std::function<void(std::string_view)>;

// Keeps the newest `keep` checkpoints.
void save_state(const std::string& out, const std::vector<Trained>& trained, const Progress& progress, const Json& recipe, std::int64_t keep);
// Restores the newest valid checkpoint; nothing when there is none. Tells what it passes over.
std::optional<Progress> restore_state(const std::string& out, std::vector<Trained>& trained, Runtime& rt, const Json& recipe, const Say& say);

}  // namespace tashika
