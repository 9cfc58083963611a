// Every golden model, saved as its bare backbone: names without the prefix, no head. Its hidden states are those of the whole
// model, and it says why it has no logits.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "golden/golden_case.h"
#include "io/safetensors.h"
#include "io/safetensors_write.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

namespace fs = std::filesystem;

class Backbone : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / cat("tashika_backbone_", fs::path(GetParam()).parent_path().filename().string());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_P(Backbone, GivesTheSameHiddenStatesAndNoLogits) {
  const test::GoldenCase c = test::read_golden(GetParam());
  const auto rt = test::runtime("cpu");
  const Checkpoint whole = open_checkpoint(c.model);
  Json config = whole.meta.values;
  if (const Json text = config["text_config"]; text.is_object()) config = text;  // of the parts, the one with the layers
  std::string name = config["architectures"].as_array().at(0).as_string();
  for (const std::string head : {"ForCausalLM", "LMHeadModel"}) {
    if (name.ends_with(head)) name = name.substr(0, name.size() - head.size()) + "Model";
  }
  ASSERT_TRUE(name.ends_with("Model"));
  config.set("architectures", Json(JsonArray{Json(name)}));
  std::ofstream(folder_ / "config.json") << dump_json(config);

  // The prefix is what stands before the layers' names.
  std::string prefix;
  for (const WeightInfo& info : whole.weights->list()) {
    for (const char* first : {".embed_tokens.", ".wte.", ".embeddings."}) {
      if (const std::size_t at = info.name.find(first); at != std::string::npos) prefix = info.name.substr(0, at + 1);
    }
  }
  ASSERT_FALSE(prefix.empty());
  std::vector<std::pair<std::string, Tensor>> kept;
  for (const WeightInfo& info : whole.weights->list()) {
    if (!info.name.starts_with(prefix)) continue;
    kept.emplace_back(info.name.substr(prefix.size()), whole.weights->load(info.name, *rt));
  }
  save_safetensors((folder_ / "model.safetensors").string(), kept);

  const std::unique_ptr<LanguageModel> full = load_language_model(whole, *rt), bare = load_language_model(open_checkpoint(folder_.string()), *rt);
  const Slice slice{nullptr, c.sequences[0].ids, 1};
  const std::vector<float> want = full->hidden(*rt, {&slice, 1}).to_host(), got = bare->hidden(*rt, {&slice, 1}).to_host();
  ASSERT_EQ(want.size(), got.size());
  EXPECT_EQ(0, std::memcmp(want.data(), got.data(), want.size() * sizeof(float)));
  const Json& tied = config["tie_word_embeddings"];
  if (bare->headless) {
    EXPECT_THROW(bare->forward(*rt, {&slice, 1}), Error);
  } else {
    EXPECT_EQ(bare->forward(*rt, {&slice, 1}).to_host(), full->forward(*rt, {&slice, 1}).to_host());
  }
  if (tied.is_bool()) {
    EXPECT_EQ(bare->headless, !tied.as_bool());
  }
}

// The folders that have a config: a bare file of tensors names no class. And one of transformers: xLSTMLMModel is another
// package's, which saves no backbone alone.
std::vector<std::string> folders() {
  std::vector<std::string> found = test::golden_descriptors("folders");
  std::erase_if(found, [](const std::string& path) {
    const fs::path folder = fs::path(path).parent_path();
    return !fs::exists(folder / "config.json") || architecture(open_checkpoint(folder.string()).meta) == "xLSTMLMModel";
  });
  return found;
}

INSTANTIATE_TEST_SUITE_P(All, Backbone, testing::ValuesIn(folders()),
                         [](const auto& p) { return fs::path(p.param).parent_path().filename().string(); });

}  // namespace
}  // namespace tashika
