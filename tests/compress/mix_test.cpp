// The mixes give every tensor the type that llama.cpp's quantiser gives it. Fixture: tools/fixtures/quantize_mixes.py.
#include "compress/mix.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "quant/formats.h"

namespace tashika {
namespace {

struct Model {
  std::string name;
  std::int64_t layers = 0, heads = 0, kv_heads = 0, experts = 0, width = 0, inner = 0;
  bool tied = false, fused = false;

  std::vector<WeightInfo> tensors() const {
    constexpr std::int64_t vocab = 32;
    const std::int64_t kv = width / heads * kv_heads;
    std::vector<WeightInfo> out{{"token_embd.weight", f16, Shape{vocab, width}}, {"output_norm.weight", f32, Shape{width}}};
    if (!tied) out.push_back({"output.weight", f16, Shape{vocab, width}});
    for (std::int64_t i = 0; i < layers; ++i) {
      const auto add = [&](std::string_view tensor, const Shape& shape) {
        const bool kept = shape.rank() == 1 || tensor == "ffn_gate_inp";
        out.push_back({cat("blk.", i, ".", tensor, ".weight"), kept ? f32 : f16, shape});
      };
      add("attn_norm", Shape{width});
      add("ffn_norm", Shape{width});
      if (fused) {
        add("attn_qkv", Shape{width + 2 * kv, width});
      } else {
        add("attn_q", Shape{width, width});
        add("attn_k", Shape{kv, width});
        add("attn_v", Shape{kv, width});
      }
      add("attn_output", Shape{width, width});
      if (experts > 0) {
        add("ffn_gate_inp", Shape{experts, width});
        add("ffn_gate_exps", Shape{experts, inner, width});
        add("ffn_up_exps", Shape{experts, inner, width});
        add("ffn_down_exps", Shape{experts, width, inner});
      } else if (fused) {
        add("ffn_up", Shape{2 * inner, width});
        add("ffn_down", Shape{width, inner});
      } else {
        add("ffn_gate", Shape{inner, width});
        add("ffn_up", Shape{inner, width});
        add("ffn_down", Shape{width, inner});
      }
    }
    return out;
  }
};

char letter(DType type) {
  static const std::map<std::string_view, char> letters = {
      {"f32", 'F'},  {"f16", 'H'},  {"bf16", 'B'}, {"q4_0", 'a'}, {"q4_1", 'b'}, {"q5_0", 'c'},   {"q5_1", 'd'},
      {"q8_0", '8'}, {"q2_k", '2'}, {"q3_k", '3'}, {"q4_k", '4'}, {"q5_k", '5'}, {"q6_k", '6'}, {"iq4_nl", 'n'}, {"iq4_xs", 'x'}};
  return letters.at(type->name);
}

TEST(Mix, GivesEveryTensorTheTypeOfTheReference) {
  std::ifstream in(std::string(TASHIKA_TEST_DATA) + "/compress/mixes.txt");
  ASSERT_TRUE(in);
  Model model;
  int compared = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string first, expected;
    words >> first;
    if (first == "model") {
      words >> model.name >> model.layers >> model.heads >> model.kv_heads >> model.experts >> model.width >> model.inner >> model.tied >> model.fused;
      continue;
    }
    words >> expected;
    const std::vector<WeightInfo> tensors = model.tensors();
    const MixFacts facts{"any", model.layers, model.heads, model.kv_heads, model.experts, false};
    std::string got;
    for (const DType type : choose_types(find_mix_type(first), tensors, facts)) got += letter(type);
    EXPECT_EQ(got, expected) << model.name << " " << first;
    // The rules that count tensors count them by layer and name, whatever their order in the file.
    std::vector<WeightInfo> reversed(tensors.rbegin(), tensors.rend());
    std::string backwards;
    for (const DType type : choose_types(find_mix_type(first), reversed, facts)) backwards += letter(type);
    EXPECT_EQ(backwards, std::string(expected.rbegin(), expected.rend())) << model.name << " " << first;
    ++compared;
  }
  EXPECT_EQ(compared, 8 * 18);
}

TEST(Mix, ImportanceChangesTheFirstLayersOnly) {
  const Model model{"dense", 16, 8, 8, 0, 256, 256, false, false};
  const std::vector<WeightInfo> tensors = model.tensors();
  MixFacts facts{"any", model.layers, model.heads, model.kv_heads, 0, true};
  const auto type_of = [&](std::string_view mix, std::string_view tensor) {
    const std::vector<DType> types = choose_types(find_mix_type(mix), tensors, facts);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].name == tensor) return std::string(types[i]->name);
    }
    return std::string();
  };
  EXPECT_EQ(type_of("q4_0", "blk.1.ffn_down.weight"), "q4_1");
  EXPECT_EQ(type_of("q4_0", "blk.2.ffn_down.weight"), "q4_0");
  EXPECT_EQ(type_of("q5_0", "blk.0.ffn_down.weight"), "q5_1");
  EXPECT_EQ(type_of("iq4_xs", "blk.0.ffn_down.weight"), "iq4_xs");
  facts.importance = false;
  EXPECT_EQ(type_of("q4_0", "blk.1.ffn_down.weight"), "q4_0");
  EXPECT_EQ(type_of("iq4_xs", "blk.0.ffn_down.weight"), "q5_k");
}

TEST(Mix, NamesAreFoundInAnyCaseAndOthersRefused) {
  EXPECT_EQ(find_mix_type("Q4_K_M").gguf_number, 15);
  EXPECT_EQ(find_mix_type("q4_k").name, "q4_k_m");
  EXPECT_EQ(find_mix_type("BF16").gguf_number, 32);
  try {
    find_mix_type("q4_k_xl");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(error.message().find("q4_k_m"), std::string::npos);
  }
  EXPECT_THROW(find_tensor_type("i32", "--tensor-type"), Error);
  EXPECT_EQ(find_tensor_type("Q6_K", "--tensor-type"), find_dtype("q6_k"));
}

}  // namespace
}  // namespace tashika
