// How the next token is chosen. docs/sampling.md states the order of the steps.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tashika {

class Options;
class TokenMask;
class Tokenizer;

struct SamplingOptions {
  std::int64_t seed = -1;  // -1: a new one each time
  float temperature = 0.8f;
  int top_k = 40;
  float top_p = 0.95f;
  float min_p = 0.05f;
  float typical_p = 1.0f;
  int repeat_last_n = 64;  // tokens that the penalties look at; -1: all
  float repeat_penalty = 1.0f;
  float presence_penalty = 0.0f;
  float frequency_penalty = 0.0f;
  float dry_multiplier = 0.0f;
  float dry_base = 1.75f;
  int dry_allowed_length = 2;
  int dry_penalty_last_n = -1;
  std::vector<std::string> dry_sequence_breakers = {"\n", ":", "\"", "*"};
  int mirostat = 0;  // 0 or 2
  float mirostat_tau = 5.0f;
  float mirostat_eta = 0.1f;
  std::map<std::int32_t, float> logit_bias;

  bool greedy() const { return temperature <= 0 && mirostat == 0; }
};

void describe(Options& options, SamplingOptions& sampling);

// Throws Error(usage) for combinations that mean nothing.
void check(const SamplingOptions& sampling);

struct Candidate {
  std::int32_t id;
  float logit;
  float p = 0;
};

// Candidates and the steps that thin them out. Every step keeps at least one. Ties go to the lower
// id, so that a result never depends on the order of the work.
class Candidates {
 public:
  // The k likeliest of all (k <= 0: all).
  Candidates(std::span<const float> logits, std::int64_t k);

  void typical(float p);           // Meister et al. 2023, "Locally typical sampling"
  void top_p(float p);             // Holtzman et al. 2020, nucleus sampling
  void min_p(float p);             // Nguyen et al. 2024: at least p times the likeliest
  void temperature(float t);       // t > 0
  void surprise_limit(float bits);  // drops candidates of more surprise than that
  void softmax();                   // fills p
  // The candidate at u of the cumulative distribution; softmax() first.
  const Candidate& pick(double u) const;

  const std::vector<Candidate>& list() const { return list_; }
  void sort();  // likeliest first

 private:
  std::vector<Candidate> list_;
  bool sorted_ = false;
};

// Adds biases, then repeat, presence and frequency penalties over the last tokens of `history`
// (the prompt included).
void apply_bias(std::span<float> logits, const std::map<std::int32_t, float>& bias);
void apply_penalties(std::span<float> logits, const SamplingOptions& options, std::span<const std::int32_t> history);

// Rules out what the mask does not hold. Error when nothing is left.
void apply_mask(std::span<float> logits, const TokenMask& allowed);

// DRY ("don't repeat yourself", p-e-w 2024): a token that would lengthen a repetition already longer
// than the allowed length pays multiplier · base^(length − allowed). `breaker[id]`: the token ends a
// repetition; may be shorter than the vocabulary.
void apply_dry(std::span<float> logits, const SamplingOptions& options, std::span<const std::int32_t> history,
               const std::vector<bool>& breaker);

struct TokenLogprob {
  std::int32_t id;
  float logprob;
};

struct Choice {
  std::int32_t id = 0;
  float logprob = 0;              // of the model itself, before any step; only when asked for
  std::vector<TokenLogprob> top;  // likeliest first
};

class Sampler {
 public:
  // `tokenizer` is needed by DRY's sequence breakers only and may be null. `seed` >= 0.
  Sampler(const SamplingOptions& options, std::uint64_t seed, std::uint32_t sequence, const Tokenizer* tokenizer);

  // Chooses the token that follows `history`. Its number of tokens is the position of the draw.
  // `logprobs` < 0: none wanted; 0: the chosen token's; N: the N likeliest too. `allowed`: the only ids that may be
  // chosen; null: all.
  Choice sample(std::span<const float> logits, std::span<const std::int32_t> history, int logprobs = -1, const TokenMask* allowed = nullptr);
  // Forgets what was drawn at and after this position (mirostat's memory).
  void rollback(std::int64_t length);

 private:
  SamplingOptions options_;
  std::uint64_t seed_;
  std::uint32_t sequence_;
  std::vector<bool> breaker_;
  std::vector<float> scratch_;
  struct Surprise {
    std::int64_t length;  // of the history that it holds for
    float mu;
  };
  std::vector<Surprise> mirostat_;
};

}  // namespace tashika
