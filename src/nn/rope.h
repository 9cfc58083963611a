// Rotary position tables: which angle each pair of a head turns by, and the published ways of
// stretching them (linear, llama3, YaRN, LongRoPE).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace tashika {

struct RopeScaling {
  enum class Kind { none, linear, llama3, yarn, longrope };
  Kind kind = Kind::none;
  double factor = 1.0;
  // llama3 (Dubey et al. 2024): wavelengths between the two bounds are blended.
  double low_freq_factor = 1.0, high_freq_factor = 4.0;
  double original_context = 8192;
  // YaRN (Peng et al. 2023).
  double beta_fast = 32.0, beta_slow = 1.0;
  double attention_factor = 0;  // 0: from the factor and the two mscale values
  double mscale = 0, mscale_all_dim = 0;
  bool truncate = true;  // whole-numbered correction bounds
  // LongRoPE (Ding et al. 2024): divisors of the frequencies for sequences up to original_context and beyond it; in GGUF
  // they are tensors and come with set_factors. `attention_factor` applies, 0: from the factor.
  std::vector<double> short_factor, long_factor;
};

class Rope {
 public:
  Rope() = default;
  // Turns the first `dim` entries of a head (even). `interleaved`: pairs are neighbours.
  Rope(std::int64_t dim, double theta, const RopeScaling& scaling, bool interleaved);

  bool interleaved() const { return interleaved_; }
  std::int64_t half() const { return static_cast<std::int64_t>(inverse_.size()); }
  void set_frequencies(std::vector<float> divisors);  // GGUF's rope_freqs: inverse frequencies are divided by these
  void set_factors(const std::vector<float>& for_short, const std::vector<float>& for_long);  // LongRoPE's

  // Whether the angles of every position depend on the length of the sequence that it is part of, and which of the
  // encodings a sequence of that length has.
  bool depends_on_length() const { return limit_ > 0; }
  int encoding(std::int64_t length) const { return limit_ > 0 && static_cast<double>(length) > limit_ ? 1 : 0; }

  struct Table {
    Tensor cos, sin;  // f32 [positions, half]
  };
  // `lengths`: of the sequence of each position; may be empty where nothing depends on it.
  Table table(Runtime& rt, std::span<const std::int32_t> positions, std::span<const std::int64_t> lengths = {}) const;

 private:
  std::vector<float> inverse_, inverse_long_;  // the second for sequences above limit_
  double limit_ = 0;
  float magnitude_ = 1.0f;  // multiplies cos and sin
  bool interleaved_ = false;
};

}  // namespace tashika
