// Quantising GGUF files: the file that comes out, whatever the number of threads.
#include "compress/quantize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/thread_pool.h"
#include "compress/support.h"

namespace tashika {
namespace {

QuantizeOptions to(std::string_view type) {
  QuantizeOptions options;
  options.type = find_mix_type(type);
  return options;
}

void quantize(const std::string& in, const std::string& out, const QuantizeOptions& options, int threads = 2) {
  const auto rt = runtime_of(threads);
  rt->pool().force_grain_one(true);
  const GgufForm form = gguf_form(open_checkpoint(in));
  write_quantized(form, plan_quantize(form, options), options, out, *rt);
}

std::vector<float> values_of(const Checkpoint& checkpoint, std::string_view name, Runtime& rt) { return checkpoint.weights->load(name, rt).to_host(); }

double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, square = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    square += double{a[i]} * a[i];
  }
  return std::sqrt(error / square);
}

TEST(Quantize, EveryTypeGivesAFileThatLoadsWithTheErrorOfItsBits) {
  const Folder folder;
  SmallModel{}.write(folder.file("in.gguf"));
  const auto rt = runtime_of(2);
  const Checkpoint in = open_checkpoint(folder.file("in.gguf"));
  for (const MixType& type : mix_types()) {
    quantize(folder.file("in.gguf"), folder.file("out.gguf"), to(type.name));
    const Checkpoint out = open_checkpoint(folder.file("out.gguf"));
    EXPECT_EQ(out.meta.values["general.file_type"], Json(type.gguf_number)) << type.name;
    EXPECT_EQ(out.meta.values["general.quantization_version"], Json(2)) << type.name;
    EXPECT_EQ(out.meta.values["general.name"], Json("small"));
    EXPECT_EQ(out.gguf->texts("tokenizer.ggml.tokens")->size(), 96u);
    EXPECT_NO_THROW(load_language_model(out, *rt)) << type.name;
    const DType stored = out.weights->find("blk.1.ffn_up.weight")->dtype;
    EXPECT_EQ(stored->name, type.base);
    EXPECT_EQ(out.weights->find("blk.1.ffn_norm.weight")->dtype, DType(f32));
    // Half a step of a uniform quantiser over ± 3 sigma, generously.
    const double bits = stored->bytes * 8.0 / stored->block;
    const double bound = bits > 12 ? 0.005 : 2.0 / std::exp2(bits - 1.0);
    EXPECT_LT(relative_error(values_of(in, "blk.1.ffn_up.weight", *rt), values_of(out, "blk.1.ffn_up.weight", *rt)), bound) << type.name;
  }
}

TEST(Quantize, AnyNumberOfThreadsGivesTheSameBytes) {
  const Folder folder;
  SmallModel{}.write(folder.file("in.gguf"));
  for (const char* type : {"q4_k_m", "iq4_xs", "q8_0"}) {
    quantize(folder.file("in.gguf"), folder.file("one.gguf"), to(type), 1);
    const std::string one = bytes_of_file(folder.file("one.gguf"));
    for (const int threads : {2, 5}) {
      quantize(folder.file("in.gguf"), folder.file("many.gguf"), to(type), threads);
      EXPECT_TRUE(bytes_of_file(folder.file("many.gguf")) == one) << type << " with " << threads;
    }
  }
}

TEST(Quantize, ATypeThatIsThereAlreadyIsCopiedAndOthersAreRefused) {
  const Folder folder;
  SmallModel{}.write(folder.file("in.gguf"));
  quantize(folder.file("in.gguf"), folder.file("q4.gguf"), to("q4_k_m"));
  quantize(folder.file("q4.gguf"), folder.file("again.gguf"), to("q4_k_m"));
  EXPECT_TRUE(bytes_of_file(folder.file("again.gguf")) == bytes_of_file(folder.file("q4.gguf")));
  try {
    quantize(folder.file("q4.gguf"), folder.file("q8.gguf"), to("q8_0"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("--allow-requantize"), std::string::npos) << error.message();
  }
  EXPECT_EQ(file_type(folder.file("q8.gguf")), FileType::none);
  QuantizeOptions options = to("q8_0");
  options.allow_requantize = true;
  quantize(folder.file("q4.gguf"), folder.file("q8.gguf"), options);
  quantize(folder.file("q4.gguf"), folder.file("wide.gguf"), to("f32"));  // adds no error
  const auto rt = runtime_of(1);
  const Checkpoint q4 = open_checkpoint(folder.file("q4.gguf")), wide = open_checkpoint(folder.file("wide.gguf"));
  EXPECT_EQ(values_of(q4, "blk.0.attn_q.weight", *rt), values_of(wide, "blk.0.attn_q.weight", *rt));
}

TEST(Quantize, NamedTypesWinOverTheMix) {
  const Folder folder;
  SmallModel{}.write(folder.file("in.gguf"));
  QuantizeOptions options = to("q4_k_m");
  options.head = find_dtype("q8_0");
  options.embedding = f16;
  options.tensor_types = {{"attn_q", find_dtype("q5_k")}, {"blk.1.", find_dtype("q6_k")}};
  const GgufForm form = gguf_form(open_checkpoint(folder.file("in.gguf")));
  std::map<std::string, std::string> types;
  for (const PlannedTensor& tensor : plan_quantize(form, options).tensors) types[tensor.info.name] = tensor.info.dtype->name;
  EXPECT_EQ(types["output.weight"], "q8_0");
  EXPECT_EQ(types["token_embd.weight"], "f16");
  EXPECT_EQ(types["blk.1.attn_q.weight"], "q5_k");
  EXPECT_EQ(types["blk.1.ffn_up.weight"], "q6_k");
  EXPECT_EQ(types["blk.1.ffn_norm.weight"], "f32");
  EXPECT_EQ(types["blk.0.ffn_up.weight"], "q4_k");
  options = to("q4_k_m");
  options.pure = true;
  for (const PlannedTensor& tensor : plan_quantize(form, options).tensors) {
    EXPECT_EQ(tensor.info.dtype->name, tensor.info.shape.rank() == 1 ? "f32" : "q4_k") << tensor.info.name;
  }
}

TEST(Quantize, AValueThatIsNoNumberIsAnErrorThatNamesItsPlaceAndLeavesNoFile) {
  const Folder folder;
  SmallModel{}.write(folder.file("in.gguf"), "blk.1.attn_k.weight");
  for (const int threads : {1, 4}) {
    try {
      quantize(folder.file("in.gguf"), folder.file("out.gguf"), to("q4_k_m"), threads);
      FAIL();
    } catch (const Error& error) {
      EXPECT_NE(error.message().find("blk.1.attn_k.weight, row 127"), std::string::npos) << error.message();
    }
    EXPECT_EQ(file_type(folder.file("out.gguf")), FileType::none);
  }
}

TEST(Quantize, ImportanceMakesTheErrorOfImportantColumnsSmaller) {
  const Folder folder;
  SmallModel{}.write(folder.file("in.gguf"));
  const std::string name = "blk.0.ffn_up.weight";
  std::vector<float> importance(256, 0.01f);
  for (std::size_t i = 0; i < importance.size(); i += 8) importance[i] = 10.0f;
  const ColumnImportance matrix{{name, importance}};
  const auto rt = runtime_of(2);
  const std::vector<float> original = values_of(open_checkpoint(folder.file("in.gguf")), name, *rt);
  const auto weighted_error = [&](const std::string& path) {
    const std::vector<float> values = values_of(open_checkpoint(path), name, *rt);
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += importance[i % 256] * (double{values[i]} - original[i]) * (double{values[i]} - original[i]);
    return std::sqrt(sum);
  };
  for (const char* type : {"q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k_s", "q4_k_s", "q5_k_s", "q6_k", "iq4_nl", "iq4_xs"}) {
    QuantizeOptions options = to(type);
    options.pure = true;
    quantize(folder.file("in.gguf"), folder.file("plain.gguf"), options);
    options.importance = &matrix;
    quantize(folder.file("in.gguf"), folder.file("weighted.gguf"), options);
    EXPECT_LT(weighted_error(folder.file("weighted.gguf")), 0.95 * weighted_error(folder.file("plain.gguf"))) << type;
  }
  QuantizeOptions options = to("q4_k_m");
  const ColumnImportance wrong{{name, std::vector<float>(255, 1.0f)}};
  options.importance = &wrong;
  const GgufForm form = gguf_form(open_checkpoint(folder.file("in.gguf")));
  EXPECT_THROW(plan_quantize(form, options), Error);
  options.importance = &matrix;
  EXPECT_EQ(plan_quantize(form, options).without_importance.size(), 13u);  // of fourteen matrices in the layers
}

}  // namespace
}  // namespace tashika
