// Embeddings of texts against sentence-transformers' own (tools/fixtures/golden_embeddings.py), and what does not change them.
#include "decode/embed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "io/npy.h"
#include "registry/registry.h"

namespace tashika {
namespace {

namespace fs = std::filesystem;
const fs::path root = fs::path(TASHIKA_TEST_DATA) / "golden" / "embeddings";

std::vector<std::string> cases() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (fs::exists(entry.path() / "case.json")) out.push_back(entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

struct EmbedCase {
  std::string path;
  std::vector<std::string> texts;
  EmbedOptions options;
  std::vector<float> vectors;
  std::int64_t width = 0;

  explicit EmbedCase(const std::string& name) : path((root / name).string()) {
    const Json json = parse_json(read_file(path + "/case.json", 1 << 20), name);
    for (const Json& text : json["texts"].as_array()) texts.push_back(text.as_string());
    options.prompt_name = json["prompt_name"].as_string();
    const NpyArray array = read_npy(path + "/embeddings.npy");
    vectors = array.floats();
    width = static_cast<std::int64_t>(vectors.size() / texts.size());
  }
};

std::unique_ptr<Runtime> runtime(ComputeMode compute, int threads = 1) { return make_runtime({.backend = "cpu", .threads = threads, .compute = compute}); }

double least_cosine(const std::vector<float>& a, const std::vector<float>& b, std::size_t width) {
  double least = 1;
  for (std::size_t at = 0; at < a.size(); at += width) {
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t d = at; d < at + width; ++d) {
      const double x = static_cast<double>(a[d]), y = static_cast<double>(b[d]);
      ab += x * y, aa += x * x, bb += y * y;
    }
    least = std::min(least, ab / std::sqrt(aa * bb));
  }
  return least;
}

class Embed : public testing::TestWithParam<std::string> {};

TEST_P(Embed, VectorsAreTheReferences) {
  const EmbedCase c(GetParam());
  const auto rt = runtime(ComputeMode::exact);
  const Embeddings got = Embedder(c.path, *rt).embed(c.texts, c.options);
  ASSERT_EQ(got.width, c.width);
  ASSERT_EQ(got.values.size(), c.vectors.size());
  double size = 0;
  for (const float v : c.vectors) size = std::max(size, std::abs(static_cast<double>(v)));
  for (std::size_t i = 0; i < c.vectors.size(); ++i) ASSERT_NEAR(got.values[i], c.vectors[i], 1e-5 * size) << i;
  const auto fast = runtime(ComputeMode::fast);
  EXPECT_GT(least_cosine(Embedder(c.path, *fast).embed(c.texts, c.options).values, c.vectors, static_cast<std::size_t>(c.width)), 1 - 1e-4);
}

TEST_P(Embed, CompanionsAndThreadsDoNotMatter) {
  const EmbedCase c(GetParam());
  const auto one = runtime(ComputeMode::fast), two = runtime(ComputeMode::fast, 2);
  const Embedder a(c.path, *one), b(c.path, *two);
  const Embeddings all = a.embed(c.texts, c.options);
  std::vector<float> alone;
  for (const std::string& text : c.texts) {
    const Embeddings v = a.embed({&text, 1}, c.options);
    alone.insert(alone.end(), v.values.begin(), v.values.end());
  }
  EXPECT_EQ(0, std::memcmp(all.values.data(), alone.data(), alone.size() * sizeof(float)));
  EmbedOptions small = c.options;
  small.batch_tokens = 30;
  const Embeddings threaded = b.embed(c.texts, small);
  EXPECT_EQ(0, std::memcmp(all.values.data(), threaded.values.data(), alone.size() * sizeof(float)));
}

INSTANTIATE_TEST_SUITE_P(All, Embed, testing::ValuesIn(cases()), [](const auto& p) { return p.param; });

TEST(Embedding, FindsEveryCase) { EXPECT_EQ(cases().size(), 9u); }

TEST(Embedding, OptionsOverrideTheFolder) {
  const auto rt = runtime(ComputeMode::exact);
  const EmbedCase mean("bert_mean"), first("bert_cls_new_config"), plain("bert_max_plain");
  EmbedOptions options;
  options.pooling = Pooling::first;
  const Embeddings got = Embedder(mean.path, *rt).embed(mean.texts, options);
  for (std::size_t i = 0; i < got.values.size(); ++i) ASSERT_NEAR(got.values[i], first.vectors[i], 1e-5);
  const auto length = [](const Embeddings& e) {
    double squares = 0;
    for (std::int64_t d = 0; d < e.width; ++d) squares += static_cast<double>(e.values[static_cast<std::size_t>(d)]) * static_cast<double>(e.values[static_cast<std::size_t>(d)]);
    return std::sqrt(squares);
  };
  options = {};
  options.normalise = false;
  EXPECT_GT(std::abs(length(Embedder(mean.path, *rt).embed(mean.texts, options)) - 1), 0.01);
  options.normalise = true;
  EXPECT_NEAR(length(Embedder(plain.path, *rt).embed(plain.texts, options)), 1, 1e-6);
}

TEST(Embedding, LongTextsAreCutAndCounted) {
  const auto rt = runtime(ComputeMode::fast);
  const EmbedCase c("bert_sqrt_cut");
  const Embeddings got = Embedder(c.path, *rt).embed(c.texts);
  EXPECT_GT(got.cut, 0);
  for (const std::int64_t n : got.tokens) EXPECT_LE(n, 9);
}

// Without sentence-transformers' files a model folder has a default, and anything broken is an error that says so.
TEST(Embedding, FoldersWithoutARecipe) {
  const auto rt = runtime(ComputeMode::exact);
  const EmbedCase mean("bert_mean"), last("qwen3_last");
  const std::vector<std::string> texts{mean.texts[0]};
  const Embeddings a = Embedder((root / "model_bert").string(), *rt).embed(texts), b = Embedder((root / "model_qwen3").string(), *rt).embed(texts);
  for (std::size_t i = 0; i < a.values.size(); ++i) ASSERT_NEAR(a.values[i], mean.vectors[i], 1e-5);
  for (std::size_t i = 0; i < b.values.size(); ++i) ASSERT_NEAR(b.values[i], last.vectors[i], 1e-5);
  EmbedOptions options;
  options.prompt_name = "query";
  EXPECT_THROW(Embedder(mean.path, *rt).embed(texts, options), Error);
}

TEST(Embedding, BrokenFilesAreErrors) {
  const auto rt = runtime(ComputeMode::fast);
  const fs::path folder = fs::temp_directory_path() / "tashika_embed_broken";
  const auto attempt = [&](const std::string& modules, const std::string& pooling) {
    fs::remove_all(folder);
    fs::create_directories(folder / "1_Pooling");
    for (const auto& entry : fs::directory_iterator(root / "model_bert")) fs::copy(entry.path(), folder / entry.path().filename());
    std::ofstream(folder / "modules.json") << modules;
    std::ofstream(folder / "1_Pooling" / "config.json") << pooling;
    const Embedder embedder(folder.string(), *rt);
  };
  const std::string good = R"([{"type":"x.Transformer","path":""},{"type":"x.Pooling","path":"1_Pooling"}])";
  EXPECT_NO_THROW(attempt(good, "{}"));
  EXPECT_THROW(attempt(good, "[]"), Error);
  EXPECT_THROW(attempt(good, R"({"pooling_mode":"median"})"), Error);
  EXPECT_THROW(attempt("{}", "{}"), Error);
  EXPECT_THROW(attempt(R"([{"type":"x.Transformer","path":""}])", "{}"), Error);
  EXPECT_THROW(attempt(R"([{"type":"x.Pooling","path":"1_Pooling"}])", "{}"), Error);
  EXPECT_THROW(attempt(R"([{"type":"x.Transformer","path":"../elsewhere"},{"type":"x.Pooling","path":"1_Pooling"}])", "{}"), Error);
  EXPECT_THROW(attempt(R"([{"type":"x.Transformer","path":""},{"type":"x.Pooling","path":"1_Pooling"},{"type":"x.Router","path":""}])", "{}"), Error);
  EXPECT_THROW(attempt(R"([{"type":"x.Transformer","path":""},{"type":"x.Pooling","path":"1_Pooling"},{"type":"x.Dense","path":"2_Dense"}])", "{}"), Error);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace tashika
