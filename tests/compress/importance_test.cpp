// Importance matrices: what is measured, and llama.cpp's files.
#include "compress/importance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "checkpoint/tokenizer_files.h"
#include "compress/support.h"
#include "compress/text_chunks.h"

namespace tashika {
namespace {

std::string some_text(std::size_t letters) {
  std::string text;
  std::mt19937 random(5);
  while (text.size() < letters) text += static_cast<char>('!' + random() % 90);
  return text;
}

TEST(Importance, IsTheMeanSquareOfWhatAMatrixMultiplies) {
  const Folder folder;
  const SmallModel small;
  small.write(folder.file("in.gguf"));
  RuntimeOptions exact;
  exact.threads = 2;
  exact.compute = ComputeMode::exact;
  const auto rt = make_runtime(exact);
  const Checkpoint checkpoint = open_checkpoint(folder.file("in.gguf"));
  ImportanceOptions options;
  options.context = 32;
  options.chunks = 3;
  const std::string text = some_text(300);
  const Importance importance = collect_importance(checkpoint, text, "some.txt", options, *rt);
  EXPECT_EQ(importance.chunks, 3);
  EXPECT_EQ(importance.columns.size(), 14u);  // seven matrices in each of two layers
  EXPECT_EQ(importance.counts.at("blk.1.ffn_down.weight"), std::vector<std::int64_t>{96});
  EXPECT_EQ(importance.columns.at("blk.1.ffn_down.weight").size(), 256u);

  // The first layer's queries multiply the normed embedding: worked out by hand.
  const std::vector<float> table = checkpoint.weights->load("token_embd.weight", *rt).to_host();
  const std::vector<float> norm = checkpoint.weights->load("blk.0.attn_norm.weight", *rt).to_host();
  std::vector<double> expected(256, 0.0);
  for (const auto& chunk : text_chunks(load_tokenizer(checkpoint), text, 32, 3, "text")) {
    EXPECT_EQ(chunk[0], 1);  // BOS
    for (const TokenId id : chunk) {
      const float* x = table.data() + static_cast<std::size_t>(id) * 256;
      double square = 0;
      for (int i = 0; i < 256; ++i) square += double{x[i]} * x[i];
      const double scale = 1.0 / std::sqrt(square / 256 + 1e-5);
      for (std::size_t i = 0; i < 256; ++i) expected[i] += std::pow(x[i] * scale * norm[i], 2.0) / 96;
    }
  }
  const std::vector<float>& measured = importance.columns.at("blk.0.attn_q.weight");
  for (std::size_t i = 0; i < 256; ++i) EXPECT_NEAR(measured[i], expected[i], 1e-4 * expected[i]);
  EXPECT_EQ(importance.columns.at("blk.0.attn_k.weight"), measured);
}

TEST(Importance, DoesNotDependOnThreads) {
  const Folder folder;
  SmallModel{}.write(folder.file("in.gguf"));
  const Checkpoint checkpoint = open_checkpoint(folder.file("in.gguf"));
  ImportanceOptions options;
  options.context = 64;
  const auto measure = [&](int threads) { return collect_importance(checkpoint, some_text(200), "t", options, *runtime_of(threads)).columns; };
  EXPECT_EQ(measure(1), measure(3));
}

TEST(Importance, ExpertsAreMeasuredOnTheTokensThatChoseThem) {
  const auto rt = runtime_of(2);
  const Checkpoint checkpoint = open_checkpoint(std::string(TASHIKA_TEST_DATA) + "/golden/gguf/mixtral_f16.gguf");
  ImportanceOptions options;
  options.context = 48;
  options.chunks = 2;
  const Importance importance = collect_importance(checkpoint, std::string(4000, 'a') + some_text(4000), "t", options, *rt);
  const std::vector<std::int64_t>& counts = importance.counts.at("blk.0.ffn_up_exps.weight");
  const std::vector<float>&columns = importance.columns.at("blk.0.ffn_up_exps.weight"), &all = importance.columns.at("blk.0.ffn_gate_inp.weight");
  const std::size_t width = all.size();
  ASSERT_EQ(columns.size(), counts.size() * width);
  const std::int64_t chosen = checkpoint.meta.values["llama.expert_used_count"].as_integer();
  std::int64_t total = 0;
  for (const std::int64_t n : counts) total += n;
  EXPECT_EQ(total, 96 * chosen);
  // Every token goes to `chosen` experts: the sums over experts are so many times the router's.
  for (std::size_t i = 0; i < width; ++i) {
    double sum = 0;
    for (std::size_t e = 0; e < counts.size(); ++e) sum += double{columns[e * width + i]} * static_cast<double>(counts[e]);
    EXPECT_NEAR(sum, all[i] * 96.0 * static_cast<double>(chosen), 1e-3 * sum);
  }
}

TEST(Importance, FilesRoundTripAndTheOldFormIsRead) {
  const Folder folder;
  Importance importance;
  importance.columns["a.weight"] = {1.0f, 0.5f, 4.0f};
  importance.counts["a.weight"] = {8};
  importance.columns["b.weight"] = {1.0f, 2.0f, 0.0f, 0.0f};
  importance.counts["b.weight"] = {16, 0};
  importance.chunks = 3;
  importance.chunk_tokens = 512;
  importance.dataset = "some.txt";
  write_importance(importance, folder.file("im.gguf"));
  EXPECT_TRUE(is_importance_file(folder.file("im.gguf")));
  const Importance back = read_importance(folder.file("im.gguf"));
  EXPECT_EQ(back.columns, importance.columns);
  EXPECT_EQ(back.counts, importance.counts);
  EXPECT_EQ(back.dataset, "some.txt");
  EXPECT_EQ(back.chunks, 3);

  std::string dat;
  const auto number = [&dat](std::int32_t n) { dat.append(reinterpret_cast<const char*>(&n), 4); };
  const auto real = [&dat](float v) { dat.append(reinterpret_cast<const char*>(&v), 4); };
  number(1);
  number(8);
  dat += "a.weight";
  number(4);  // calls
  number(2);
  real(8.0f);
  real(2.0f);
  number(7);
  number(5);
  dat += "x.txt";
  write_file(folder.file("im.dat"), dat);
  EXPECT_TRUE(is_importance_file(folder.file("im.dat")));
  const Importance old = read_importance(folder.file("im.dat"));
  EXPECT_EQ(old.columns.at("a.weight"), (std::vector<float>{2.0f, 0.5f}));
  EXPECT_EQ(old.chunks, 7);
  EXPECT_EQ(old.dataset, "x.txt");
  for (std::size_t cut = 8; cut < dat.size() - 14; ++cut) {
    write_file(folder.file("cut.dat"), dat.substr(0, cut));
    EXPECT_THROW(read_importance(folder.file("cut.dat")), Error) << cut;
  }
  dat[8 + 8 + 8] = '\xff', dat[8 + 8 + 8 + 1] = '\xff', dat[8 + 8 + 8 + 2] = '\xff', dat[8 + 8 + 8 + 3] = '\xff';  // no number
  write_file(folder.file("bad.dat"), dat);
  EXPECT_THROW(read_importance(folder.file("bad.dat")), Error);
  write_file(folder.file("text.txt"), "Just a text, of some length.");
  EXPECT_FALSE(is_importance_file(folder.file("text.txt")));
}

TEST(Importance, ATextOfLessThanAChunkIsAnError) {
  const Folder folder;
  SmallModel{}.write(folder.file("in.gguf"));
  const auto rt = runtime_of(1);
  EXPECT_THROW(collect_importance(open_checkpoint(folder.file("in.gguf")), "short", "short.txt", {}, *rt), Error);
}

}  // namespace
}  // namespace tashika
