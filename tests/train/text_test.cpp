// Rows of text: prompts, conversations and plain files through a tokenizer and a chat template.
#include "train/text.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "support/runtimes.h"
#include "train/bpe_training.h"
#include "train/trainer.h"

namespace tashika {
namespace {

constexpr std::string_view plain_template =
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
constexpr std::string_view marking_template =
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}</s>{% endgeneration %}"
    "{% else %}{{ m.content }}</s>{% endif %}{% endfor %}";

// A folder with a byte-level tokenizer and, perhaps, a template.
Checkpoint text_folder(std::string_view chat_template) {
  const std::string folder = join_path(testing::TempDir(), "text_rows");
  std::filesystem::remove_all(folder);
  make_directories(folder);
  WordCounter words(TokenizerKind::byte_level);
  words.add("the cat sat on the mat, the cat sat");
  BpeTraining options;
  options.vocab_size = 300;
  options.special_tokens = {"<s>", "</s>", "<|user|>", "<|assistant|>"};
  const TrainedBpe trained = train_tokenizer(words.counts(), TokenizerKind::byte_level, options);
  write_file(join_path(folder, "tokenizer.json"), dump_json(tokenizer_json(trained, TokenizerKind::byte_level, options.special_tokens)));
  write_file(join_path(folder, "tokenizer_config.json"), R"({"eos_token":"</s>","bos_token":"<s>"})");
  if (!chat_template.empty()) write_file(join_path(folder, "chat_template.jinja"), chat_template);
  return open_checkpoint(folder);
}

// The learnt part of a row as text.
std::string learnt(const Checkpoint& c, const TrainingRow& row) {
  const Tokenizer tokenizer = [&] {
    const std::string path = join_path(c.path, "tokenizer.json");
    return tokenizer_from_json(parse_json(read_file(path, 1 << 20), path), nullptr, path);
  }();
  std::string out;
  std::vector<TokenId> run;
  for (std::size_t i = 0; i < row.ids.size(); ++i) {
    if (row.labels[i] != ignored_label) {
      EXPECT_EQ(row.labels[i], row.ids[i]);
      run.push_back(row.ids[i]);
    }
    if (!run.empty() && (row.labels[i] == ignored_label || i + 1 == row.ids.size())) {
      out += "[" + tokenizer.decode(run) + "]";
      run.clear();
    }
  }
  return out;
}

TEST(TextRows, AnswersOfAConversationAreLearnt) {
  const Json row = parse_json(R"({"messages":[{"role":"user","content":"the cat"},{"role":"assistant","content":"sat"},
    {"role":"user","content":"on"},{"role":"assistant","content":"the mat"}]})", "row");
  for (const std::string_view source : {plain_template, marking_template}) {
    const Checkpoint c = text_folder(source);
    EXPECT_EQ(learnt(c, TextRows(c, LossOn::answers).row(row, "row")), "[sat</s>][the mat</s>]");
    EXPECT_EQ(learnt(c, TextRows(c, LossOn::all).row(row, "row")),
              "[<|user|>the cat</s><|assistant|>sat</s><|user|>on</s><|assistant|>the mat</s>]");
  }
}

TEST(TextRows, CompletionsAndPlainTextEndWithEos) {
  const Checkpoint c = text_folder("");
  const TextRows rows(c, LossOn::answers);
  EXPECT_EQ(learnt(c, rows.row(parse_json(R"({"prompt":"the cat ","completion":"sat"})", "row"), "row")), "[sat</s>]");
  EXPECT_EQ(learnt(c, rows.row(parse_json(R"({"text":"the mat"})", "row"), "row")), "[the mat</s>]");
  EXPECT_EQ(learnt(c, rows.plain("the cat")), "[the cat</s>]");
}

// A fresh model beside a tokenizer learns one text by heart, and says it in metrics and report.
TEST(TextRows, SamplesShowWhatIsLearnt) {
  const Checkpoint c = text_folder("");
  write_file(join_path(c.path, "config.json"), R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":300,"hidden_size":32,
    "intermediate_size":48,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":2,"max_position_embeddings":64,
    "rms_norm_eps":1e-5,"tie_word_embeddings":false})");
  const std::string rows = join_path(c.path, "rows.jsonl"), out = join_path(c.path, "out");
  write_file(rows, "{\"text\":\"the cat sat on the mat\"}\n");
  const Json values = parse_json(cat(R"({"model":{"config":")", c.path, R"("},"data":{"train":")", rows, R"(","sample":"the cat"},"train":{"steps":60,"lr":0.01,)",
                                     R"("sample_every":30},"output":{"dir":")", out, R"("}})"), "recipe");
  const auto rt = test::runtime("cpu", 1, ComputeMode::exact);
  std::vector<std::string> samples;
  train(read_recipe(values, "recipe"), *rt, [&](const StepRecord& r) {
    if (!r.sample.empty()) samples.push_back(r.sample);
  });
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples.back(), " sat on the mat");
  EXPECT_NE(read_file(join_path(out, "report.html"), 1 << 20).find(" sat on the mat"), std::string::npos);
}

TEST(TextRows, ErrorsSayWhatIsMissing) {
  const Checkpoint c = text_folder("");
  const TextRows rows(c, LossOn::answers);
  const auto message = [&](const char* text) {
    try {
      rows.row(parse_json(text, "row"), "file:3");
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  EXPECT_NE(message(R"({"messages":[{"role":"user","content":"x"}]})").find("file:3: messages need a chat template"), std::string::npos);
  EXPECT_NE(message(R"({"txt":"x"})").find("file:3: expected \"input_ids\""), std::string::npos);
  EXPECT_NE(message(R"({"prompt":"x"})").find("completion: expected text"), std::string::npos);
}

TEST(TextRows, FilesAreReadLineByLine) {
  const Checkpoint c = text_folder("");
  const std::string folder = join_path(testing::TempDir(), "text_files");
  make_directories(folder);
  const std::string jsonl = join_path(folder, "rows.jsonl"), text = join_path(folder, "book.txt");
  write_file(jsonl, "{\"input_ids\":[5,6,7],\"labels\":[-100,6,-100]}\r\n\n{\"text\":\"the cat\"}\n{\"input_ids\":[1,2]");
  write_file(text, "the cat sat\non the mat\nthe mat\n\nthe cat");
  const auto rows = open_rows({jsonl, text}, [&] { return std::make_unique<TextRows>(c, LossOn::answers); }, 20);
  ASSERT_EQ(rows->size(), 5);
  EXPECT_EQ(rows->row(0).labels, (std::vector<std::int32_t>{-100, 6, -100}));
  EXPECT_EQ(rows->row(0).targets(), 1);
  EXPECT_EQ(learnt(c, rows->row(3)), "[the cat sat\non the mat</s>]");
  EXPECT_EQ(learnt(c, rows->row(4)), "[the mat\n\nthe cat</s>]");
  try {
    rows->row(2);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("rows.jsonl:4"), std::string::npos) << error.message();
  }
}

}  // namespace
}  // namespace tashika
