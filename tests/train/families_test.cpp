// Gradients of every family: the derivative of the loss along a random direction of all parameters at once, by central
// differences on the reference backend (double inside), and the same gradients from the fast kernels.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "checkpoint/bind.h"
#include "models/model_def.h"
#include "support/random_weights.h"
#include "support/runtimes.h"
#include "train/loss.h"
#include "train/parameters.h"

namespace tashika {
namespace {

std::vector<const ModelDef*> language_models() {
  std::vector<const ModelDef*> out;
  for (const ModelFile* file : model_files()) {
    for (const ModelDef& def : file->records) {
      if (def.role == Role::language_model) out.push_back(&def);
    }
  }
  return out;
}

struct Tiny {
  std::unique_ptr<Runtime> rt;
  test::RandomWeights weights;
  std::unique_ptr<LanguageModel> model;
  std::vector<Trained> trained;

  Tiny(const ModelDef& def, const std::string& backend, int threads) : rt(test::runtime(backend, threads, ComputeMode::exact)) {
    const Metadata meta{Metadata::Format::hf, "tiny", def.tiny()};
    std::unique_ptr<Module> module = def.build(meta, weights);
    weights.fill(*module, f32, 7);
    bind(*module, Bindings{}, weights, *rt);
    model.reset(static_cast<LanguageModel*>(module.release()));
    trained = train_all(*model, *rt, f32);
  }
};

// Short: the reference backend is slow.
MicroBatch rows_for(std::int64_t vocab) {
  std::mt19937 rng(3);
  const auto ids = [&](std::size_t n) {
    std::vector<std::int32_t> out(n);
    for (auto& id : out) id = static_cast<std::int32_t>(rng() % static_cast<unsigned>(vocab));
    return out;
  };
  MicroBatch batch;
  for (const std::size_t n : {5u, 3u}) {
    TrainingRow row{ids(n), {}};
    row.labels = row.ids;
    batch.rows.push_back(row);
  }
  batch.rows[0].labels[2] = ignored_label;
  return batch;
}

class FamilyGradients : public testing::TestWithParam<const ModelDef*> {};

TEST_P(FamilyGradients, AgreeWithDifferencesAndWithTheFastKernels) {
  Tiny ref(*GetParam(), "ref", 1);
  const MicroBatch batch = rows_for(ref.model->info().vocab);
  const double n = static_cast<double>(batch.targets());
  const double loss = accumulate_gradients(*ref.model, *ref.rt, batch, {.normaliser = n}).cross_entropy / n;
  std::vector<std::vector<float>> gradient, kept;
  double norm = 0;
  for (const Trained& t : ref.trained) {
    gradient.push_back(t.gradient().defined() ? t.gradient().to_host() : std::vector<float>(static_cast<std::size_t>(t.master.numel())));
    kept.push_back(t.master.to_host());
    for (const float g : gradient.back()) norm += static_cast<double>(g) * static_cast<double>(g);
  }
  norm = std::sqrt(norm);
  ASSERT_GT(norm, 1e-3);

  // Along the gradient, with as much noise again: every parameter moves, and the slope is not small.
  std::mt19937 rng(11);
  std::normal_distribution<double> normal(0, 1);
  std::vector<std::vector<double>> direction;
  double slope = 0, length = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    direction.emplace_back();
    const double width = norm / std::sqrt(static_cast<double>(gradient.size()) * static_cast<double>(gradient[i].size()));
    for (const float g : gradient[i]) {
      direction.back().push_back(static_cast<double>(g) + width * normal(rng));
      slope += static_cast<double>(g) * direction.back().back();
      length += direction.back().back() * direction.back().back();
    }
  }
  length = std::sqrt(length);
  const auto loss_at = [&](double along) {
    for (std::size_t i = 0; i < ref.trained.size(); ++i) {
      std::vector<float> moved = kept[i];
      for (std::size_t j = 0; j < moved.size(); ++j) moved[j] = static_cast<float>(static_cast<double>(moved[j]) + along * direction[i][j] / length);
      *ref.trained[i].value = Tensor::from_host(*ref.rt, ref.trained[i].master.shape(), moved);
    }
    return evaluate_loss(*ref.model, *ref.rt, batch, {}).cross_entropy / n;
  };
  // Two steps, extrapolated, so that curvature falls out.
  const auto difference = [&](double h) { return (loss_at(h) - loss_at(-h)) / (2 * h); };
  const double wide = difference(4e-3), narrow = difference(2e-3), numeric = (4 * narrow - wide) / 3;
  EXPECT_NEAR(numeric, slope / length, 2e-3 * std::abs(slope / length) + 1e-4) << "loss " << loss;

  for (const int threads : {1, 2}) {
    Tiny cpu(*GetParam(), "cpu", threads);
    accumulate_gradients(*cpu.model, *cpu.rt, batch, {.normaliser = n});
    for (std::size_t i = 0; i < cpu.trained.size(); ++i) {
      if (!cpu.trained[i].gradient().defined()) continue;
      const std::vector<float> g = cpu.trained[i].gradient().to_host();
      double error = 0;
      for (std::size_t j = 0; j < g.size(); ++j) error += std::pow(static_cast<double>(g[j]) - static_cast<double>(gradient[i][j]), 2);
      EXPECT_LE(std::sqrt(error), 3e-5 * norm) << cpu.trained[i].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, FamilyGradients, testing::ValuesIn(language_models()), [](const auto& p) {
  std::string name(p.param->name);
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return cat(name, "_", p.index);
});

}  // namespace
}  // namespace tashika
