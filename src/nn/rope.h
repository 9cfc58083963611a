// Rotary position tables: which angle each pair of a head turns by, and the published ways of
// stretching them (linear, llama3, YaRN).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace tashika {

struct RopeScaling {
  enum class Kind { none, linear, llama3, yarn };
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
};

class Rope {
 public:
  Rope() = default;
  // Turns the first `dim` entries of a head (even). `interleaved`: pairs are neighbours.
  Rope(std::int64_t dim, double theta, const RopeScaling& scaling, bool interleaved);

  bool interleaved() const { return interleaved_; }
  std::int64_t half() const { return static_cast<std::int64_t>(inverse_.size()); }
  void set_frequencies(std::vector<float> divisors);  // GGUF's rope_freqs: inverse frequencies are divided by these

  struct Table {
    Tensor cos, sin;  // f32 [positions, half]
  };
  Table table(Runtime& rt, std::span<const std::int32_t> positions) const;

 private:
  std::vector<float> inverse_;
  float magnitude_ = 1.0f;  // multiplies cos and sin
  bool interleaved_ = false;
};

}  // namespace tashika
