// The trainer's promises: one loss whatever the split, resuming bit for bit, adapters, recipes that are checked.
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "io/safetensors.h"
#include "ops/training.h"
#include "support/runtimes.h"
#include "train/accumulation.h"
#include "train/yaml.h"

namespace tashika {
namespace {
namespace fs = std::filesystem;

const std::string data_folder = TASHIKA_TEST_DATA "/train";

std::string fresh_folder(const std::string& name) {
  const std::string out = join_path(testing::TempDir(), "trainer_" + name);
  fs::remove_all(out);
  return out;
}

// `train`: more keys of that part, as YAML.
Json recipe_values(const std::string& model, const std::string& out, const std::string& train) {
  Json values = parse_yaml(cat("model: {init: ", join_path(data_folder, model + "/model"), "}\n",
                               "data: {train: ", join_path(data_folder, model + "/rows.jsonl"), ", seq_len: 64}\n",
                               "train: {steps: 4, lr: 3e-3, batch_size: 2, grad_accum: 2, shuffle: true, weight_decay: 0.1}\n",
                               "output: {dir: ", out, "}\n"),
                           "recipe");
  const Json more = parse_yaml("{" + train + "}", "recipe");
  for (const auto& [key, value] : more.as_object().entries()) values.as_object()["train"].set(key, value);
  return values;
}

std::unique_ptr<Runtime> exact_runtime(int threads = 2) { return test::runtime("cpu", threads, ComputeMode::exact); }

std::vector<std::vector<float>> masters(Trainer& trainer) {
  std::vector<std::vector<float>> out;
  for (const Trained& t : trainer.trained()) out.push_back(t.master.to_host());
  return out;
}

TEST(Accumulation, NoSplitChangesLossOrGradients) {
  for (const char* model : {"llama", "mistral_window", "mixtral_router_loss"}) {
    for (const char* more : {"", ", recompute: true"}) {
      if (std::string(model) == "mixtral_router_loss" && *more) continue;
      const auto rt = exact_runtime();
      Json values = recipe_values(model, fresh_folder("accumulation"), cat("batch_size: 5, grad_accum: 2", more));
      Trainer trainer(read_recipe(values, "recipe"), *rt, [](std::string_view) {});
      const AccumulationReport report = verify_accumulation(trainer);
      EXPECT_EQ(report.splits.size(), 4u);
      EXPECT_TRUE(report.holds) << model;
      for (const SplitResult& s : report.splits) {
        EXPECT_LE(s.loss_difference, 1e-6) << model << " " << s.split;
        EXPECT_LE(s.gradient_difference, 1e-5) << model << " " << s.split;
      }
    }
  }
}

// The control: averaging the means of the micro-batches gives another loss on ragged rows.
TEST(Accumulation, AMeanOfMeansDiffers) {
  const auto rt = exact_runtime();
  Trainer trainer(read_recipe(recipe_values("llama", fresh_folder("naive"), "batch_size: 1, grad_accum: 8"), "recipe"), *rt, [](std::string_view) {});
  const std::vector<MicroBatch> batches = trainer.next_batches();
  const double right = trainer.gradients(batches).loss;
  double naive = 0, counted = 0;
  for (const MicroBatch& batch : batches) {
    if (batch.targets() == 0) continue;
    naive += trainer.gradients({&batch, 1}).loss;
    counted += 1;
  }
  EXPECT_GT(std::abs(naive / counted - right), 1e-3);
}

TEST(Accumulation, PackingShowsNoRowAnother) {
  const auto rt = exact_runtime();
  Json values = recipe_values("llama", fresh_folder("packing"), "batch_size: 1, grad_accum: 1, shuffle: false");
  values.as_object()["data"].set("packing", true);
  Trainer packed(read_recipe(values, "recipe"), *rt, [](std::string_view) {});
  const std::vector<MicroBatch> pack = packed.next_batches();
  ASSERT_EQ(pack.size(), 1u);
  ASSERT_GT(pack[0].rows.size(), 2u);
  EXPECT_LE(pack[0].tokens(), 64);
  const double together = packed.gradients(pack).loss;
  double apart = 0;
  for (const TrainingRow& row : pack[0].rows) {
    const MicroBatch one{{row}};
    apart += packed.gradients({&one, 1}).loss * static_cast<double>(one.targets());
  }
  EXPECT_NEAR(together, apart / static_cast<double>(pack[0].targets()), 1e-6);
}

TEST(Accumulation, AStepWithoutTargetsChangesNothing) {
  const auto rt = exact_runtime();
  Trainer trainer(read_recipe(recipe_values("llama", fresh_folder("masked"), ""), "recipe"), *rt, [](std::string_view) {});
  MicroBatch masked{{{{1, 2, 3}, {-100, -100, -100}}}};
  const Trainer::Evaluated e = trainer.gradients({&masked, 1});
  EXPECT_EQ(e.loss, 0.0);
  EXPECT_EQ(squared_gradient_norm(trainer.trained()), 0.0);
}

TEST(Resume, GoesOnBitForBitAndPassesOverWhatIsTorn) {
  for (const char* more : {"", ", ema: 0.9, schedule: cosine, warmup_steps: 2"}) {
    const std::string whole_out = fresh_folder("whole"), out = fresh_folder("resumed");
    std::vector<StepRecord> whole_steps, steps;
    std::vector<std::vector<float>> expected;
    {
      const auto rt = exact_runtime();
      Trainer trainer(read_recipe(recipe_values("llama", whole_out, cat("steps: 7", more)), "recipe"), *rt, [](std::string_view) {});
      trainer.run([&](const StepRecord& r) { whole_steps.push_back(r); });
      expected = masters(trainer);
    }
    Json values = recipe_values("llama", out, cat("steps: 7", more));
    values.as_object()["output"].set("save_every", 2);
    values.as_object()["output"].set("keep", 3);
    {
      // Killed in step 5: what is on the disk is all that is left.
      const auto rt = exact_runtime();
      Trainer trainer(read_recipe(values, "recipe"), *rt, [](std::string_view) {});
      struct Killed {};
      EXPECT_THROW(trainer.run([&](const StepRecord& r) {
        steps.push_back(r);
        if (r.step == 5) throw Killed();
      }),
                   Killed);
    }
    // The newest checkpoint is torn; one more was never finished.
    const std::string state = join_path(out, "checkpoints/step-000000004/state.safetensors");
    const std::string bytes = read_file(state, 1 << 24);
    { std::ofstream(state, std::ios::binary) << bytes.substr(0, bytes.size() - 9); }
    make_directories(join_path(out, "checkpoints/step-000000006"));
    const auto rt = exact_runtime(1);  // the number of threads changes nothing either
    std::vector<std::string> said;
    Trainer trainer(read_recipe(values, "recipe"), *rt, [&](std::string_view text) { said.emplace_back(text); });
    ASSERT_TRUE(trainer.resume());
    EXPECT_EQ(trainer.progress().step, 2);
    EXPECT_EQ(said.size(), 2u);
    steps.resize(2);
    trainer.run([&](const StepRecord& r) { steps.push_back(r); });
    EXPECT_EQ(masters(trainer), expected);
    ASSERT_EQ(steps.size(), whole_steps.size());
    for (std::size_t i = 0; i < steps.size(); ++i) {
      EXPECT_EQ(steps[i].loss, whole_steps[i].loss) << i;
      EXPECT_EQ(steps[i].grad_norm, whole_steps[i].grad_norm) << i;
    }
    // Metrics hold every step once.
    std::int64_t lines = 0;
    for (const char c : read_file(join_path(out, "metrics.jsonl"), 1 << 20)) lines += c == '\n';
    EXPECT_EQ(lines, 7);
    EXPECT_EQ(file_type(join_path(out, "report.html")), FileType::regular);
  }
}

std::vector<float> logits_of(const std::string& folder, const std::string& ids_from) {
  const auto rt = exact_runtime();
  const auto model = load_language_model(open_checkpoint(folder), *rt);
  std::vector<std::int32_t> ids;
  for (const char c : ids_from) ids.push_back(c % 61);
  const Slice slice{nullptr, ids, static_cast<std::int64_t>(ids.size())};
  return model->forward(*rt, {&slice, 1}).to_host();
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = a.size() == b.size() ? 0 : 1e9;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return worst;
}

TEST(Adapters, TrainSaveLoadAndMerge) {
  for (const char* quantize : {"", "q8_0"}) {
    const std::string out = fresh_folder("lora");
    Json values = recipe_values("llama", out, "lr: 2e-2, steps: 6, shuffle: false, batch_size: 5");
    Json lora;
    lora.set("rank", 3);
    lora.set("alpha", 6);
    lora.set("merge", true);
    values.set("lora", lora);
    if (*quantize) values.as_object()["model"].set("quantize", quantize);
    std::vector<double> losses;
    std::vector<std::vector<float>> trained;
    {
      const auto rt = exact_runtime();
      Trainer trainer(read_recipe(values, "recipe"), *rt, [](std::string_view) {});
      EXPECT_EQ(trainer.trained().size(), 16u);
      trained = masters(trainer);
      trainer.run([&](const StepRecord& r) { losses.push_back(r.loss); });
      EXPECT_NE(masters(trainer), trained);
      trained = masters(trainer);
    }
    EXPECT_LT(losses.back(), losses.front());
    const auto adapter = Safetensors::open(join_path(out, "adapter_model.safetensors"));
    ASSERT_NE(adapter->find("base_model.model.model.layers.1.self_attn.k_proj.lora_B.weight"), nullptr);
    // The adapters come back from their files as they were.
    Json again = values;
    again.as_object()["model"].set("init", join_path(data_folder, "llama/model"));
    Json from;
    from.set("init", out);
    again.set("lora", from);
    again.as_object()["output"].set("dir", fresh_folder("lora_again"));
    const auto rt = exact_runtime();
    Trainer trainer(read_recipe(again, "recipe"), *rt, [](std::string_view) {});
    EXPECT_EQ(masters(trainer), trained);
    // Merged weights say what base and adapters say together.
    const std::vector<float> merged = logits_of(out, "merged model"), base = logits_of(join_path(data_folder, "llama/model"), "merged model");
    EXPECT_GT(distance(merged, base), 1e-2);
  }
}

TEST(Training, Bf16FollowsF32) {
  std::vector<double> losses[2];
  for (int i = 0; i < 2; ++i) {
    const auto rt = test::runtime("cpu", 2, i == 0 ? ComputeMode::exact : ComputeMode::fast);
    Trainer trainer(read_recipe(recipe_values("llama", fresh_folder("bf16"), i == 0 ? "" : "dtype: bf16"), "recipe"), *rt, [](std::string_view) {});
    trainer.run([&](const StepRecord& r) { losses[i].push_back(r.loss); });
    // Masters stay f32, and so is what is written.
    EXPECT_EQ(Safetensors::open(join_path(testing::TempDir(), "trainer_bf16/model.safetensors"))->list()[0].dtype, DType(f32));
  }
  for (std::size_t i = 0; i < losses[0].size(); ++i) EXPECT_NEAR(losses[0][i], losses[1][i], 0.03) << i;
  EXPECT_NE(losses[0], losses[1]);
}

TEST(Training, ANaNStopsOrSkips) {
  for (const bool skip : {false, true}) {
    const auto rt = exact_runtime();
    Trainer trainer(read_recipe(recipe_values("llama", fresh_folder("nan"), skip ? "on_nan: skip" : ""), "recipe"), *rt, [](std::string_view) {});
    Trained& broken = trainer.trained()[3];
    std::vector<float> values(static_cast<std::size_t>(broken.master.numel()), NAN);
    Tensor nan = Tensor::from_host(*rt, broken.master.shape(), values);
    ops::accumulate(broken.master, nan);
    std::vector<StepRecord> steps;
    if (skip) {
      trainer.run([&](const StepRecord& r) { steps.push_back(r); });
      ASSERT_EQ(steps.size(), 4u);
      EXPECT_NE(steps[0].skipped, "");
    } else {
      try {
        trainer.run([&](const StepRecord& r) { steps.push_back(r); });
        FAIL();
      } catch (const Error& error) {
        EXPECT_NE(error.message().find("not finite"), std::string::npos);
        EXPECT_NE(error.message().find("gradient of "), std::string::npos);
      }
    }
  }
}

TEST(Training, FreshModelsDependOnTheSeedAlone) {
  std::vector<std::vector<float>> drawn;
  for (const int seed : {1, 1, 2}) {
    const auto rt = exact_runtime();
    Json values = recipe_values("llama", fresh_folder("seed"), "");
    Json model;
    model.set("config", join_path(data_folder, "llama/model/config.json"));
    model.set("seed", seed);
    values.set("model", model);
    Trainer trainer(read_recipe(values, "recipe"), *rt, [](std::string_view) {});
    drawn.push_back(trainer.trained()[0].master.to_host());
  }
  EXPECT_EQ(drawn[0], drawn[1]);
  EXPECT_NE(drawn[0], drawn[2]);
  double squares = 0;
  for (const float x : drawn[0]) squares += static_cast<double>(x) * static_cast<double>(x);
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(drawn[0].size())), 0.02, 0.002);
}

TEST(Recipes, AreChecked) {
  const auto message = [](const std::string& text) {
    try {
      read_recipe(parse_yaml(text, "r.yaml"), "r.yaml");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.message();
    }
    return std::string("none");
  };
  const std::string good = "model: {init: m}\ndata: {train: d}\noutput: {dir: o}\n";
  EXPECT_EQ(message(good + "train: {steps: 3, lr: 1e-3}"), "none");
  EXPECT_NE(message(good + "train: {steps: 3, lr: 1e-3, weigth_decay: 0.1}").find("did you mean train.weight_decay?"), std::string::npos);
  EXPECT_NE(message(good + "train: {steps: 3, lr: 1e-3, betas: [0.9, 1.5]}").find("train.betas"), std::string::npos);
  EXPECT_NE(message(good + "train: {steps: x, lr: 1e-3}").find("train.steps: expected a whole number"), std::string::npos);
  EXPECT_NE(message("data: {train: d}\noutput: {dir: o}\ntrain: {steps: 3, lr: 1}").find("give init"), std::string::npos);
  EXPECT_NE(message(good + "train: {lr: 1}").find("train.steps: is missing"), std::string::npos);
}

TEST(Recipes, YamlIsTheCoreSchema) {
  const Json v = parse_yaml("a: 1e-3\nb: 'x'\nc: 012\nd: yes\ne: ~\nf: .5\ng: \"12\"\nh: [1, -2, 0x1f]\ni: true\nj: 1.\n", "y");
  EXPECT_EQ(v["a"], Json(1e-3));
  EXPECT_EQ(v["b"], Json("x"));
  EXPECT_EQ(v["c"], Json(12));
  EXPECT_EQ(v["d"], Json("yes"));
  EXPECT_TRUE(v["e"].is_null());
  EXPECT_EQ(v["f"], Json(0.5));
  EXPECT_EQ(v["g"], Json("12"));
  EXPECT_EQ(v["h"].as_array()[2], Json(31));
  EXPECT_EQ(v["i"], Json(true));
  EXPECT_EQ(v["j"], Json(1.0));
  EXPECT_THROW(parse_yaml("a: 1\na: 2", "y"), Error);
  EXPECT_THROW(parse_yaml("a: [1", "y"), Error);
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += cat("a", i, ": &a", i, " [");
    for (int j = 0; j < 10; ++j) bomb += cat(j ? "," : "", "*a", i - 1);
    bomb += "]\n";
  }
  EXPECT_THROW(parse_yaml(bomb, "y"), Error);
}

TEST(Schedules, AreThoseOfTransformers) {
  Recipe::TrainPart t;
  t.lr = 2, t.steps = 10, t.warmup_steps = 4;
  EXPECT_EQ(learning_rate(t, 0), 0);
  EXPECT_EQ(learning_rate(t, 1), 0.5);
  EXPECT_EQ(learning_rate(t, 9), 2);
  t.schedule = Schedule::linear;
  EXPECT_DOUBLE_EQ(learning_rate(t, 7), 1);
  t.schedule = Schedule::cosine;
  EXPECT_DOUBLE_EQ(learning_rate(t, 7), 1);
  EXPECT_DOUBLE_EQ(learning_rate(t, 4), 2);
}

TEST(RowOrders, ArePermutationsOfEachEpoch) {
  RowOrder order(7, true, 3), again(7, true, 3);
  std::vector<std::int64_t> first, second;
  for (int i = 0; i < 7; ++i) first.push_back(order.at(i));
  for (int i = 7; i < 14; ++i) second.push_back(order.at(i));
  EXPECT_NE(first, second);
  EXPECT_EQ(again.at(9), second[2]);
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  EXPECT_EQ(first, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(first, second);
}

}  // namespace
}  // namespace tashika
