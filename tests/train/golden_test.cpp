// Loss, gradient norm and parameters after several optimiser steps, beside PyTorch's: tests/data/train, written by
// tools/fixtures/train_golden.py.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "io/safetensors.h"
#include "support/runtimes.h"
#include "train/trainer.h"

namespace tashika {
namespace {
namespace fs = std::filesystem;

class TrainGolden : public testing::TestWithParam<std::string> {};

TEST_P(TrainGolden, MatchesPyTorch) {
  const std::string folder = join_path(TASHIKA_TEST_DATA "/train", GetParam());
  const Json values = parse_json(read_file(join_path(folder, "case.json"), 1 << 20), "case.json");
  const std::string out = join_path(testing::TempDir(), cat("train_", GetParam()));
  fs::remove_all(out);
  Json recipe;
  Json model, data, output;
  model.set("init", join_path(folder, "model"));
  data.set("train", join_path(folder, "rows.jsonl"));
  output.set("dir", out);
  recipe.set("model", model);
  recipe.set("data", data);
  recipe.set("train", values["train"]);
  recipe.set("output", output);
  const auto rt = test::runtime("cpu", 2, ComputeMode::exact);
  std::vector<StepRecord> steps;
  train(read_recipe(recipe, "recipe"), *rt, [&](const StepRecord& r) { steps.push_back(r); });

  const JsonArray& expected = values["metrics"].as_array();
  ASSERT_EQ(steps.size(), expected.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    EXPECT_NEAR(steps[i].loss, expected[i]["loss"].as_double(), 4e-6) << "step " << i + 1;
    EXPECT_NEAR(steps[i].grad_norm, expected[i]["grad_norm"].as_double(), 1e-5 * steps[i].grad_norm) << "step " << i + 1;
    EXPECT_EQ(steps[i].lr, expected[i]["lr"].as_double());
    EXPECT_EQ(steps[i].tokens, expected[i]["tokens"].as_integer());
  }
  const auto ours = Safetensors::open(join_path(out, "model.safetensors")), theirs = Safetensors::open(join_path(folder, "final.safetensors"));
  ASSERT_EQ(ours->list().size(), theirs->list().size());
  for (const WeightInfo& info : theirs->list()) {
    ASSERT_NE(ours->find(info.name), nullptr) << info.name;
    const std::vector<float> a = ours->load(info.name, *rt).to_host(), b = theirs->load(info.name, *rt).to_host();
    ASSERT_EQ(a.size(), b.size()) << info.name;
    // Adam divides by the root of a mean square: an element whose gradient is near eps feels every rounding.
    double worst = 0;
    for (std::size_t j = 0; j < a.size(); ++j) worst = std::max(worst, std::abs(static_cast<double>(a[j]) - static_cast<double>(b[j])));
    EXPECT_LT(worst, 2e-5) << info.name;
  }
  // One line a step, and its numbers are those that were computed.
  const std::string metrics = read_file(join_path(out, "metrics.jsonl"), 1 << 20);
  std::size_t at = 0;
  for (const StepRecord& step : steps) {
    const std::size_t end = metrics.find('\n', at);
    ASSERT_NE(end, std::string::npos);
    const Json line = parse_json(metrics.substr(at, end - at), "metrics");
    EXPECT_EQ(line["step"].as_integer(), step.step);
    EXPECT_EQ(line["loss"].as_double(), step.loss);
    EXPECT_EQ(line["grad_norm"].as_double(), step.grad_norm);
    at = end + 1;
  }
  EXPECT_EQ(at, metrics.size());
}

std::vector<std::string> case_names() {
  std::vector<std::string> out;
  for (const std::string& name : list_directory(TASHIKA_TEST_DATA "/train")) out.push_back(name);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Cases, TrainGolden, testing::ValuesIn(case_names()), [](const auto& p) { return p.param; });

TEST(TrainGoldenCases, AreThere) { EXPECT_GE(case_names().size(), 5u); }

}  // namespace
}  // namespace tashika
