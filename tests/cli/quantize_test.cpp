// `quantize` and `perplexity` as their users drive them.
#include <gtest/gtest.h>

#include <fstream>

#include "base/json.h"
#include "cli/program.h"

namespace tashika::test {
namespace {

const std::string folder_model = TASHIKA_TEST_DATA "/train/llama/model";  // without a tokenizer
const std::string standin = TASHIKA_STANDIN;

std::string some_text() {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "The quick brown fox " + std::to_string(i * 7919 % 1000) + " jumps over it.\n";
  return text;
}

TEST(QuantizeVerb, WritesAFolderAsAFileThatRuns) {
  const TemporaryFolder folder;
  const std::string wide = folder.file("wide.gguf");
  const Outcome first = run_program({"quantize", folder_model, wide, "--type", "F32"});
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_NE(first.err.find("no tokenizer"), std::string::npos) << first.err;
  const auto ids = [](const std::string& which) { return run_program({"generate", which, "--ids", "1,5,9", "-n", "6", "--compute", "f32", "--json"}).out; };
  EXPECT_NE(ids(wide), "");
  EXPECT_EQ(ids(wide), ids(folder_model));
  EXPECT_EQ(run_program({"show", wide}).code, 0);
}

TEST(QuantizeVerb, RefusesWhatWouldAddErrorToError) {
  const TemporaryFolder folder;
  const std::string out = folder.file("out.gguf");
  const Outcome twice = run_program({"quantize", standin, out, "--type", "q4_0"});
  EXPECT_EQ(twice.code, 1);
  EXPECT_NE(twice.err.find("--allow-requantize"), std::string::npos) << twice.err;
  const Outcome once = run_program({"quantize", standin, out, "--type", "q4_0", "--allow-requantize", "--json"});
  ASSERT_EQ(once.code, 0) << once.err;
  const Json listing = parse_json(once.out, "out");
  EXPECT_LT(listing["bytes_after"].as_integer(), listing["bytes_before"].as_integer());
  EXPECT_EQ(run_program({"quantize", out, out, "--type", "q8_0"}).code, 2);
}

TEST(QuantizeVerb, DryRunWritesNothingAndWrongUseIsTwo) {
  const TemporaryFolder folder;
  const Outcome dry = run_program({"quantize", folder_model, "--type", "q4_k_m", "--dry-run", "--json"});
  ASSERT_EQ(dry.code, 0) << dry.err;
  EXPECT_GT(parse_json(dry.out, "out")["tensors"].as_array().size(), 10u);
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"quantize", folder_model, folder.file("o.gguf")}, {"quantize", folder_model, "--type", "q4_k_m"},
        {"quantize", folder_model, folder.file("o.gguf"), "--type", "q9"}, {"quantize", folder_model, folder.file("o.gguf"), "--max-kld", "0.1"},
        {"quantize", folder_model, folder.file("o.gguf"), "--max-kld", "x", "--calibrate", "t"}, {"quantize", folder_model, folder.file("o.gguf"), "--type", "q8_0", "--tensor-type", "q4"},
        {"perplexity", folder_model}}) {
    EXPECT_EQ(run_program(arguments).code, 2) << arguments.back();
  }
  EXPECT_FALSE(std::ifstream(folder.file("o.gguf")));
}

TEST(QuantizeVerb, MeasuresAndShowsWhatIsLost) {
  const TemporaryFolder folder;
  folder.write("text.txt", some_text());
  const std::string text = folder.file("text.txt"), out = folder.file("out.gguf"), matrix = folder.file("imatrix.gguf"), model = folder.file("wide.gguf");
  ASSERT_EQ(run_program({"quantize", standin, model, "--type", "f32"}).code, 0);
  const Outcome quantised = run_program({"quantize", model, out, "--type", "q4_0", "--imatrix", text, "--imatrix-save", matrix, "-c", "32", "--chunks", "4", "--calibrate", text});
  ASSERT_EQ(quantised.code, 0) << quantised.err;
  const Json card = parse_json(run_program({"show", out, "--json", "--no-digests"}).out, "show")["quality"];
  ASSERT_TRUE(card.is_object());
  EXPECT_GT(card["kld_mean"].as_double(), 0.0);
  EXPECT_EQ(card["calibration"], Json("text.txt"));
  EXPECT_NE(run_program({"show", out}).out.find("mean KL divergence"), std::string::npos);
  const Json measured = parse_json(run_program({"perplexity", out, text, "-c", "32", "--chunks", "4", "--kl-divergence", model, "--json"}).out, "out");
  EXPECT_NEAR(measured["against"]["kld"].as_double(), card["kld_mean"].as_double(), 0.02 * card["kld_mean"].as_double());
  EXPECT_NEAR(measured["perplexity"].as_double(), card["perplexity"].as_double(), 0.02 * card["perplexity"].as_double());
  EXPECT_EQ(run_program({"quantize", model, out, "--type", "q4_0", "--imatrix", matrix}).code, 0);
  const Outcome searched = run_program({"quantize", model, out, "--max-kld", "0.01", "--calibrate", text, "-c", "32"});
  ASSERT_EQ(searched.code, 0) << searched.err;
  EXPECT_LE(parse_json(run_program({"show", out, "--json", "--no-digests"}).out, "show")["quality"]["kld_mean"].as_double(), 0.01);
}

}  // namespace
}  // namespace tashika::test
