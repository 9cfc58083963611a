// Perplexity and divergence against what their definitions give by hand.
#include "compress/quality.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "checkpoint/tokenizer_files.h"
#include "compress/quantize.h"
#include "compress/support.h"
#include "compress/text_chunks.h"
#include "decode/evaluate.h"

namespace tashika {
namespace {

struct Pair {
  Folder folder;
  std::unique_ptr<Runtime> rt = runtime_of(2);
  std::vector<std::vector<TokenId>> chunks;
  std::unique_ptr<LanguageModel> whole, narrow;

  Pair() {
    SmallModel{}.write(folder.file("whole.gguf"));
    QuantizeOptions options;
    options.type = find_mix_type("q3_k_s");
    const Checkpoint checkpoint = open_checkpoint(folder.file("whole.gguf"));
    const GgufForm form = gguf_form(checkpoint);
    write_quantized(form, plan_quantize(form, options), options, folder.file("narrow.gguf"), *rt);
    std::string text;
    std::mt19937 random(9);
    while (text.size() < 100) text += static_cast<char>('!' + random() % 90);
    chunks = text_chunks(load_tokenizer(checkpoint), text, 40, 0, "text");
    whole = load_language_model(checkpoint, *rt);
    narrow = load_language_model(open_checkpoint(folder.file("narrow.gguf")), *rt);
  }

  std::vector<std::vector<double>> log_probabilities(LanguageModel& model, const std::vector<TokenId>& chunk) {
    std::vector<std::vector<double>> out;
    const std::vector<std::vector<TokenId>> batch{chunk};
    evaluate_logits(model, *rt, batch, {}, [&](std::size_t, std::int64_t, std::span<const float> rows, std::int64_t width) {
      for (std::size_t at = 0; at < rows.size(); at += static_cast<std::size_t>(width)) {
        double sum = 0;
        for (std::int64_t i = 0; i < width; ++i) sum += std::exp(double{rows[at + static_cast<std::size_t>(i)]});
        auto& row = out.emplace_back();
        for (std::int64_t i = 0; i < width; ++i) row.push_back(rows[at + static_cast<std::size_t>(i)] - std::log(sum));
      }
    });
    return out;
  }
};

TEST(Quality, IsWhatTheDefinitionsSay) {
  Pair pair;
  ASSERT_EQ(pair.chunks.size(), 2u);
  const auto base = running_base(*pair.whole, *pair.rt, pair.chunks);
  const Quality quality = measure_quality(*pair.narrow, *pair.rt, pair.chunks, base.get());
  double nll = 0, base_nll = 0, kld = 0, same = 0;
  int n = 0;
  for (const auto& chunk : pair.chunks) {
    const auto p = pair.log_probabilities(*pair.whole, chunk), q = pair.log_probabilities(*pair.narrow, chunk);
    for (std::size_t i = 20; i < 39; ++i, ++n) {
      const auto truth = static_cast<std::size_t>(chunk[i + 1]);
      nll -= q[i][truth];
      base_nll -= p[i][truth];
      for (std::size_t v = 0; v < p[i].size(); ++v) kld += std::exp(p[i][v]) * (p[i][v] - q[i][v]);
      same += std::ranges::max_element(p[i]) - p[i].begin() == std::ranges::max_element(q[i]) - q[i].begin();
    }
  }
  EXPECT_EQ(quality.positions, n);
  EXPECT_NEAR(quality.nll.mean, nll / n, 1e-5);
  EXPECT_NEAR(quality.perplexity(), std::exp(nll / n), 1e-3);
  ASSERT_TRUE(quality.against);
  EXPECT_NEAR(quality.against->base_nll.mean, base_nll / n, 1e-5);
  EXPECT_NEAR(quality.against->nll_difference.mean, (nll - base_nll) / n, 1e-5);
  EXPECT_NEAR(quality.against->kld.mean, kld / n, 1e-5);
  EXPECT_GT(quality.against->kld.mean, 1e-4);
  EXPECT_NEAR(quality.against->same_top.mean, same / n, 1e-9);
  EXPECT_EQ(quality.against->klds.size(), static_cast<std::size_t>(n));
  EXPECT_LE(quality.against->kld_percentile(50), quality.against->kld_percentile(99));
  EXPECT_EQ(quality.against->kld_percentile(100), quality.against->klds.back());
}

TEST(Quality, AModelLosesNothingAgainstItself) {
  Pair pair;
  const auto base = running_base(*pair.whole, *pair.rt, pair.chunks);
  const Quality quality = measure_quality(*pair.whole, *pair.rt, pair.chunks, base.get());
  EXPECT_LT(quality.against->kld.mean, 1e-12);
  EXPECT_EQ(quality.against->same_top.mean, 1.0);
  EXPECT_EQ(quality.against->nll_difference.mean, 0.0);
}

TEST(Quality, AKeptBaseTellsAsMuchAsARunningOne) {
  Pair pair;
  const auto running = running_base(*pair.whole, *pair.rt, pair.chunks), kept = kept_base(*pair.whole, *pair.rt, pair.chunks);
  const Quality a = measure_quality(*pair.narrow, *pair.rt, pair.chunks, running.get()), b = measure_quality(*pair.narrow, *pair.rt, pair.chunks, kept.get());
  EXPECT_NEAR(a.against->kld.mean, b.against->kld.mean, 1e-3 * a.against->kld.mean);
  EXPECT_EQ(a.against->same_top.mean, b.against->same_top.mean);
  EXPECT_EQ(a.nll.mean, b.nll.mean);
}

TEST(TextChunks, AreWholeAndBeginWithBos) {
  const Folder folder;
  SmallModel{}.write(folder.file("in.gguf"));
  const Tokenizer tokenizer = load_tokenizer(open_checkpoint(folder.file("in.gguf")));
  const auto chunks = text_chunks(tokenizer, "abcdefghijklmnopqrstuvwxyz", 8, 0, "text");
  ASSERT_EQ(chunks.size(), 3u);  // BOS, a space that is unknown, 26 letters
  for (const auto& chunk : chunks) {
    EXPECT_EQ(chunk.size(), 8u);
    EXPECT_EQ(chunk[0], 1);
  }
  EXPECT_EQ(text_chunks(tokenizer, "abcdefghijklmnopqrstuvwxyz", 8, 2, "text").size(), 2u);
  EXPECT_THROW(text_chunks(tokenizer, "abc", 8, 0, "text"), Error);
}

}  // namespace
}  // namespace tashika
