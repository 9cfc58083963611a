// How fast a model reads prompts and generates, measured.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nn/language_model.h"
#include "tensor/runtime.h"

namespace tashika {

struct BenchOptions {
  std::vector<std::int64_t> prompt = {512};    // tokens read; 0: not measured
  std::vector<std::int64_t> generate = {128};  // tokens generated, one at a time; 0: not measured
  std::vector<std::int64_t> depth = {0};       // positions that the context holds already
  std::vector<std::int64_t> batch = {1};       // sequences at once
  int repeats = 5;
  std::int64_t chunk = 512;
};

struct BenchResult {
  std::string test;  // "pp512", "tg128@d8192", "tg128@b4"
  std::int64_t tokens = 0;
  double tokens_per_s = 0;  // of all sequences together: mean over the repeats
  double sd = 0;            // of the repeats
};

// Runs every combination, each once before it is measured, and hands results out as they come.
// Tokens are pseudo-random. Error(limit) when a test does not fit the model's context.
void run_bench(LanguageModel& model, Runtime& rt, const BenchOptions& options, const std::function<void(const BenchResult&)>& report);

}  // namespace tashika
