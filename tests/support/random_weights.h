// A WeightSource of seeded random tensors for a module tree, made where a test needs no file. Every
// tensor is random: norms around one, everything else around zero.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "models/model_def.h"
#include "nn/module.h"
#include "tensor/weights.h"

namespace tashika::test {

class RandomWeights final : public WeightSource {
 public:
  // Before `fill` it only claims to have many tensors, which lets a module be built.
  RandomWeights() { list_.resize(1 << 16, WeightInfo{"", f32, {}}); }

  void fill(Module& module, DType dtype, unsigned seed) {
    list_.clear();
    std::mt19937 rng(seed);
    for_each_param(module, [&](const std::string& name, Param& p) {
      if (p.optional) return;
      const bool norm = p.shape.rank() == 1 && name.find("norm") != std::string::npos;
      const double width = norm ? 0.2 : 0.9 / std::sqrt(static_cast<double>(p.shape[-1]));
      std::normal_distribution<float> normal(norm ? 1.0f : 0.0f, static_cast<float>(width));
      std::vector<float> values(static_cast<std::size_t>(p.shape.numel()));
      for (float& v : values) v = normal(rng);
      const DType type = p.shape.rank() >= 2 && p.shape[-1] % dtype->block == 0 ? dtype : DType(f32);
      auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(type.row_bytes(p.shape.numel())));
      type->encode(values.data(), bytes->data(), p.shape.numel());
      list_.push_back({name, type, p.shape});
      data_.push_back(std::move(bytes));
    });
  }

  const std::vector<WeightInfo>& list() const override { return list_; }
  const WeightInfo* find(std::string_view name) const override {
    for (const WeightInfo& info : list_) {
      if (info.name == name) return &info;
    }
    return nullptr;
  }
  Tensor load(std::string_view name, Runtime& rt) const override {
    const auto i = static_cast<std::size_t>(find(name) - list_.data());
    return Tensor::map(rt, list_[i].shape, list_[i].dtype, *data_[i], data_[i]);
  }
  std::string origin() const override { return "random weights"; }

 private:
  std::vector<WeightInfo> list_;
  std::vector<std::shared_ptr<std::vector<std::byte>>> data_;
};

}  // namespace tashika::test
