// Latent attention on the golden checkpoints: the absorbed form (with a state) beside the expanded one (without), for
// every form that files have, with adapters and with weights that change; and what the cache holds.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "checkpoint/checkpoint.h"
#include "nn/linear.h"
#include "ops/elementwise.h"
#include "support/runtimes.h"
#include "tensor/tape.h"

namespace tashika {
namespace {

struct File {
  const char* path;
  std::int64_t row;  // kv_lora_rank + qk_rope_head_dim
};

class LatentForms : public testing::TestWithParam<File> {
 protected:
  std::unique_ptr<LanguageModel> open(Runtime& runtime) const {
    return load_language_model(open_checkpoint(std::string(TASHIKA_TEST_DATA) + "/golden/" + GetParam().path), runtime);
  }
  std::vector<float> run(SequenceState* state) const {
    std::vector<std::int32_t> ids;
    for (std::int32_t i = 0; i < 70; ++i) ids.push_back(i * 17 % 37);
    const Slice slice{state, ids, 70};
    return model->forward(*rt, {&slice, 1}).to_host();
  }
  // Largest distance of the two forms, in spreads.
  double distance() const {
    const auto state = model->new_state(*rt);
    const auto absorbed = run(state.get()), expanded = run(nullptr);
    double squares = 0, worst = 0;
    for (std::size_t i = 0; i < absorbed.size(); ++i) {
      squares += static_cast<double>(expanded[i]) * static_cast<double>(expanded[i]);
      worst = std::max(worst, std::abs(static_cast<double>(absorbed[i]) - static_cast<double>(expanded[i])));
    }
    return worst / std::sqrt(squares / static_cast<double>(absorbed.size()));
  }

  std::unique_ptr<Runtime> rt = test::runtime("cpu", 1, ComputeMode::exact);
  std::unique_ptr<LanguageModel> model = open(*rt);
};

Tensor noise(Runtime& rt, const Shape& shape, unsigned seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0, 0.5f);
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  for (float& v : values) v = normal(rng);
  return Tensor::from_host(rt, shape, values);
}

// The up-projections of all layers.
std::vector<Linear*> up_projections(Module& root) {
  struct Find : Visitor {
    std::vector<Linear*> found;
    void param(const std::string&, Param&) override {}
    void enter(const std::string& name, Module& module) override {
      if (name.ends_with("kv_b_proj")) found.push_back(dynamic_cast<Linear*>(&module));
    }
  };
  Find find;
  root.parts(find);
  return find.found;
}

TEST_P(LatentForms, AgreeWithinRounding) {
  EXPECT_LT(distance(), 3e-5);
}

TEST_P(LatentForms, AgreeWithAdapters) {
  const auto before = run(nullptr);
  for (Linear* up : up_projections(*model)) {
    Adapter adapter{noise(*rt, {3, up->weight.shape[1]}, 1), noise(*rt, {up->weight.shape[0], 3}, 2), 0.7f};
    up->adapter = std::make_shared<Adapter>(adapter);
  }
  EXPECT_LT(distance(), 3e-5);
  EXPECT_EQ(run(nullptr) == before, up_projections(*model).empty());
}

TEST_P(LatentForms, FollowWeightsThatChange) {
  const auto ups = up_projections(*model);
  for (Linear* up : ups) up->weight.value = noise(*rt, up->weight.shape, 3);
  tell_bound(*model);
  EXPECT_LT(distance(), 3e-5);
  // A parameter in training needs no telling.
  for (Linear* up : ups) {
    up->weight.value = noise(*rt, up->weight.shape, 4);
    require_grad(up->weight.value);
  }
  EXPECT_LT(distance(), 3e-5);
}

TEST_P(LatentForms, TheCacheHoldsTheLatentRowsAlone) {
  for (const ComputeMode mode : {ComputeMode::exact, ComputeMode::fast}) {
    const auto runtime = test::runtime("cpu", 1, mode);
    const auto other = open(*runtime);
    const auto state = other->new_state(*runtime);
    std::vector<std::int32_t> ids(70, 1);
    const Slice slice{state.get(), ids, 1};
    other->forward(*runtime, {&slice, 1});
    const std::int64_t width = mode == ComputeMode::exact ? 4 : 2;
    EXPECT_EQ(state->bytes(), other->info().layers * 2 * page_positions * GetParam().row * width);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, LatentForms,
                         testing::Values(File{"folders/deepseek2_lite_old", 24}, File{"folders/deepseek3", 24},
                                         File{"gguf/deepseek2_f16.gguf", 40}, File{"gguf/deepseek2_unsplit.gguf", 40}),
                         [](const auto& p) { return std::string("file") + std::to_string(p.index); });

}  // namespace
}  // namespace tashika
