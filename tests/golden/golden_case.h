// The golden descriptors of tests/data/golden and the models they belong to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nn/language_model.h"
#include "tensor/runtime.h"

namespace tashika::test {

struct GoldenSequence {
  std::vector<std::int32_t> ids;
  std::vector<float> logits;  // reference, [tokens, vocab]
  std::vector<float> hidden;  // reference last_hidden_state, empty where not recorded
};

struct GoldenCase {
  std::string name;
  std::string model;      // folder or .gguf file
  double spread = 0;      // standard deviation of all reference logits
  double fast_bound = 0;  // mean |difference| of the fast path, in spreads
  std::vector<GoldenSequence> sequences;
  std::vector<std::int32_t> greedy_prompt, greedy_ids;
  bool greedy_by_peer = false;  // llama.cpp gave the same ids on its fast path
  double greedy_margin = 0;     // smallest gap of the best logit to the second, in spreads
};

// Paths of the descriptors, sorted: folders/*/case.json and gguf/*.json.
std::vector<std::string> golden_descriptors(const std::string& kind);
GoldenCase read_golden(const std::string& descriptor);

// A checkpoint on a runtime of its own.
class GoldenModel {
 public:
  GoldenModel(const std::string& path, const std::string& backend, int threads, ComputeMode compute);

  std::unique_ptr<SequenceState> state() const;
  // Logits of every row; `chunk` 0: all tokens in one forward.
  std::vector<float> logits(const std::vector<std::int32_t>& ids, std::size_t chunk = 0) const;
  std::vector<float> batch(const std::vector<std::vector<std::int32_t>>& sequences) const;
  std::vector<float> hidden(const std::vector<std::int32_t>& ids) const;
  std::vector<std::int32_t> greedy(const std::vector<std::int32_t>& prompt, std::size_t count) const;
  Runtime& runtime() const { return *rt_; }

 private:
  std::unique_ptr<Runtime> rt_;
  std::unique_ptr<LanguageModel> model_;
};

}  // namespace tashika::test
