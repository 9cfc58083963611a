// What a model is worth on a text, and what it lost against another: perplexity and the Kullback-Leibler divergence of its
// next-token distributions, over the positions that llama.cpp's tools count: the second half of every chunk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "text/tokenizer.h"

namespace tashika {

struct Estimate {
  double mean = 0;
  double error = 0;  // standard error of the mean
};

// All logarithms are natural.
struct Divergence {
  Estimate base_nll, nll_difference;  // of the base; of this model less that of the base, token by token
  Estimate kld;                       // KL(base || model)
  std::vector<float> klds;            // of every position, ascending
  Estimate same_top;                  // share of positions whose likeliest token is the base's
  Estimate p_change;                  // of the true token's probability
  double p_change_rms = 0;
  float kld_percentile(double percent) const;  // linear between ranks
};

struct Quality {
  std::int64_t chunks = 0, context = 0, positions = 0;
  Estimate nll;
  std::optional<Divergence> against;
  double perplexity() const;
  double perplexity_error() const;
};

// What the base says of the next token.
class BaseDistributions {
 public:
  virtual ~BaseDistributions() = default;
  // Logits or log-probabilities [count, vocab] of positions first … first + count - 1 of a chunk.
  virtual void rows(std::size_t chunk, std::int64_t first, std::int64_t count, std::vector<float>& out) = 0;
  virtual std::int64_t vocab() const = 0;
};

// Runs the base beside the model, chunk by chunk. `model` must outlive it.
std::unique_ptr<BaseDistributions> running_base(LanguageModel& model, Runtime& rt, std::span<const std::vector<TokenId>> chunks);
// Runs it once and keeps what it says: four bytes for each position and token of the vocabulary. Error(limit) when that is
// more than half of the memory.
std::unique_ptr<BaseDistributions> kept_base(LanguageModel& model, Runtime& rt, std::span<const std::vector<TokenId>> chunks);

using QualityProgress = std::function<void(std::int64_t chunk, std::int64_t chunks)>;

// `base` may be null. Error(input) when the vocabularies differ.
Quality measure_quality(LanguageModel& model, Runtime& rt, std::span<const std::vector<TokenId>> chunks, BaseDistributions* base,
                        const QualityProgress& progress = {});

// The mean divergence alone; as soon as it must pass `limit`, infinity.
double mean_divergence(LanguageModel& model, Runtime& rt, std::span<const std::vector<TokenId>> chunks, BaseDistributions& base, double limit);

}  // namespace tashika
