#include "nn/mlp.h"

#include <array>
#include <utility>

#include "base/error.h"
#include "ops/elementwise.h"

namespace tashika {

void GatedMlp::parts(Visitor& v) {
  v("gate_proj", gate_proj);
  v("up_proj", up_proj);
  v("down_proj", down_proj);
}

Tensor GatedMlp::operator()(const Tensor& x, const Tensor& residual) const {
  const Linear* const maps[] = {&gate_proj, &up_proj};
  const std::vector<Tensor> both = apply_together(x, maps);
  return down_proj(ops::gated(act, both[0], both[1]), residual);
}

Unary activation(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Unary>, 9> known{{{"silu", Unary::silu},
                                                                            {"swish", Unary::silu},
                                                                            {"gelu", Unary::gelu},
                                                                            {"gelu_new", Unary::gelu_tanh},
                                                                            {"gelu_pytorch_tanh", Unary::gelu_tanh},
                                                                            {"gelu_fast", Unary::gelu_tanh},
                                                                            {"quick_gelu", Unary::gelu_quick},
                                                                            {"relu", Unary::relu},
                                                                            {"tanh", Unary::tanh}}};
  for (const auto& [key, act] : known) {
    if (key == name) return act;
  }
  fail("config: unknown activation function \"", name, "\"");
}

}  // namespace tashika
