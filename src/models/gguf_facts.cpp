#include "models/gguf_facts.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace tashika {
namespace {

// What the blended stretching divides each inverse frequency by (nn/rope.cpp has the formula).
std::vector<float> blended_divisors(const DecoderConfig& c) {
  const RopeScaling& s = c.rope_scaling;
  const double low = s.original_context / s.low_freq_factor, high = s.original_context / s.high_freq_factor;
  std::vector<float> out;
  for (std::int64_t i = 0; i < c.rope_dim / 2; ++i) {
    const double inverse = std::pow(c.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(c.rope_dim));
    const double wavelength = 2.0 * std::numbers::pi / inverse;
    double divisor = 1.0;
    if (wavelength > low) {
      divisor = s.factor;
    } else if (wavelength >= high) {
      const double smooth = (s.original_context / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
      divisor = 1.0 / ((1.0 - smooth) / s.factor + smooth);
    }
    out.push_back(static_cast<float>(divisor));
  }
  return out;
}

void add_scaling(GgufFacts& facts, const DecoderConfig& c) {
  const RopeScaling& s = c.rope_scaling;
  const auto set = [&](std::string_view key, Json value) { facts.set(cat("rope.scaling.", key), std::move(value)); };
  const auto original = static_cast<std::int64_t>(s.original_context);
  switch (s.kind) {
    case RopeScaling::Kind::none: return;
    case RopeScaling::Kind::linear:
      set("type", "linear");
      set("factor", s.factor);
      return;
    case RopeScaling::Kind::yarn: {
      if (!s.truncate) fail("rotary positions whose YaRN bounds are not truncated have no GGUF form");
      const auto scale = [&](double mscale) { return s.factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(s.factor) + 1.0; };
      const bool told = s.mscale != 0 && s.mscale_all_dim != 0;
      const double magnitude = s.attention_factor > 0 ? s.attention_factor : told ? scale(s.mscale) / scale(s.mscale_all_dim) : 0.0;
      set("type", "yarn");
      set("factor", s.factor);
      set("original_context_length", original);
      set("yarn_beta_fast", s.beta_fast);
      set("yarn_beta_slow", s.beta_slow);
      if (magnitude > 0) set("attn_factor", magnitude / scale(1.0));
      return;
    }
    case RopeScaling::Kind::llama3: facts.tensors.emplace_back("rope_freqs.weight", blended_divisors(c)); return;
    case RopeScaling::Kind::longrope: {
      set("original_context_length", original);
      const double stretched = s.factor <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(s.factor) / std::log(s.original_context));
      set("attn_factor", s.attention_factor > 0 ? s.attention_factor : stretched);
      facts.tensors.emplace_back("rope_factors_long.weight", std::vector<float>(s.long_factor.begin(), s.long_factor.end()));
      facts.tensors.emplace_back("rope_factors_short.weight", std::vector<float>(s.short_factor.begin(), s.short_factor.end()));
      return;
    }
  }
}

}  // namespace

const DecoderConfig& decoder_config(const Module& module) {
  const auto* decoder = dynamic_cast<const Decoder*>(&module);
  if (decoder == nullptr) fail_with(ErrorKind::internal, "decoder_config: not a Decoder");
  return decoder->config;
}

GgufFacts gguf_decoder_facts(std::string_view arch, const DecoderConfig& c, std::string_view norm_key) {
  GgufFacts facts{std::string(arch)};
  facts.set("block_count", c.layers);
  facts.set("context_length", c.context);
  facts.set("embedding_length", c.hidden);
  facts.set("feed_forward_length", c.inner);
  facts.set("attention.head_count", c.heads);
  facts.set("attention.head_count_kv", c.kv_heads);
  facts.set("attention.key_length", c.head_dim);
  facts.set("attention.value_length", c.head_dim);
  facts.set(norm_key, double{c.norm_eps});
  facts.set("rope.dimension_count", c.rope_dim);
  facts.set("rope.freq_base", c.rope_theta);
  facts.set("vocab_size", c.vocab);
  add_scaling(facts, c);
  if (std::ranges::any_of(c.windows, [](std::int64_t window) { return window > 0; })) {
    if (!std::ranges::all_of(c.windows, [&](std::int64_t window) { return window == c.windows[0]; })) {
      fail("some layers slide and others do not: GGUF's form of this architecture (", arch, ") has no place for that; use the Hugging Face folder itself");
    }
    facts.set("attention.sliding_window", c.windows[0]);
    facts.losses.push_back(cat("the sliding window of ", c.windows[0], " positions"));
  }
  return facts;
}

void pair_rows(GgufFacts& facts, const DecoderConfig& c) {
  if (c.rope_dim != c.head_dim) fail("heads that turn in part only have no GGUF form in this architecture (", facts.architecture, ")");
  facts.pairs.push_back({"model.layers.{}.self_attn.q_proj.*", c.heads});
  facts.pairs.push_back({"model.layers.{}.self_attn.k_proj.*", c.kv_heads});
}

}  // namespace tashika
