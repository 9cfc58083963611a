// The searched mix keeps its limit, cannot be lowered anywhere, and beats the uniform types.
#include "compress/search.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "checkpoint/tokenizer_files.h"
#include "compress/card.h"
#include "compress/support.h"
#include "compress/text_chunks.h"

namespace tashika {
namespace {

std::string letters(std::size_t n) {
  std::string text;
  std::mt19937 random(21);
  while (text.size() < n) text += static_cast<char>('!' + random() % 90);
  return text;
}

TEST(Search, KeepsTheLimitAndCannotBeLowered) {
  const Folder folder;
  SmallModel small;
  small.layers = 1;
  small.inner = 256;
  small.write(folder.file("in.gguf"));
  const auto rt = runtime_of(2);
  const Checkpoint checkpoint = open_checkpoint(folder.file("in.gguf"));
  const GgufForm form = gguf_form(checkpoint);
  const auto model = load_language_model(checkpoint, *rt);
  const auto chunks = text_chunks(load_tokenizer(checkpoint), letters(120), 40, 2, "text");
  const auto untouched = measure_quality(*model, *rt, chunks, nullptr).nll.mean;

  SearchOptions options;
  options.max_kld = 0.004;
  const SearchResult found = search_mix(checkpoint, form, *model, chunks, options, *rt);
  EXPECT_LE(found.quality.against->kld.mean, options.max_kld);
  EXPECT_GT(found.quality.against->kld.mean, 0.3 * options.max_kld);
  ASSERT_TRUE(found.uniform);
  EXPECT_LT(found.bytes, found.uniform_bytes);
  EXPECT_EQ(measure_quality(*model, *rt, chunks, nullptr).nll.mean, untouched) << "the model has its own weights again";

  // The figures are those of the file that is written.
  QuantizeOptions write;
  write.types = found.types;
  const QuantizePlan plan = plan_quantize(form, write);
  EXPECT_EQ(plan.bytes_after, found.bytes);
  write.type = nearest_mix(plan);
  write_quantized(form, plan, write, folder.file("out.gguf"), *rt);
  const auto written = load_language_model(open_checkpoint(folder.file("out.gguf")), *rt);
  const auto base = running_base(*model, *rt, chunks);
  const Quality quality = measure_quality(*written, *rt, chunks, base.get());
  EXPECT_NEAR(quality.against->kld.mean, found.quality.against->kld.mean, 1e-6);
  EXPECT_EQ(quality.nll.mean, found.quality.nll.mean);

  int lowered = 0;
  for (std::size_t i = 0; i < form.tensors.size(); ++i) {
    if (!may_quantise(form.tensors[i])) continue;
    const std::vector<DType> ladder = type_ladder(form.tensors[i]);
    const auto at = std::ranges::find(ladder, found.types[i]);
    ASSERT_NE(at, ladder.end());
    if (at == ladder.begin()) continue;
    std::vector<DType> types = found.types;
    types[i] = *(at - 1);
    EXPECT_GT(measure_types(checkpoint, form, *model, chunks, types, nullptr, *rt).against->kld.mean, options.max_kld) << form.tensors[i].name;
    ++lowered;
  }
  EXPECT_GE(lowered, 5);
}

TEST(Search, RefusesWhatIsQuantisedAlready) {
  const Folder folder;
  SmallModel small;
  small.layers = 1;
  small.type = find_dtype("q8_0");
  small.write(folder.file("in.gguf"));
  const auto rt = runtime_of(1);
  const Checkpoint checkpoint = open_checkpoint(folder.file("in.gguf"));
  const auto model = load_language_model(checkpoint, *rt);
  const auto chunks = text_chunks(load_tokenizer(checkpoint), letters(50), 40, 1, "text");
  SearchOptions options;
  options.max_kld = 0.01;
  EXPECT_THROW(search_mix(checkpoint, gguf_form(checkpoint), *model, chunks, options, *rt), Error);
}

TEST(Search, LaddersAscendAndEndWithTheTensorsOwnType) {
  const auto names = [](const WeightInfo& tensor) {
    std::string out;
    for (const DType type : type_ladder(tensor)) out += cat(out.empty() ? "" : " ", type->name);
    return out;
  };
  EXPECT_EQ(names({"blk.0.ffn_up.weight", bf16, Shape{64, 256}}), "q2_k q3_k iq4_xs q4_k q5_k q6_k q8_0 bf16");
  EXPECT_EQ(names({"blk.0.ffn_up.weight", f32, Shape{64, 96}}), "iq4_nl q5_0 q5_1 q8_0 f32");
  EXPECT_EQ(names({"blk.0.ffn_up.weight", f16, Shape{64, 40}}), "f16");
}

TEST(Card, IsReadBackFromTheFile) {
  const Folder folder;
  Quality quality;
  quality.chunks = 2;
  quality.context = 512;
  quality.positions = 510;
  quality.nll = {1.5, 0.1};
  quality.against = Divergence{{1.4, 0.1}, {0.1, 0.01}, {0.02, 0.001}, {0.0f, 0.01f, 0.05f}, {0.9, 0.01}, {0, 0}, 0.1};
  SmallModel small;
  small.write(folder.file("in.gguf"));
  GgufForm form = gguf_form(open_checkpoint(folder.file("in.gguf")));
  add_card(form.fields, quality, {"in.gguf", "text.txt", std::string(64, 'a'), 0.03});
  QuantizeOptions options;
  options.type = find_mix_type("q8_0");
  const auto rt = runtime_of(1);
  write_quantized(form, plan_quantize(form, options), options, folder.file("out.gguf"), *rt);
  EXPECT_TRUE(read_card(open_checkpoint(folder.file("in.gguf")).meta.values).is_null());
  const Json card = read_card(open_checkpoint(folder.file("out.gguf")).meta.values);
  EXPECT_EQ(card["kld_mean"], Json(0.02));
  EXPECT_EQ(card["kld_limit"], Json(0.03));
  EXPECT_EQ(card["calibration"], Json("text.txt"));
  EXPECT_EQ(card["positions"], Json(510));
  EXPECT_EQ(card["same_top"], Json(0.9));
}

}  // namespace
}  // namespace tashika
