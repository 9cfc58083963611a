// Feed-forward blocks: gated MLPs and mixtures of them.
#pragma once

#include "nn/linear.h"

namespace tashika {

// down(act(gate x) ∘ up x) + residual (Shazeer 2020).
struct GatedMlp : Module {
  Linear gate_proj, up_proj, down_proj;
  Unary act = Unary::silu;

  GatedMlp() = default;
  GatedMlp(std::int64_t hidden, std::int64_t inner, Unary activation)
      : gate_proj(inner, hidden), up_proj(inner, hidden), down_proj(hidden, inner), act(activation) {}
  void parts(Visitor& v) override;
  Tensor operator()(const Tensor& x, const Tensor& residual) const;
};

// The activation a config names; Error for an unknown one.
Unary activation(std::string_view name);

}  // namespace tashika
