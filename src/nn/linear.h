// Linear maps, embeddings and norms as modules.
#pragma once

#include <memory>
#include <span>

#include "nn/module.h"
#include "ops/matmul.h"
#include "ops/norm.h"

namespace tashika {

// A low-rank addition to a Linear: scale · (x A^T) B^T (Hu et al. 2021).
struct Adapter {
  Tensor a;  // [rank, in]
  Tensor b;  // [out, rank]
  float scale = 1.0f;
};

struct Linear : Module {
  Param weight;  // [out, in]
  Param bias;    // [out]; follows the file
  std::shared_ptr<Adapter> adapter;

  Linear() = default;
  Linear(std::int64_t out, std::int64_t in) : weight({out, in}), bias({out}, true) {}
  void parts(Visitor& v) override;

  // x W^T + bias (+ adapter) (+ addend).
  Tensor operator()(const Tensor& x, const Tensor& addend = {}) const;
};

// Several Linears of one input: the activations are prepared once.
std::vector<Tensor> apply_together(const Tensor& x, std::span<const Linear* const> maps);

struct Embedding : Module {
  Param weight;  // [n, width]
  Embedding() = default;
  Embedding(std::int64_t n, std::int64_t width) : weight({n, width}) {}
  void parts(Visitor& v) override { v("weight", weight); }
  Tensor operator()(const Tensor& ids) const;
};

struct RmsNorm : Module {
  Param weight;
  float eps = 1e-6f;
  RmsNorm() = default;
  RmsNorm(std::int64_t n, float epsilon) : weight({n}), eps(epsilon) {}
  void parts(Visitor& v) override { v("weight", weight); }
  Tensor operator()(const Tensor& x) const { return ops::rms_norm(x, weight, eps); }
};

struct LayerNorm : Module {
  Param weight, bias;
  float eps = 1e-5f;
  LayerNorm() = default;
  LayerNorm(std::int64_t n, float epsilon) : weight({n}), bias({n}, true), eps(epsilon) {}
  void parts(Visitor& v) override {
    v("weight", weight);
    v("bias", bias);
  }
  Tensor operator()(const Tensor& x) const { return ops::layer_norm(x, weight, bias, eps); }
};

}  // namespace tashika
