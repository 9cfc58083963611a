// What several verbs share: the model they are given, how it is computed, ids on the command line.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/options.h"
#include "checkpoint/checkpoint.h"
#include "tensor/runtime.h"

namespace tashika::cli {

struct ComputeSettings {
  int threads = 0;
  ComputeMode compute = ComputeMode::fast;
  std::string device = "cpu";
  RuntimeOptions runtime() const;
};
void describe(Options& options, ComputeSettings& compute);

// MODEL as the first argument, or by -m or -hf; TASHIKA_MODEL where the command line has none.
struct ModelSetting {
  std::string model;
  bool by_flag = false;
  const std::string& required() const;  // Error(usage) when there is none
};
void describe(Options& options, ModelSetting& model);

// A model ready to compute. While it lives, Ctrl-C cancels its runtime.
struct Engine {
  Checkpoint checkpoint;
  std::unique_ptr<Runtime> rt;
  std::unique_ptr<LanguageModel> model;
  std::unique_ptr<Encoder> encoder;  // instead, where the checkpoint is one and the verb takes them
  ~Engine();
};
void log_memory(Log& log);  // the peak so far, for --log debug
enum class Take { language_models, encoders_too };
std::unique_ptr<Engine> open_engine(const std::string& model, const ComputeSettings& compute, Log& log, Take take = Take::language_models);

// --ids, once for each sequence.
struct IdsSetting {
  std::vector<std::vector<std::int32_t>> sequences;
};
void describe(Options& options, IdsSetting& ids);

}  // namespace tashika::cli
