// A small model in memory for tests of compress/: written as a GGUF file of a test's own folder.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "io/gguf_write.h"
#include "quant/formats.h"
#include "registry/registry.h"

namespace tashika {

// A folder that is gone when the test ends.
class Folder {
 public:
  Folder() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::temp_directory_path() / cat("tashika_compress_", info->test_suite_name(), "_", info->name(), "_", std::random_device()());
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::string bytes_of_file(const std::string& path) { return read_file(path, 1 << 30); }

inline std::unique_ptr<Runtime> runtime_of(int threads) {
  RuntimeOptions options;
  options.threads = threads;
  return make_runtime(options);
}

struct SmallModel {
  std::int64_t layers = 2, width = 256, inner = 256, heads = 4, kv_heads = 2, vocab = 96;
  DType type = f32;

  std::vector<WeightInfo> tensors() const {
    const std::int64_t kv = width / heads * kv_heads;
    std::vector<WeightInfo> out{{"token_embd.weight", type, Shape{vocab, width}}, {"output_norm.weight", f32, Shape{width}}, {"output.weight", type, Shape{vocab, width}}};
    for (std::int64_t i = 0; i < layers; ++i) {
      const auto add = [&](std::string_view name, const Shape& shape) {
        out.push_back({cat("blk.", i, ".", name, ".weight"), shape.rank() == 1 ? f32 : type, shape});
      };
      add("attn_norm", Shape{width});
      add("ffn_norm", Shape{width});
      add("attn_q", Shape{width, width});
      add("attn_k", Shape{kv, width});
      add("attn_v", Shape{kv, width});
      add("attn_output", Shape{width, width});
      add("ffn_gate", Shape{inner, width});
      add("ffn_up", Shape{inner, width});
      add("ffn_down", Shape{width, inner});
    }
    return out;
  }

  GgufFields fields() const {
    GgufFields f;
    const auto count = [&f](std::string_view key, std::int64_t value) { f.add(cat("llama.", key), static_cast<std::uint32_t>(value)); };
    f.add_text("general.architecture", "llama");
    f.add_text("general.name", "small");
    count("block_count", layers);
    count("context_length", 512);
    count("embedding_length", width);
    count("feed_forward_length", inner);
    count("attention.head_count", heads);
    count("attention.head_count_kv", kv_heads);
    f.add("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    // 256 bytes do not fit in a vocabulary of 96: single letters, and what is no letter is unknown.
    std::vector<std::string> texts{"<unk>", "<s>", "</s>"};
    for (char c = '!'; static_cast<std::int64_t>(texts.size()) < vocab; ++c) texts.emplace_back(1, c);
    std::vector<float> scores(texts.size(), 0.0f);
    std::vector<std::int32_t> types(texts.size(), 1);
    types[0] = 2;
    types[1] = types[2] = 3;
    f.add_text("tokenizer.ggml.model", "llama");
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    f.add_texts("tokenizer.ggml.tokens", views);
    f.add_array<float>("tokenizer.ggml.scores", scores);
    f.add_array<std::int32_t>("tokenizer.ggml.token_type", types);
    f.add("tokenizer.ggml.bos_token_id", std::uint32_t{1});
    f.add("tokenizer.ggml.eos_token_id", std::uint32_t{2});
    return f;
  }

  // `spoil`: a tensor whose last value is no number.
  void write(const std::string& path, std::string_view spoil = {}) const {
    GgufWriter writer(path, fields(), tensors());
    std::mt19937 random(11);
    std::normal_distribution<float> normal(0.0f, 0.06f);
    for (const WeightInfo& info : tensors()) {
      std::vector<float> values(static_cast<std::size_t>(info.shape.numel()));
      for (float& v : values) v = info.shape.rank() == 1 ? 1.0f + normal(random) : normal(random);
      if (info.name == spoil) values.back() = std::numeric_limits<float>::quiet_NaN();
      std::vector<std::byte> bytes(static_cast<std::size_t>(info.dtype.row_bytes(info.shape.numel())));
      info.dtype->encode(values.data(), bytes.data(), info.shape.numel());
      writer.write(bytes);
    }
    writer.commit();
  }
};

}  // namespace tashika
