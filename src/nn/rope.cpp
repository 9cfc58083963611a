#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace tashika {
namespace {

// The exponent is rounded to f32 as the reference implementation does before it raises to it.
double base_frequency(std::int64_t i, std::int64_t dim, double theta) {
  const float exponent = static_cast<float>(2 * i) / static_cast<float>(dim);
  return static_cast<float>(1.0 / std::pow(theta, static_cast<double>(exponent)));
}

double llama3(double inverse, const RopeScaling& s) {
  const double wavelength = 2.0 * std::numbers::pi / inverse;
  const double low = s.original_context / s.low_freq_factor, high = s.original_context / s.high_freq_factor;
  if (wavelength < high) return inverse;
  if (wavelength > low) return inverse / s.factor;
  const double smooth = (s.original_context / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  return (1.0 - smooth) * inverse / s.factor + smooth * inverse;
}

// Dimension whose wavelength turns `rotations` times over the original context.
double correction_dim(double rotations, std::int64_t dim, double theta, double context) {
  return static_cast<double>(dim) * std::log(context / (rotations * 2.0 * std::numbers::pi)) / (2.0 * std::log(theta));
}

double yarn_mscale(double factor, double mscale) { return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

}  // namespace

Rope::Rope(std::int64_t dim, double theta, const RopeScaling& s, bool interleaved) : interleaved_(interleaved) {
  if (dim < 0 || dim % 2 != 0 || dim > 65536) fail("rotary dimension ", dim, " must be even and reasonable");
  if (!(theta > 0) || !std::isfinite(theta)) fail("rope_theta must be positive, is ", theta);
  const std::int64_t half = dim / 2;
  double low = 0, high = 0;
  if (s.kind == RopeScaling::Kind::yarn) {
    low = correction_dim(s.beta_fast, dim, theta, s.original_context);
    high = correction_dim(s.beta_slow, dim, theta, s.original_context);
    if (s.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, static_cast<double>(dim - 1));
    if (low == high) high += 0.001;
    if (s.attention_factor > 0) {
      magnitude_ = static_cast<float>(s.attention_factor);
    } else if (s.mscale != 0 && s.mscale_all_dim != 0) {
      magnitude_ = static_cast<float>(yarn_mscale(s.factor, s.mscale) / yarn_mscale(s.factor, s.mscale_all_dim));
    } else {
      magnitude_ = static_cast<float>(yarn_mscale(s.factor, 1.0));
    }
  }
  for (std::int64_t i = 0; i < half; ++i) {
    double inverse = base_frequency(i, dim, theta);
    switch (s.kind) {
      case RopeScaling::Kind::none: break;
      case RopeScaling::Kind::linear: inverse /= s.factor; break;
      case RopeScaling::Kind::longrope: break;  // set_factors
      case RopeScaling::Kind::llama3: inverse = llama3(inverse, s); break;
      case RopeScaling::Kind::yarn: {
        const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
        inverse = inverse / s.factor * ramp + inverse * (1.0 - ramp);
        break;
      }
    }
    inverse_.push_back(static_cast<float>(inverse));
  }
  if (s.kind != RopeScaling::Kind::longrope) return;
  limit_ = s.original_context;
  magnitude_ = static_cast<float>(s.attention_factor > 0 ? s.attention_factor
                                  : s.factor <= 1.0      ? 1.0
                                                         : std::sqrt(1.0 + std::log(s.factor) / std::log(s.original_context)));
  inverse_long_ = inverse_;
  if (!s.short_factor.empty()) set_factors({s.short_factor.begin(), s.short_factor.end()}, {s.long_factor.begin(), s.long_factor.end()});
}

void Rope::set_factors(const std::vector<float>& for_short, const std::vector<float>& for_long) {
  if (for_short.size() != inverse_.size() || for_long.size() != inverse_.size()) {
    fail("LongRoPE has ", for_short.size(), " short and ", for_long.size(), " long factors, expected ", inverse_.size());
  }
  for (std::size_t i = 0; i < inverse_.size(); ++i) {
    inverse_[i] /= for_short[i];
    inverse_long_[i] /= for_long[i];
  }
}

void Rope::set_frequencies(std::vector<float> divisors) {
  if (divisors.size() != inverse_.size()) fail("rope_freqs has ", divisors.size(), " entries, expected ", inverse_.size());
  for (std::size_t i = 0; i < inverse_.size(); ++i) inverse_[i] /= divisors[i];
}

Rope::Table Rope::table(Runtime& rt, std::span<const std::int32_t> positions, std::span<const std::int64_t> lengths) const {
  const Shape shape{static_cast<std::int64_t>(positions.size()), half()};
  std::vector<float> cos, sin;
  cos.reserve(static_cast<std::size_t>(shape.numel()));
  sin.reserve(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const std::vector<float>& frequencies = !lengths.empty() && encoding(lengths[i]) == 1 ? inverse_long_ : inverse_;
    for (const float inverse : frequencies) {
      const float angle = inverse * static_cast<float>(positions[i]);  // rounded to f32 as the reference does
      cos.push_back(static_cast<float>(std::cos(static_cast<double>(angle))) * magnitude_);
      sin.push_back(static_cast<float>(std::sin(static_cast<double>(angle))) * magnitude_);
    }
  }
  return {Tensor::from_host(rt, shape, cos), Tensor::from_host(rt, shape, sin)};
}

}  // namespace tashika
