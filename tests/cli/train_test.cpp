// `train` and `train-tokenizer` as their users drive them.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/json.h"
#include "cli/program.h"

namespace tashika::test {
namespace {

const std::string data = TASHIKA_TEST_DATA "/train/llama";

std::string recipe(const std::string& out, const std::string& train) {
  return "model: {init: " + data + "/model}\ndata: {train: " + data + "/rows.jsonl, seq_len: 64}\ntrain: {steps: 6, lr: 1e-3, batch_size: 2, shuffle: false, " +
         train + "}\noutput: {dir: " + out + ", save_every: 2}\n";
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(TrainVerb, WritesAModelThatRuns) {
  const TemporaryFolder folder;
  const std::string out = folder.file("deep/out");  // is made
  folder.write("recipe.yaml", recipe(out, "dtype: f32"));
  const Outcome trained = run_program({"train", folder.file("recipe.yaml"), "-t", "2"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(trained.out, "");
  std::istringstream metrics(contents(out + "/metrics.jsonl"));
  std::string line;
  int lines = 0;
  for (; std::getline(metrics, line); ++lines) EXPECT_EQ(parse_json(line, "metrics")["step"].as_integer(), lines + 1);
  EXPECT_EQ(lines, 6);
  const Outcome generated = run_program({"generate", out, "--ids", "1,5,9", "-n", "4", "--json"});
  EXPECT_EQ(generated.code, 0) << generated.err;
  EXPECT_NE(contents(out + "/report.html").find("<polyline"), std::string::npos);
  // Going on where all is done changes nothing.
  const std::string weights = contents(out + "/model.safetensors");
  const Outcome again = run_program({"train", folder.file("recipe.yaml"), "--resume"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("going on after step 6"), std::string::npos) << again.err;
  EXPECT_EQ(contents(out + "/model.safetensors"), weights);
}

TEST(TrainVerb, PlansAndVerifies) {
  const TemporaryFolder folder;
  folder.write("recipe.yaml", recipe(folder.file("out"), "grad_accum: 4"));
  const Outcome verified = run_program({"train", folder.file("recipe.yaml"), "--verify-accum", "--json"});
  ASSERT_EQ(verified.code, 0) << verified.err;
  EXPECT_EQ(parse_json(verified.out, "out")["holds"], Json(true));
  const Outcome planned = run_program({"train", folder.file("recipe.yaml"), "--plan", "--json"});
  ASSERT_EQ(planned.code, 0) << planned.err;
  EXPECT_GT(parse_json(planned.out, "out")["peak_bytes"].as_integer(), 0);
}

TEST(TrainVerb, RefusesARecipeBeforeAnythingIsOpened) {
  const TemporaryFolder folder;
  folder.write("recipe.yaml", recipe(folder.file("out"), "learning_rate: 3"));
  const Outcome refused = run_program({"train", folder.file("recipe.yaml")});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("train.learning_rate: there is no such key"), std::string::npos) << refused.err;
}

TEST(TrainTokenizerVerb, WritesATokenizer) {
  const TemporaryFolder folder;
  folder.write("corpus.txt", "the cat sat on the mat\nthe cat sat\n");
  const Outcome made = run_program({"train-tokenizer", folder.file("corpus.txt"), "-o", folder.file("tok"), "--vocab-size", "270", "--special", "</s>", "--eos", "</s>"});
  ASSERT_EQ(made.code, 0) << made.err;
  const Outcome ids = run_program({"tokenize", folder.file("tok"), "the cat</s>", "--ids-only"});
  EXPECT_EQ(ids.code, 0) << ids.err;
  EXPECT_EQ(parse_json(ids.out, "ids").as_array().back(), Json(0));
}

}  // namespace
}  // namespace tashika::test
