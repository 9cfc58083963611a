#include "train/parameters.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "ops/elementwise.h"
#include "ops/training.h"

namespace tashika {
namespace {

// FNV-1a: a stream of draws of its own for each name.
std::uint32_t name_stream(std::string_view name) {
  std::uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

// Box & Muller 1958, two values from one block of random bits.
std::vector<float> normal_values(std::int64_t count, double deviation, std::uint64_t seed, const std::string& name) {
  std::vector<float> out(static_cast<std::size_t>(count));
  const std::uint32_t stream = name_stream(name);
  for (std::size_t i = 0; i < out.size(); i += 2) {
    const Philox bits = draw(seed, Draw::weights, stream, i / 2);
    const double u = (static_cast<double>(std::uint64_t{bits[0]} << 20 | bits[1] >> 12) + 1) * 0x1p-52;
    const double angle = 2 * std::numbers::pi * static_cast<double>(std::uint64_t{bits[2]} << 20 | bits[3] >> 12) * 0x1p-52;
    const double radius = deviation * std::sqrt(-2 * std::log(u));
    out[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < out.size()) out[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return out;
}

}  // namespace

std::vector<float> uniform_values(std::int64_t count, double bound, std::uint64_t seed, const std::string& name) {
  std::vector<float> out(static_cast<std::size_t>(count));
  const std::uint32_t stream = name_stream(name);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<float>(bound * (2 * draw_uniform(seed, Draw::weights, stream, i) - 1));
  }
  return out;
}

void Trained::refresh() {
  if (compute == f32) return;  // the model reads the master
  Tensor next = ops::cast(master, compute);
  next.set_grad_node(value->grad_node());
  *value = next;
}

Trained make_trained(std::string name, Tensor& value, Runtime& rt, DType compute) {
  const bool matrix = value.rank() >= 2;
  Trained t;
  t.name = std::move(name);
  t.value = &value;
  t.compute = matrix ? compute : DType(f32);
  t.decays = matrix;
  t.m = Tensor::zeros(rt, value.shape(), f32);
  t.v = Tensor::zeros(rt, value.shape(), f32);
  // A copy of our own: what is bound may be a view of a mapped file.
  const bool would_share = value.dtype() == f32 && value.is_contiguous();
  t.master = would_share ? ops::affine(value.detach(), 1.0f, 0.0f) : ops::cast(value.detach(), f32);
  value = t.compute == f32 ? t.master : ops::cast(t.master, t.compute);
  require_grad(value);
  return t;
}

std::vector<Trained> train_all(Module& module, Runtime& rt, DType compute) {
  std::vector<Trained> out;
  for_each_param(module, [&](const std::string& name, Param& p) {
    if (p.value.defined() && name != "rope_freqs") out.push_back(make_trained(name, p.value, rt, compute));
  });
  if (out.empty()) fail("this model has no parameters to train");
  return out;
}

void initialise(Module& module, Runtime& rt, double range, std::uint64_t seed, bool (*biased)(const Json&, const std::string&), const Json& config) {
  for_each_param(module, [&](const std::string& name, Param& p) {
    if (p.optional && !biased(config, name)) return;
    if (p.shape.rank() >= 2) {
      p.value = Tensor::from_host(rt, p.shape, normal_values(p.shape.numel(), range, seed, name));
    } else {
      p.value = Tensor::full(rt, p.shape, name.ends_with("bias") ? 0.0f : 1.0f);
    }
  });
}

WithoutTape::WithoutTape(const std::vector<Trained>& trained) : trained_(trained) {
  for (const Trained& t : trained) {
    values_.push_back(*t.value);
    *t.value = t.value->detach();
  }
}

WithoutTape::~WithoutTape() {
  for (std::size_t i = 0; i < values_.size(); ++i) *trained_[i].value = values_[i];
}

double squared_gradient_norm(const std::vector<Trained>& trained) {
  double total = 0;
  for (const Trained& t : trained) {
    if (t.gradient().defined()) total += ops::sum_squares(t.gradient());
  }
  return total;
}

std::string not_finite(const std::vector<Trained>& trained) {
  for (const Trained& t : trained) {
    if (t.gradient().defined() && !std::isfinite(ops::sum_squares(t.gradient()))) return t.name;
  }
  return {};
}

}  // namespace tashika
