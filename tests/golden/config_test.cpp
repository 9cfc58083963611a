// What a config says and the tensors do not bear out, and patterns that no tiny checkpoint can show.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "nn/decoder.h"
#include "support/random_weights.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

namespace fs = std::filesystem;

// A golden folder with one field of its config changed.
class GoldenErrors : public testing::Test {
 protected:
  GoldenErrors() : folder_(fs::temp_directory_path() / cat("tashika_config_", getpid())) {}
  ~GoldenErrors() override { fs::remove_all(folder_); }

  std::string message(const std::string& name, const std::string& key, Json value) {
    const fs::path from = fs::path(TASHIKA_TEST_DATA) / "golden" / "folders" / name;
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    Json config = parse_json(read_file((from / "config.json").string(), 1 << 16), "config.json");
    config.set(key, std::move(value));
    std::ofstream(folder_ / "config.json") << dump_json(config);
    fs::copy_file(from / "model.safetensors", folder_ / "model.safetensors");
    const auto rt = test::runtime("ref");
    try {
      load_language_model(open_checkpoint(folder_.string()), *rt);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }

  void expect_words(const std::string& text, std::initializer_list<const char*> words) {
    for (const char* word : words) EXPECT_NE(text.find(word), std::string::npos) << word << " is not in: " << text;
  }

 private:
  fs::path folder_;
};

TEST_F(GoldenErrors, ATensorThatNobodyClaimsIsNamed) {
  expect_words(message("llama_gqa_f32", "num_hidden_layers", 1), {"model.layers.1.", "uses"});
}

TEST_F(GoldenErrors, AnAbsentTensorIsNamed) {
  expect_words(message("llama_gqa_f32", "num_hidden_layers", 3), {"model.layers.2.", "missing"});
  expect_words(message("llama_mqa_tied_bf16", "tie_word_embeddings", false), {"lm_head.weight", "missing"});
}

TEST_F(GoldenErrors, AShapeThatTheConfigDoesNotPromiseIsNamed) {
  expect_words(message("llama_gqa_f32", "intermediate_size", 67), {"model.layers.0.mlp.", "[67, 40]", "[68, 40]"});
  expect_words(message("mistral_window_bf16", "head_dim", 10), {"self_attn.", "[40, 40]", "[48, 40]"});
}

TEST_F(GoldenErrors, CountsBeyondTheTensorsAreRefused) {
  expect_words(message("llama_gqa_f32", "num_hidden_layers", 1000000), {"num_hidden_layers", "1000000"});
  expect_words(message("mixtral_fused_f16", "num_local_experts", 50000), {"num_local_experts", "50000"});
}

TEST_F(GoldenErrors, UnknownScalingIsAnErrorAndNoGuess) {
  Json rope;
  rope.set("rope_type", "dynamic");
  rope.set("factor", 2.0);
  expect_words(message("llama_gqa_f32", "rope_parameters", rope), {"rope_type", "dynamic", "linear"});
}

std::vector<std::int64_t> windows_of(const char* config) {
  const Metadata meta{Metadata::Format::hf, "config.json", parse_json(config, "config.json")};
  const test::RandomWeights weights;
  const std::unique_ptr<Module> module = find_model(meta).build(meta, weights);
  return static_cast<const Decoder&>(*module).config.windows;
}

// The config as it was first published with Ministral 8B: the class of Mistral and no layer_types, though the
// model was trained with one full layer in four.
constexpr const char* ministral_8b = R"({"architectures":["MistralForCausalLM"],"model_type":"mistral","vocab_size":131072,
  "hidden_size":4096,"intermediate_size":12288,"num_hidden_layers":36,"num_attention_heads":32,"num_key_value_heads":8,
  "head_dim":128,"hidden_act":"silu","max_position_embeddings":32768,"rms_norm_eps":1e-05,"rope_theta":100000000.0,
  "sliding_window":32768,"tie_word_embeddings":false,"torch_dtype":"bfloat16"})";

TEST(PublishedConfigs, Ministral8bHasItsRaggedPattern) {
  const std::vector<std::int64_t> windows = windows_of(ministral_8b);
  ASSERT_EQ(windows.size(), 36u);
  for (std::size_t i = 0; i < windows.size(); ++i) EXPECT_EQ(windows[i], i % 4 == 0 ? 0 : 32768) << "layer " << i;
}

TEST(PublishedConfigs, Mistral7bSlidesEverywhereOrNowhere) {
  std::string config = R"({"architectures":["MistralForCausalLM"],"model_type":"mistral","vocab_size":32000,"hidden_size":4096,
    "intermediate_size":14336,"num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,"hidden_act":"silu",
    "max_position_embeddings":32768,"rms_norm_eps":1e-05,"rope_theta":10000.0,"sliding_window":4096,
    "tie_word_embeddings":false})";
  EXPECT_EQ(windows_of(config.c_str()), std::vector<std::int64_t>(32, 4096));
  config.replace(config.find("\"sliding_window\":4096"), 21, "\"sliding_window\":null");
  EXPECT_TRUE(windows_of(config.c_str()).empty());
  // Left out, it is the reference's default.
  config.replace(config.find("\"sliding_window\":null,"), 22, "");
  EXPECT_EQ(windows_of(config.c_str()), std::vector<std::int64_t>(32, 4096));
}

}  // namespace
}  // namespace tashika
