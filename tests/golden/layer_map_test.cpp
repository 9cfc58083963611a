// A model made of two copies of a tiny GPTBigCode computes what transformers computes of the same layers put together
// (tools/fixtures/golden_depth.py).
#include "checkpoint/layer_map.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "golden/golden_case.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

namespace fs = std::filesystem;

const std::string source = TASHIKA_TEST_DATA "/golden/folders/gpt_bigcode_mqa";

class LayerMapFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / cat("layer_map_", testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string folder() const { return folder_.string(); }
  fs::path folder_;
};

TEST(LayerMap, DepthUpscaleIsGranites) {
  const LayerMap map = depth_upscale(52, 8);
  ASSERT_EQ(map.size(), 88u);
  for (std::int64_t i = 0; i < 44; ++i) {
    EXPECT_EQ(map[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(map[static_cast<std::size_t>(44 + i)], 8 + i);
  }
  EXPECT_EQ(map, parse_layer_map("0-43,8-51", 52));
  EXPECT_EQ(parse_layer_map("2,0-1", 3), (LayerMap{2, 0, 1}));
  for (const char* bad : {"", "a", "0-", "3", "1-0", "0,,1", "-1", "0-99999999999999999999"}) EXPECT_THROW(parse_layer_map(bad, 3), Error) << bad;
  EXPECT_THROW(depth_upscale(8, 8), Error);
}

TEST_F(LayerMapFolder, GivesTheLayersThatTheMapNames) {
  const auto rt = test::runtime("cpu", 1, ComputeMode::exact);
  const Checkpoint checkpoint = open_checkpoint(source);
  ASSERT_EQ(count_layers(checkpoint), 2);
  write_layer_map(checkpoint, depth_upscale(2, 1), folder(), *rt);  // the second layer of one upon the first of another: the same model
  const std::vector<std::int32_t> ids = {5, 3, 1, 44, 2, 9, 60};
  const auto logits = [&](const Checkpoint& c) {
    const auto model = load_language_model(c, *rt);
    const Slice slice{nullptr, ids, static_cast<std::int64_t>(ids.size())};
    return model->forward(*rt, {&slice, 1}).to_host();
  };
  EXPECT_EQ(logits(open_checkpoint(folder())), logits(checkpoint));
  EXPECT_THROW(write_layer_map(checkpoint, {0}, folder(), *rt), Error);  // holds a model

  const test::GoldenCase deep = test::read_golden(TASHIKA_TEST_DATA "/golden/depth/case.json");
  const std::string up = folder() + "/up";
  write_layer_map(checkpoint, parse_layer_map("0-1,0-1,1", 2), up, *rt);
  const Checkpoint written = open_checkpoint(up);
  EXPECT_EQ(written.meta.values["n_layer"].as_integer(), 5);
  const auto model = load_language_model(written, *rt);
  const Slice slice{nullptr, deep.sequences[0].ids, static_cast<std::int64_t>(deep.sequences[0].ids.size())};
  const std::vector<float> got = model->forward(*rt, {&slice, 1}).to_host(), &want = deep.sequences[0].logits;
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-4 * deep.spread) << i;
  EXPECT_EQ(test::GoldenModel(up, "cpu", 1, ComputeMode::exact).greedy(deep.greedy_prompt, deep.greedy_ids.size()), deep.greedy_ids);
}

TEST_F(LayerMapFolder, MapsListsOfTheConfig) {
  const auto rt = test::runtime("cpu");
  const Checkpoint checkpoint = open_checkpoint(TASHIKA_TEST_DATA "/golden/folders/gemma2_uncapped");
  write_layer_map(checkpoint, {2, 0, 0, 1}, folder(), *rt);
  const Json values = open_checkpoint(folder()).meta.values;
  EXPECT_EQ(values["num_hidden_layers"].as_integer(), 4);
  const JsonArray &from = checkpoint.meta.values["layer_types"].as_array(), &to = values["layer_types"].as_array();
  ASSERT_EQ(to.size(), 4u);
  EXPECT_EQ(to[0].as_string(), from[2].as_string());
  EXPECT_EQ(to[2].as_string(), from[0].as_string());
}

}  // namespace
}  // namespace tashika
