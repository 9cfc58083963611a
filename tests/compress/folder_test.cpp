// A Hugging Face folder written as a GGUF file computes what the folder does: every family that has such a form, by its
// tiny config with random weights, and the golden folders.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "checkpoint/embedding_files.h"
#include "checkpoint/tokenizer_files.h"
#include "compress/quantize.h"
#include "compress/support.h"
#include "decode/evaluate.h"
#include "io/safetensors_write.h"

namespace tashika {
namespace {

std::vector<float> logits_of(const std::string& path, Runtime& rt) {
  const Checkpoint checkpoint = open_checkpoint(path);
  const auto model = load_language_model(checkpoint, rt);
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 40; ++i) ids.push_back((i * 7 + 3) % 41);
  std::vector<float> out;
  const std::vector<std::vector<std::int32_t>> batch{ids};
  evaluate_logits(*model, rt, batch, {}, [&](std::size_t, std::int64_t, std::span<const float> rows, std::int64_t) { out.insert(out.end(), rows.begin(), rows.end()); });
  return out;
}

void expect_close(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  float largest = 0, difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(a[i]));
    difference = std::max(difference, std::fabs(a[i] - b[i]));
  }
  EXPECT_GT(largest, 0.01f);
  EXPECT_LT(difference, 1e-5f * (1.0f + largest));
}

QuantizeOptions to(std::string_view type) {
  QuantizeOptions options;
  options.type = find_mix_type(type);
  return options;
}

void convert(const std::string& folder, const std::string& out, std::string_view type, Runtime& rt) {
  const QuantizeOptions options = to(type);
  const GgufForm form = gguf_form(open_checkpoint(folder));
  write_quantized(form, plan_quantize(form, options), options, out, rt);
}

std::unique_ptr<Runtime> exact_runtime() {
  RuntimeOptions options;
  options.threads = 2;
  options.compute = ComputeMode::exact;
  return make_runtime(options);
}

TEST(FolderToGguf, GoldenFoldersComputeTheSame) {
  const Folder folder;
  const auto rt = exact_runtime();
  int converted = 0;
  for (const char* name : {"deepseek2_groups", "deepseek2_normalised", "deepseek3", "gemma", "gpt2", "gpt_bigcode_mqa", "granite_biases", "llama_attention_bias", "llama_mlp_bias", "llama_mqa_tied_bf16", "llama_rope_linear",
                           "llama_rope_llama3", "llama_rope_yarn_attention_factor", "llama_rope_yarn_mscale", "llama_granite8b_f32_shards", "ministral3", "mistral_window_33",
                           "mixtral_experts_bf16", "mixtral_fused_f16", "mixtral_window_shards", "phi3_crossing", "phi3_partial", "qwen2_tied", "qwen3", "starcoder2",
                           "starcoder2_untied"}) {
    SCOPED_TRACE(name);
    const std::string path = std::string(TASHIKA_TEST_DATA) + "/golden/folders/" + name;
    convert(path, folder.file("out.gguf"), "f32", *rt);
    expect_close(logits_of(path, *rt), logits_of(folder.file("out.gguf"), *rt));
    ++converted;
  }
  EXPECT_EQ(converted, 26);
}

TEST(FolderToGguf, EncodersComputeAndPoolTheSame) {
  const Folder folder;
  const auto rt = exact_runtime();
  const std::vector<std::int32_t> ids{1, 5, 9, 11, 3, 7, 2, 30};
  const std::span<const std::int32_t> sequence(ids);
  for (const char* name : {"encoders/bert", "encoders/nomic_bert", "embeddings/bert_mean"}) {
    SCOPED_TRACE(name);
    const std::string path = std::string(TASHIKA_TEST_DATA) + "/golden/" + name;
    convert(path, folder.file("out.gguf"), "f32", *rt);
    const Checkpoint from = open_checkpoint(path), to = open_checkpoint(folder.file("out.gguf"));
    expect_close(load_encoder(from, *rt)->encode(*rt, {&sequence, 1}).hidden.to_host(), load_encoder(to, *rt)->encode(*rt, {&sequence, 1}).hidden.to_host());
    const EmbeddingRecipe written = read_embedding_recipe(to.path, *rt);
    if (std::string_view(name) == "embeddings/bert_mean") {
      EXPECT_EQ(written.pooling, std::vector<Pooling>{Pooling::mean});
      const std::string text = "The quick brown fox jumps over 13 lazy dogs.";
      EXPECT_EQ(load_tokenizer(to).encode(text), load_tokenizer(from).encode(text));
    }
  }
}

// A random folder of a family's tiny config; `changes` are set in it.
void write_tiny(const std::string& folder, const ModelDef& def, const Json& changes) {
  Json config = def.tiny();
  for (const auto& [key, value] : changes.as_object().entries()) config.set(key, value);
  std::filesystem::create_directories(folder);
  write_file(folder + "/config.json", dump_json(config));
  // What the model wants is asked of a source that has everything.
  struct Endless final : WeightSource {
    std::vector<WeightInfo> infos = std::vector<WeightInfo>(4096, {"x", f32, Shape{1}});
    const std::vector<WeightInfo>& list() const override { return infos; }
    const WeightInfo* find(std::string_view) const override { return nullptr; }
    Tensor load(std::string_view, Runtime&) const override { return {}; }
    std::string origin() const override { return "endless"; }
  } endless;
  const Metadata meta{Metadata::Format::hf, folder, config};
  const std::unique_ptr<Module> module = def.build(meta, endless);
  std::vector<WeightInfo> infos;
  for_each_param(*module, [&](const std::string& name, Param& p) {
    if (!p.optional) infos.push_back({name, f32, p.shape});
  });
  SafetensorsWriter writer(folder + "/model.safetensors", infos, {});
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.0f, 0.3f);
  for (const WeightInfo& info : writer.order()) {
    std::vector<float> values(static_cast<std::size_t>(info.shape.numel()));
    for (float& v : values) v = normal(random);
    writer.write(std::as_bytes(std::span(values)));
  }
  writer.commit();
}

const ModelDef& family(std::string_view name) {
  for (const ModelFile* file : model_files()) {
    for (const ModelDef& def : file->records) {
      if (def.name == name) return def;
    }
  }
  throw Error("no family");
}

TEST(FolderToGguf, FamiliesWhoseWindowsFollowAPeriodComputeTheSame) {
  const Folder folder;
  const auto rt = exact_runtime();
  for (const char* name : {"gemma2", "gemma3"}) {
    SCOPED_TRACE(name);
    write_tiny(folder.file(name), family(name), parse_json(R"({"query_pre_attn_scalar": 12})", "changes"));
    convert(folder.file(name), folder.file("out.gguf"), "f32", *rt);
    expect_close(logits_of(folder.file(name), *rt), logits_of(folder.file("out.gguf"), *rt));
  }
}

TEST(FolderToGguf, WhatAFileCannotSayIsAnErrorOrANote) {
  const Folder folder;
  const auto refused = [&](std::string_view name, const char* changes) -> std::string {
    const std::string path = folder.file(name);
    write_tiny(path, family(name), parse_json(changes, "changes"));
    try {
      gguf_form(open_checkpoint(path));
    } catch (const Error& error) {
      return error.message();
    }
    return {};
  };
  EXPECT_NE(refused("gemma2", R"({"query_pre_attn_scalar": 20})").find("query_pre_attn_scalar"), std::string::npos);
  EXPECT_NE(refused("qwen2", R"({"max_window_layers": 1})").find("some layers slide"), std::string::npos);
  EXPECT_NE(refused("xlstm", "{}").find("has no GGUF form"), std::string::npos);
  const std::string mistral = std::string(TASHIKA_TEST_DATA) + "/golden/folders/mistral_window_33";
  const GgufForm form = gguf_form(open_checkpoint(mistral));
  ASSERT_EQ(form.notes.size(), 2u);
  EXPECT_NE(form.notes[0].find("sliding window of 33"), std::string::npos);
  EXPECT_NE(form.notes[1].find("no tokenizer"), std::string::npos);
}

TEST(FolderToGguf, RowsOfFusedAndStackedTensorsAreWhereTheyBelongWhenQuantised) {
  const Folder folder;
  const auto rt = exact_runtime();
  for (const char* name : {"mixtral_fused_f16", "phi3_plain"}) {
    const std::string path = std::string(TASHIKA_TEST_DATA) + "/golden/folders/" + name;
    convert(path, folder.file("wide.gguf"), "f16", *rt);
    convert(path, folder.file("narrow.gguf"), "q8_0", *rt);
    const Checkpoint wide = open_checkpoint(folder.file("wide.gguf")), narrow = open_checkpoint(folder.file("narrow.gguf"));
    for (const WeightInfo& info : narrow.weights->list()) {
      const std::vector<float> a = wide.weights->load(info.name, *rt).to_host(), b = narrow.weights->load(info.name, *rt).to_host();
      ASSERT_EQ(a.size(), b.size());
      for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 0.02f) << info.name << " " << i;
    }
  }
}

}  // namespace
}  // namespace tashika
