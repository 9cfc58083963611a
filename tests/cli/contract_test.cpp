// The contract of the command line: outputs, exit codes, malformed use.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "io/npy.h"
#include "program.h"

namespace tashika::test {
namespace {

const std::string golden = TASHIKA_TEST_DATA "/golden/folders/llama_gqa_f32";

// A model folder with a tokenizer, shared by the tests of this file.
class Cli : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    make_model_folder(folder_->file("model"));
  }
  static void TearDownTestSuite() { delete folder_; }
  std::string model() const { return folder_->file("model"); }
  std::string path(const std::string& name) const { return folder_->file(name); }
  Json case_json() const { return parse_json(read_file(golden + "/case.json", 1 << 20), "case"); }
  static std::string joined(const Json& ids) {
    std::string out;
    for (const Json& id : ids.as_array()) out += cat(out.empty() ? "" : ",", id.as_integer());
    return out;
  }
  static TemporaryFolder* folder_;
};
TemporaryFolder* Cli::folder_ = nullptr;

TEST_F(Cli, LogitsAreTheReferencesInAnyChunkAndBatch) {
  const Json c = case_json();
  const Json& a = c["sequences"].as_array()[0];
  const Json& b = c["sequences"].as_array()[1];
  Outcome r = run_program({"logits", golden, "--ids", joined(a["ids"]), "-o", path("a.npy"), "--ids", joined(b["ids"]), "-o", path("b.npy"), "--compute", "f32"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.out, "");
  for (const auto& [mine, theirs] : {std::pair{path("a.npy"), golden + "/logits_0.npy"}, std::pair{path("b.npy"), golden + "/logits_1.npy"}}) {
    const NpyArray x = read_npy(mine), y = read_npy(theirs);
    ASSERT_EQ(x.shape, y.shape);
    const std::vector<float> fx = x.floats(), fy = y.floats();
    double most = 0;
    for (std::size_t i = 0; i < fx.size(); ++i) most = std::max(most, std::abs(static_cast<double>(fx[i]) - fy[i]));
    EXPECT_LT(most / c["spread"].as_double(), 1e-4);
  }
  r = run_program({"logits", golden, "--ids", joined(a["ids"]), "-o", path("c.npy"), "--compute=f32", "--chunk", "7", "-t", "2"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(read_file(path("c.npy"), 1 << 24), read_file(path("a.npy"), 1 << 24));
}

TEST_F(Cli, HiddenStatesAreTheReferences) {
  const Json c = case_json();
  const Outcome r = run_program({"hidden", golden, "--ids", joined(c["sequences"].as_array()[0]["ids"]), "-o", path("h.npy"), "--compute", "f32"});
  ASSERT_EQ(r.code, 0) << r.err;
  const NpyArray x = read_npy(path("h.npy")), y = read_npy(golden + "/hidden_0.npy");
  ASSERT_EQ(x.shape, y.shape);
  const std::vector<float> fx = x.floats(), fy = y.floats();
  for (std::size_t i = 0; i < fx.size(); ++i) ASSERT_NEAR(fx[i], fy[i], 1e-3 * (1 + std::abs(fy[i])));
  EXPECT_EQ(run_program({"hidden", golden, "--ids", "1", "-o", path("h.npy"), "--pooled", path("p.npy")}).code, 1);
}

TEST_F(Cli, EncodersGiveHiddenStatesAndPooledOutput) {
  const std::string encoder = TASHIKA_TEST_DATA "/golden/encoders/bert";
  const Json c = parse_json(read_file(encoder + "/case.json", 1 << 20), "case");
  std::vector<std::string> arguments{"hidden", encoder, "--pooled", path("pooled.npy"), "--compute", "f32"};
  for (std::size_t i = 0; i < 3; ++i) {
    const std::vector<std::string> more{"--ids", joined(c["sequences"].as_array()[i]["ids"]), "-o", path(cat("e", i, ".npy"))};
    arguments.insert(arguments.end(), more.begin(), more.end());
  }
  const Outcome r = run_program(arguments);
  ASSERT_EQ(r.code, 0) << r.err;
  for (const auto& [mine, theirs] : {std::pair{"e0", "hidden_0"}, {"e1", "hidden_1"}, {"e2", "hidden_2"}, {"pooled", "pooled"}}) {
    const NpyArray x = read_npy(path(cat(mine, ".npy"))), y = read_npy(cat(encoder, "/", theirs, ".npy"));
    ASSERT_EQ(x.shape, y.shape) << mine;
    const std::vector<float> fx = x.floats(), fy = y.floats();
    for (std::size_t i = 0; i < fx.size(); ++i) ASSERT_NEAR(fx[i], fy[i], 1e-4) << mine;
  }
  EXPECT_EQ(run_program({"hidden", encoder, "--ids", "1", "-o", path("e.npy"), "--pooled", path("a.npy"), "--pooled", path("b.npy")}).code, 2);
  EXPECT_EQ(run_program({"hidden", TASHIKA_TEST_DATA "/golden/encoders/t5_gated", "--ids", "1", "-o", path("e.npy"), "--pooled", path("a.npy")}).code, 1);
  EXPECT_EQ(run_program({"logits", encoder, "--ids", "1", "-o", path("e.npy")}).code, 1);
  const Outcome shown = run_program({"show", encoder, "--json", "--no-digests"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_EQ(parse_json(shown.out, "show")["role"].as_string(), "encoder");
}

TEST_F(Cli, GenerateGivesIds) {
  const Json c = case_json();
  const Json& greedy = c["greedy"];
  const std::string n = cat(greedy["ids"].as_array().size());
  Outcome r = run_program({"generate", golden, "--ids", joined(greedy["prompt"]), "-n", n, "--temp", "0", "--ignore-eos", "--json", "--compute", "f32"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.out, cat("{\"ids\":[", joined(greedy["ids"]), "]}\n"));
  r = run_program({"generate", golden, "--ids", joined(greedy["prompt"]), "--ids", "5", "-n", n, "--ignore-eos", "--json", "--compute", "f32", "--device", "ref"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(r.out.starts_with(cat("{\"ids\":[[", joined(greedy["ids"]), "],["))) << r.out;
  const Outcome one = run_program({"generate", golden, "--ids", "1,2", "--temp", "1", "-s", "7", "-n", "9"});
  EXPECT_EQ(one.out, run_program({"generate", golden, "--ids", "1,2", "--temp", "1", "-s", "7", "-n", "9", "-t", "3"}).out);
  EXPECT_NE(one.out, run_program({"generate", golden, "--ids", "1,2", "--temp", "1", "-s", "8", "-n", "9"}).out);
}

TEST_F(Cli, TokenizeAndBack) {
  EXPECT_EQ(run_program({"tokenize", model(), "Hi"}).out, R"({"ids":[1,43,76],"tokens":["<s>","H","i"]})" "\n");
  EXPECT_EQ(run_program({"tokenize", model(), "Hi", "--no-special", "--ids-only"}).out, "[43,76]\n");
  EXPECT_EQ(run_program({"tokenize", model(), "--ids-only"}, "Hi").out, "[1,43,76]\n");
  EXPECT_EQ(run_program({"tokenize", model(), "--ids-only"}, "").out, "[1]\n");
  EXPECT_EQ(run_program({"tokenize", model(), "</s>", "--no-special", "--ids-only"}).out, "[2]\n");
  EXPECT_EQ(run_program({"tokenize", model(), "</s>", "--no-special", "--as-text", "--ids-only"}).out, "[31,18,86,33]\n");
  EXPECT_EQ(run_program({"tokenize", model(), "- x", "--no-special", "--ids-only"}).out, "[16,3,91]\n");
  EXPECT_EQ(run_program({"tokenize", model(), "--no-special", "--ids-only", "--", "--json"}).out, "[16,16,77,86,82,81]\n");
  EXPECT_EQ(run_program({"tokenize", model(), "--lines", "--ids-only", "--no-special"}, "\"a\"\n\"b\"").out, "[68]\n[69]\n");
  EXPECT_EQ(run_program({"tokenize", "-m", model(), "a", "--no-special", "--ids-only"}).out, "[68]\n");
  EXPECT_EQ(run_program({"tokenize", "--no-special", "--ids-only"}, "a", {"TASHIKA_MODEL=" + model()}).out, "[68]\n");
  EXPECT_EQ(run_program({"tokenize", model(), "--lines"}, "\"a\"\nnope\n").code, 1);
  EXPECT_EQ(run_program({"detokenize", model(), "1", "43", "76"}).out, "<s>Hi");
  EXPECT_EQ(run_program({"detokenize", model(), "1", "43", "76", "--skip-special"}).out, "Hi");
  EXPECT_EQ(run_program({"detokenize", model(), "--lines"}, "[43,76]\n[68]\n").out, "\"Hi\"\n\"a\"\n");
  EXPECT_EQ(run_program({"detokenize", model(), "4000"}).code, 1);
}

TEST_F(Cli, TokenizerFilesAloneAreEnough) {
  std::filesystem::create_directories(path("only"));
  std::filesystem::copy_file(model() + "/tokenizer.json", path("only/tokenizer.json"), std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(run_program({"tokenize", path("only"), "a", "--no-special", "--ids-only"}).out, "[68]\n");
  EXPECT_EQ(run_program({"logits", path("only"), "--ids", "1", "-o", path("x.npy")}).code, 1);
}

TEST_F(Cli, RenderIsExact) {
  folder_->write("chat.json", R"([{"role":"user","content":"Hi"}])");
  folder_->write("tools.json", R"([{"b":1e-7,"a":1.0}])");
  EXPECT_EQ(run_program({"render", model(), "--messages", path("chat.json")}).out, "<s>[user] Hi\n[assistant] ");
  EXPECT_EQ(run_program({"render", model(), "--messages", path("chat.json"), "--no-generation-prompt"}).out, "<s>[user] Hi\n");
  EXPECT_EQ(run_program({"render", model(), "--messages", path("chat.json"), "--set", "bos_token=\"B\""}).out, "B[user] Hi\n[assistant] ");
  EXPECT_EQ(run_program({"render", model(), "--messages", path("chat.json"), "--tools", path("tools.json")}).out, R"([{"b": 1e-07, "a": 1.0}])");
  EXPECT_EQ(run_program({"render", model(), "--messages", path("chat.json"), "--set", "tools=[1]"}).out, "[1]");
  EXPECT_EQ(run_program({"render", model(), "--messages", path("chat.json"), "--tools", path("tools.json"), "--set", "tools=null"}).out, "<s>[user] Hi\n[assistant] ");
  folder_->write("bad.jinja", "{{ raise_exception('no such thing') }}");
  const Outcome raised = run_program({"render", model(), "--messages", path("chat.json"), "--template", path("bad.jinja")});
  EXPECT_EQ(raised.code, 1);
  EXPECT_EQ(raised.out, "");
  EXPECT_NE(raised.err.find("no such thing"), std::string::npos);
  const Outcome none = run_program({"render", golden, "--messages", path("chat.json")});
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.err.find("no chat template"), std::string::npos);
  const Outcome explained = run_program({"render", model(), "--messages", path("chat.json"), "--explain"});
  EXPECT_EQ(explained.code, 0) << explained.err;
  EXPECT_NE(explained.out.find("special 1 \"<s>\""), std::string::npos);
}

TEST_F(Cli, RunAnswers) {
  const std::vector<std::string> fixed = {"--temp", "0", "-n", "8", "--compute", "f32"};
  const auto run = [&](std::vector<std::string> arguments, const std::string& input = {}) {
    arguments.insert(arguments.end(), fixed.begin(), fixed.end());
    return run_program(arguments, input);
  };
  const Outcome a = run({"run", model(), "Hi you"});
  ASSERT_EQ(a.code, 0) << a.err;
  EXPECT_FALSE(a.out.empty());
  EXPECT_NE(a.out.back(), '\n');
  EXPECT_EQ(run({"run", model(), "-p", "Hi you"}).out, a.out);
  EXPECT_EQ(run({"run", model()}, "Hi you").out, a.out);
  EXPECT_EQ(run({"run", "-m", model(), "Hi you"}).out, a.out);
  EXPECT_EQ(run({"run", model(), "-p", "Hi"}, "there").out, run({"run", model(), "-p", "Hi\nthere"}).out);
  folder_->write("prompt.txt", "Hi you");
  EXPECT_EQ(run({"run", model(), "-f", path("prompt.txt")}).out, a.out);
  // The same through the other verbs.
  folder_->write("hi.json", R"([{"role":"user","content":"Hi you"}])");
  const std::string prompt = run_program({"render", model(), "--messages", path("hi.json")}).out;
  std::string ids = run_program({"tokenize", model(), "--no-special", "--ids-only", "--", prompt}).out;
  ids = ids.substr(1, ids.find(']') - 1);
  const Json out = parse_json(run({"generate", model(), "--ids", ids, "--json"}).out, "out");
  std::vector<std::string> words = {"detokenize", model(), "--skip-special"};
  for (const Json& id : out["ids"].as_array()) {
    if (id.as_integer() < 98) words.push_back(cat(id.as_integer()));  // the embedding has more rows than the tokenizer tokens
  }
  EXPECT_EQ(run_program(words).out, a.out);
  // Without a template the text is completed, and that is said.
  const Outcome raw = run({"run", model(), "--raw", "-p", "Hi"});
  EXPECT_EQ(raw.code, 0);
  EXPECT_EQ(raw.err, "");
  EXPECT_EQ(run({"run", model()}, "").code, 2);
  EXPECT_EQ(run({"run", model(), "a prompt", "-p", "another"}).code, 2);
  const Outcome unknown = run({"run", path("modle"), "-p", "x"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_NE(unknown.err.find("did you mean"), std::string::npos) << unknown.err;
  const Outcome full = run_program({"run", model(), "Hi you", "-c", "30", "--ignore-eos", "--temp", "0"});
  EXPECT_EQ(full.code, 1);
  EXPECT_NE(full.err.find("context"), std::string::npos);
  const Outcome told = run_program({"run", model(), "Hi you", "-n", "2", "--log", "info", "--stats", "--log-file", path("log.txt")});
  EXPECT_NE(told.err.find("temp 0.5, top_k 7 from"), std::string::npos) << told.err;
  EXPECT_NE(told.err.find("tokens/s"), std::string::npos) << told.err;
  EXPECT_NE(read_file(path("log.txt"), 1 << 20).find("temp 0.5"), std::string::npos);
}

TEST_F(Cli, ShowTells) {
  const Outcome r = run_program({"show", model(), "--json", "-c", "64"});
  ASSERT_EQ(r.code, 0) << r.err;
  const Json j = parse_json(r.out, "show");
  EXPECT_EQ(j["family"].as_string(), "llama");
  EXPECT_EQ(j["parameters"].as_integer(), 34840);
  EXPECT_EQ(j["memory"]["context"].as_integer(), 64);
  EXPECT_GT(j["memory"]["cache"].as_integer(), 0);
  EXPECT_EQ(j["tokenizer"]["source"].as_string(), "tokenizer.json");
  EXPECT_EQ(j["chat_templates"].as_array().size(), 2u);
  EXPECT_EQ(j["digests"]["config.json"].as_string().size(), 64u);
  EXPECT_EQ(j["sampling"]["top_k"].as_integer(), 7);
  const Outcome text = run_program({"show", golden});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("tokenizer     none"), std::string::npos) << text.out;
}

TEST_F(Cli, BenchMeasures) {
  const Outcome r = run_program({"bench", golden, "-p", "8", "-n", "4", "-r", "2", "-d", "0,8", "--batch", "1,2", "-t", "1", "--json"});
  ASSERT_EQ(r.code, 0) << r.err;
  const Json j = parse_json(r.out, "bench");
  EXPECT_EQ(j["threads"].as_integer(), 1);
  std::vector<std::string> tests;
  for (const Json& row : j["results"].as_array()) {
    tests.push_back(row["test"].as_string());
    EXPECT_GT(row["tokens_per_s"].as_double(), 0);
    EXPECT_GE(row["sd"].as_double(), 0);
  }
  EXPECT_EQ(tests, (std::vector<std::string>{"pp8", "tg4", "pp8@b2", "tg4@b2", "pp8@d8", "tg4@d8", "pp8@d8@b2", "tg4@d8@b2"}));
  const Outcome table = run_program({"bench", golden, "-p", "0", "-n", "2", "-r", "1", "--profile"});
  EXPECT_NE(table.out.find(" tg2 |"), std::string::npos) << table.out;
  EXPECT_EQ(table.out.find(" pp"), std::string::npos);
  EXPECT_NE(table.out.find("GFLOP/s"), std::string::npos);
  EXPECT_EQ(run_program({"bench", golden, "-p", "100000"}).code, 1);  // more than its context
}

TEST_F(Cli, EmbedGivesVectors) {
  const std::string folder = TASHIKA_TEST_DATA "/golden/embeddings/bert_mean";
  const std::vector<float> want = read_npy(folder + "/embeddings.npy").floats();
  const Json c = parse_json(read_file(folder + "/case.json", 1 << 20), "case");
  const std::string first = c["texts"].as_array()[0].as_string(), second = c["texts"].as_array()[1].as_string();
  const Outcome r = run_program({"embed", folder, first, second, "--json", "--compute", "f32"});
  ASSERT_EQ(r.code, 0) << r.err;
  const Json out = parse_json(r.out, "embed");
  ASSERT_EQ(out["embeddings"].as_array().size(), 2u);
  std::size_t at = 0;
  for (const Json& row : out["embeddings"].as_array()) {
    ASSERT_EQ(row.as_array().size(), 40u);
    for (const Json& x : row.as_array()) ASSERT_NEAR(x.as_double(), static_cast<double>(want[at++]), 1e-5);
  }
  const Outcome lines = run_program({"embed", folder, "-o", path("v.npy"), "--compute", "f32"}, first + "\n" + second + "\n");
  ASSERT_EQ(lines.code, 0) << lines.err;
  EXPECT_EQ(lines.out, "");
  EXPECT_EQ(read_npy(path("v.npy")).shape, (Shape{2, 40}));
  const Outcome plain = run_program({"embed", folder, first});
  EXPECT_EQ(std::count(plain.out.begin(), plain.out.end(), '\n'), 1);
  EXPECT_EQ(std::count(plain.out.begin(), plain.out.end(), ' '), 39);
  EXPECT_EQ(run_program({"embed", folder, first, "--pooling", "median"}).code, 2);
  EXPECT_EQ(run_program({"embed", folder, first, "--prompt-name", "query"}).code, 1);
  const Outcome none = run_program({"embed", golden, "text"});  // a folder without a tokenizer
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.err.find("tokenizer"), std::string::npos);
}

TEST_F(Cli, WrongUseIsTwo) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"logitz", golden},
      {"--nonsense"},
      {"logits"},
      {"logits", golden},
      {"logits", golden, "--ids", "1,2"},
      {"logits", golden, "--ids", "1,2", "--ids", "3", "-o", "x.npy"},
      {"logits", golden, "--ids", "1,x", "-o", "x.npy"},
      {"logits", golden, "--ids", "", "-o", "x.npy"},
      {"logits", golden, "--ids", "1", "-o", "x.npy", "--compute", "f16"},
      {"logits", golden, "--ids", "1", "-o", "x.npy", "--device", "gpu"},
      {"logits", golden, "--ids", "1", "-o", "x.npy", "--chunk", "-1"},
      {"logits", golden, "--ids", "1", "-o"},
      {"logits", golden, "extra", "--ids", "1", "-o", "x.npy"},
      {"generate", golden, "--ids", "1", "-n", "many"},
      {"generate", golden, "--ids", "1", "--top-p", "7"},
      {"generate", golden, "--ids", "1", "-t", "-3"},
      {"generate", golden, "--ids", "1", "--stop", "x"},
      {"generate", golden, "--ids", "1", "--mirostat", "1"},
      {"tokenize"},
      {"tokenize", golden, "a", "b"},
      {"tokenize", golden, "a", "--lines"},
      {"detokenize", golden},
      {"detokenize", golden, "one"},
      {"render", golden},
      {"render", golden, "--messages", "x.json", "--set", "novalue"},
      {"render", golden, "--messages", "x.json", "--set", "a=text"},
      {"bench", golden, "-r", "0"},
      {"bench", golden, "--batch", "0"},
      {"bench", golden, "-p", "a"},
      {"embed", golden},
      {"completion", "tcsh"},
      {"completion"},
      {"show", golden, "--log", "loud"},
  };
  for (const auto& arguments : wrong) {
    const Outcome r = run_program(arguments);
    std::string line;
    for (const std::string& a : arguments) line += a + " ";
    EXPECT_EQ(r.code, 2) << line << r.err;
    EXPECT_EQ(r.out, "") << line;
    EXPECT_FALSE(r.err.empty()) << line;
  }
  const Outcome isa = run_program({"generate", golden, "--ids", "1", "-n", "1"}, "", {"TASHIKA_ISA=mmx"});
  EXPECT_EQ(isa.code, 2) << isa.err;
}

TEST_F(Cli, WhatTheModelShowsIsOne) {
  folder_->write("broken/config.json", "{");
  const std::vector<std::vector<std::string>> wrong = {
      {"logits", golden, "--ids", "109", "-o", path("x.npy")},
      {"logits", golden, "--ids", "99999999999", "-o", path("x.npy")},
      {"logits", golden, "--ids", "-1", "-o", path("x.npy")},
      {"logits", golden, "--ids", "1", "-o", path("no/such/folder/x.npy")},
      {"logits", path("broken"), "--ids", "1", "-o", path("x.npy")},
      {"logits", path("nothing-here"), "--ids", "1", "-o", path("x.npy")},
      {"tokenize", golden, "a"},
      {"run", "no/such-model", "-p", "x"},
      {"generate", golden, "--ids", "1,2,3,4,5", "-c", "4"},
      {"generate", golden, "--ids", "1,2", "-c", "4", "-n", "9", "--ignore-eos"},
      {"render", model(), "--messages", path("absent.json")},
  };
  for (const auto& arguments : wrong) {
    const Outcome r = run_program(arguments);
    EXPECT_EQ(r.code, 1) << arguments[0] << " " << arguments[2] << r.err;
    EXPECT_FALSE(r.err.empty());
  }
}

TEST_F(Cli, SuggestionsAndHelp) {
  EXPECT_NE(run_program({"generat", "x"}).err.find("did you mean generate?"), std::string::npos);
  EXPECT_NE(run_program({"generate", golden, "--tempp", "0"}).err.find("did you mean --temp?"), std::string::npos);
  const Outcome help = run_program({"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* verb : {"run", "tokenize", "detokenize", "render", "logits", "hidden", "embed", "generate", "show", "bench", "completion"}) {
    EXPECT_NE(help.out.find(cat("\n  ", verb, " ")), std::string::npos) << verb;
    const Outcome one = run_program({verb, "--help"});
    EXPECT_EQ(one.code, 0);
    EXPECT_EQ(one.err, "");
    EXPECT_NE(one.out.find("Examples"), std::string::npos) << verb;
    EXPECT_NE(one.out.find("--log-file"), std::string::npos) << verb;
    EXPECT_EQ(run_program({"help", verb}).out, one.out);
    const Outcome man = run_program({"completion", "man", verb});
    EXPECT_EQ(man.code, 0);
    EXPECT_TRUE(man.out.starts_with(".TH TASHIKA-")) << verb;
  }
  for (const char* verb : {"run", "logits", "hidden", "generate", "show", "bench", "embed"}) {
    const std::string text = run_program({verb, "--help"}).out;
    for (const char* option : {"-t, --threads", "--compute auto|f32", "--device"}) EXPECT_NE(text.find(option), std::string::npos) << verb << " " << option;
  }
  const Outcome version = run_program({"--version"});
  EXPECT_EQ(version.code, 0);
  for (const char* word : {"tashika ", "commit ", "compiler ", "instruction sets "}) EXPECT_NE(version.out.find(word), std::string::npos);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome r = run_program({"completion", shell});
    EXPECT_EQ(r.code, 0);
    EXPECT_NE(r.out.find("top-k"), std::string::npos);
  }
}

TEST_F(Cli, EnvironmentTwinsGiveWayToArguments) {
  EXPECT_EQ(run_program({"generate", golden, "--ids", "1", "--ignore-eos"}, "", {"TASHIKA_N_PREDICT=3"}).out,
            run_program({"generate", golden, "--ids", "1", "--ignore-eos", "-n", "3"}).out);
  EXPECT_EQ(run_program({"generate", golden, "--ids", "1", "--ignore-eos", "-n", "2"}, "", {"TASHIKA_N_PREDICT=3"}).out,
            run_program({"generate", golden, "--ids", "1", "--ignore-eos", "-n", "2"}).out);
  const Outcome bad = run_program({"generate", golden, "--ids", "1"}, "", {"TASHIKA_TOP_K=x"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_NE(bad.err.find("TASHIKA_TOP_K"), std::string::npos);
}

TEST_F(Cli, FindsModelsInTheHubCache) {
  const std::string hub = path("hub");
  const std::string snapshot = hub + "/models--some--tiny/snapshots/0123abc";
  make_model_folder(snapshot);
  std::filesystem::create_directories(hub + "/models--some--tiny/refs");
  folder_->write("hub/models--some--tiny/refs/main", "0123abc");
  for (const std::string& variable : {"HF_HUB_CACHE=" + hub, "HF_HOME=" + path("")}) {
    const Outcome r = run_program({"tokenize", "some/tiny", "a", "--no-special", "--ids-only"}, "", {variable});
    EXPECT_EQ(r.out, "[68]\n") << r.err;
  }
  const Outcome near = run_program({"tokenize", "some/tinny", "a"}, "", {"HF_HUB_CACHE=" + hub});
  EXPECT_EQ(near.code, 1);
  EXPECT_NE(near.err.find("did you mean \"some/tiny\"?"), std::string::npos) << near.err;
  EXPECT_EQ(run_program({"tokenize", "some/tiny:q4_k_m", "a"}, "", {"HF_HUB_CACHE=" + hub}).code, 1);
}

}  // namespace
}  // namespace tashika::test
