#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/options.h"
#include "base/random.h"
#include "decode/sampling.h"
#include "text/grammar/grammar.h"
#include "text/tokenizer.h"

namespace tashika {
namespace {

std::int32_t argmax(std::span<const float> logits) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<std::int32_t>(best);
}

void fill_logprobs(Choice& choice, std::span<const float> logits, int count) {
  const float most = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v) - most);
  const double log_sum = most + std::log(sum);
  choice.logprob = static_cast<float>(logits[static_cast<std::size_t>(choice.id)] - log_sum);
  if (count <= 0) return;
  Candidates top(logits, count);
  top.sort();
  for (const Candidate& c : top.list()) choice.top.push_back({c.id, static_cast<float>(c.logit - log_sum)});
}

// "15043+1.5", "15043-inf" or "15043=2": a token's id and what is added to its logit.
void parse_bias(std::map<std::int32_t, float>& bias, std::string_view text, std::string_view where) {
  const std::size_t sign = text.find_first_of("+-=", 1);
  if (sign == std::string_view::npos) fail_with(ErrorKind::usage, cat(where, ": expected ID+VALUE or ID-VALUE, found \"", text, "\""));
  const std::int64_t id = parse_integer(text.substr(0, sign), where);
  if (id < 0 || id > 0x7FFFFFFF) fail_with(ErrorKind::usage, cat(where, ": ", id, " is no token id"));
  const std::string_view amount = text.substr(sign + 1);
  const double value = amount == "inf" ? 1e30 : parse_number(amount, where);
  bias[static_cast<std::int32_t>(id)] = static_cast<float>(text[sign] == '-' ? -value : value);
}

}  // namespace

void describe(Options& o, SamplingOptions& s) {
  constexpr double big = 1e9;
  o.group("Sampling");
  o.value("-s, --seed", "N", s.seed, "seed of the random draws; -1: a new one each time").range(-1, 9.2e18);
  o.value("--temp, --temperature", "T", s.temperature, "0: always the likeliest token").range(0, big);
  o.value("--top-k", "N", s.top_k, "keep the N likeliest tokens; 0: all").range(0, big);
  o.value("--top-p", "P", s.top_p, "keep the likeliest tokens that together reach P; 1: all").range(0, 1);
  o.value("--min-p", "P", s.min_p, "drop tokens less likely than P times the likeliest; 0: none").range(0, 1);
  o.value("--typical, --typical-p", "P", s.typical_p, "keep tokens of typical surprise up to P; 1: all").range(0, 1);
  o.value("--repeat-last-n", "N", s.repeat_last_n, "tokens that the penalties look back on; 0: none, -1: all").range(-1, big);
  o.value("--repeat-penalty", "X", s.repeat_penalty, "divide the logits of tokens seen; 1: off").range(1e-6, big);
  o.value("--presence-penalty", "X", s.presence_penalty, "taken once from the logits of tokens seen; 0: off").range(-big, big);
  o.value("--frequency-penalty", "X", s.frequency_penalty, "taken for each time that a token was seen; 0: off").range(-big, big);
  o.value("--dry-multiplier", "X", s.dry_multiplier, "strength of DRY, which makes long repetitions dear; 0: off").range(0, big);
  o.value("--dry-base", "X", s.dry_base, "growth of DRY's penalty with each repeated token").range(1, big);
  o.value("--dry-allowed-length", "N", s.dry_allowed_length, "repetitions up to this length are free").range(0, big);
  o.value("--dry-penalty-last-n", "N", s.dry_penalty_last_n, "tokens that DRY looks back on; 0: none, -1: all").range(-1, big);
  o.custom("--dry-sequence-breaker", "TEXT", "text that ends a repetition; the first one given replaces the defaults (newline : \" *), \"none\" for none",
           [&s, given = false](std::string_view text, std::string_view) mutable {
             if (!given) s.dry_sequence_breakers.clear();
             given = true;
             if (text != "none") s.dry_sequence_breakers.emplace_back(text);
           }).repeats = true;
  o.value("--mirostat", "N", s.mirostat, "2: hold the surprise of the text constant (Mirostat 2.0) instead of top-k, top-p, min-p and typical; 0: off").range(0, 2);
  o.value("--mirostat-ent, --mirostat-tau", "X", s.mirostat_tau, "Mirostat's target surprise in bits").range(0, big);
  o.value("--mirostat-lr, --mirostat-eta", "X", s.mirostat_eta, "Mirostat's learning rate").range(0, big);
  Option& bias = o.custom("-l, --logit-bias", "ID+X", "add to a token's logit: 15043+1, 15043-1, 15043-inf",
                          [&s](std::string_view text, std::string_view where) { parse_bias(s.logit_bias, text, where); });
  bias.repeats = true;
  bias.set_json = [&s](const Json& value, std::string_view where) {
    if (!value.is_object()) fail_with(ErrorKind::usage, cat(where, ": expected an object of token ids and numbers"));
    for (const auto& [key, amount] : value.as_object().entries()) {
      if (!amount.is_number()) fail_with(ErrorKind::usage, cat(where, ".", key, ": expected a number"));
      s.logit_bias[static_cast<std::int32_t>(parse_integer(key, where))] = static_cast<float>(amount.as_double());
    }
  };
}

void check(const SamplingOptions& s) {
  if (s.mirostat == 1) fail_with(ErrorKind::usage, "--mirostat: only version 2 is known (0 or 2)");
  if (s.mirostat == 2 && s.temperature <= 0) fail_with(ErrorKind::usage, "--mirostat 2 needs a temperature above 0");
}

Sampler::Sampler(const SamplingOptions& options, std::uint64_t seed, std::uint32_t sequence, const Tokenizer* tokenizer)
    : options_(options), seed_(seed), sequence_(sequence) {
  if (options_.dry_multiplier == 0 || tokenizer == nullptr) return;
  breaker_.resize(static_cast<std::size_t>(tokenizer->id_limit()));
  for (std::size_t i = 0; i < breaker_.size(); ++i) {
    const std::string text = tokenizer->token_bytes(static_cast<std::int32_t>(i));
    for (const std::string& b : options_.dry_sequence_breakers) {
      if (!b.empty() && text.find(b) != std::string::npos) breaker_[i] = true;
    }
  }
}

void Sampler::rollback(std::int64_t length) {
  while (!mirostat_.empty() && mirostat_.back().length > length) mirostat_.pop_back();
}

Choice Sampler::sample(std::span<const float> raw, std::span<const std::int32_t> history, int logprobs, const TokenMask* allowed) {
  const auto position = static_cast<std::int64_t>(history.size());
  scratch_.assign(raw.begin(), raw.end());
  const std::span<float> logits(scratch_);
  for (float& v : logits) {
    if (std::isnan(v) || v > 3.4e38f) fail("the model computed no finite logits at position ", position, "; the checkpoint is broken, or try --compute f32");
  }
  apply_bias(logits, options_.logit_bias);
  apply_penalties(logits, options_, history);
  apply_dry(logits, options_, history, breaker_);
  if (allowed != nullptr) apply_mask(logits, *allowed);

  Choice choice;
  if (options_.greedy()) {
    choice.id = argmax(logits);
  } else {
    const double u = draw_uniform(seed_, Draw::token, sequence_, static_cast<std::uint64_t>(position));
    if (options_.mirostat == 2) {
      rollback(position);
      const float mu = mirostat_.empty() ? 2 * options_.mirostat_tau : mirostat_.back().mu;
      Candidates candidates(logits, 0);
      candidates.temperature(options_.temperature);
      candidates.surprise_limit(mu);
      candidates.softmax();
      const Candidate& chosen = candidates.pick(u);
      choice.id = chosen.id;
      const float surprise = -std::log2(std::max(chosen.p, 1e-30f));
      mirostat_.push_back({position + 1, mu - options_.mirostat_eta * (surprise - options_.mirostat_tau)});
    } else {
      Candidates candidates(logits, options_.top_k);
      candidates.typical(options_.typical_p);
      candidates.top_p(options_.top_p);
      candidates.min_p(options_.min_p);
      candidates.temperature(options_.temperature);
      candidates.softmax();
      choice.id = candidates.pick(u).id;
    }
  }
  if (logprobs >= 0) fill_logprobs(choice, raw, logprobs);
  return choice;
}

}  // namespace tashika
