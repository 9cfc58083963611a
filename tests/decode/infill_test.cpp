// Fill-in-the-middle prompts: both orders and every spelling, on StarCoder-like and Llama-like tokenizers.
#include "decode/infill.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "text/tokenizer.h"

namespace tashika {
namespace {

std::string tokenizer_text(const std::string& name) { return read_file(cat(TASHIKA_TEST_DATA "/tokenizers/", name), 64 << 20); }

Tokenizer open(const std::string& text) {
  const Json json = parse_json(text, "tokenizer.json");
  // A fixture may keep texts beside its tokenizer.
  const Json* inner = json.find("tokenizer");
  return tokenizer_from_json(inner != nullptr && inner->is_object() ? *inner : json, nullptr, "tokenizer.json");
}

// The fixture with these special tokens besides its own.
Tokenizer with_tokens(const std::string& name, std::initializer_list<std::string_view> tokens) {
  std::string text = tokenizer_text(name), more;
  const std::size_t at = text.find('[', text.find("\"added_tokens\""));
  int id = 900000;
  for (const std::string_view token : tokens) {
    more += cat(R"({"id":)", id++, R"(,"content":")", token, R"(","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},)");
  }
  return open(text.insert(at + 1, more));
}

std::vector<TokenId> joined(std::initializer_list<std::vector<TokenId>> parts) {
  std::vector<TokenId> out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

constexpr std::string_view prefix = "def f(x):\n    return ", suffix = " + 1\n<fim_middle>";

TEST(Infill, BothOrdersInEverySpelling) {
  const std::tuple<std::string_view, std::string_view, std::string_view> all[] = {
      {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
      {"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},
      {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
      {"▁<PRE>", "▁<SUF>", "▁<MID>"},
      {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"}};
  for (const auto& [p, s, m] : all) {
    const Tokenizer t = with_tokens("starcoder.json", {p, s, m, "<|endoftext|>"});
    const std::optional<Infill> marks = infill_tokens(t, Json());
    ASSERT_TRUE(marks) << p;
    EXPECT_EQ(t.token(marks->prefix), p);
    EXPECT_EQ(t.token(marks->suffix), s);
    EXPECT_EQ(t.token(marks->middle), m);
    const EncodeOptions plain{.add_special = false, .special_as_text = true};
    const std::vector<TokenId> before = t.encode(prefix, plain), behind = t.encode(suffix, plain);
    EXPECT_EQ(infill_prompt(t, *marks, prefix, suffix), joined({{marks->prefix}, before, {marks->suffix}, behind, {marks->middle}})) << p;
    if (marks->form == Infill::Form::hole) {
      EXPECT_THROW(infill_prompt(t, *marks, prefix, suffix, InfillOrder::spm), Error);
    } else {
      EXPECT_EQ(infill_prompt(t, *marks, prefix, suffix, InfillOrder::spm),
                joined({{marks->prefix, marks->suffix}, behind, {marks->middle}, before}))
          << p;
    }
    EXPECT_EQ(infill_prompt(t, *marks, "", ""), (std::vector<TokenId>{marks->prefix, marks->suffix, marks->middle}));
  }
}

// Marks written in the texts do not become tokens; a middle ends where a text does.
TEST(Infill, MarksInTextsArePlain) {
  const Tokenizer t = with_tokens("starcoder.json", {"<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<|endoftext|>"});
  const Infill marks = need_infill(t, Json());
  const std::vector<TokenId> ids = infill_prompt(t, marks, "<fim_suffix>", "<fim_prefix>");
  EXPECT_EQ(std::ranges::count(ids, marks.suffix), 1);
  EXPECT_EQ(std::ranges::count(ids, marks.prefix), 1);
  ASSERT_TRUE(t.id("<|endoftext|>"));
  EXPECT_TRUE(std::ranges::binary_search(marks.ends, *t.id("<|endoftext|>")));
}

TEST(Infill, GgufNamesItsTokens) {
  const Tokenizer t = open(tokenizer_text("gpt2.json"));
  EXPECT_FALSE(infill_tokens(t, Json()));
  const Json meta = parse_json(R"({"tokenizer.ggml.fim_pre_token_id":5,"tokenizer.ggml.fim_suf_token_id":7,"tokenizer.ggml.fim_mid_token_id":6})", "metadata");
  const std::optional<Infill> marks = infill_tokens(t, meta);
  ASSERT_TRUE(marks);
  EXPECT_EQ(marks->prefix, 5);
  EXPECT_EQ(marks->suffix, 7);
  EXPECT_EQ(marks->middle, 6);
  const Json beyond = parse_json(R"({"tokenizer.ggml.fim_pre_token_id":5,"tokenizer.ggml.fim_suf_token_id":7e9,"tokenizer.ggml.fim_mid_token_id":6})", "metadata");
  EXPECT_FALSE(infill_tokens(t, beyond));
}

// Code Llama's suffix is the middle of a text: no space is put before it.
TEST(Infill, PiecesGetNoSpaceOfTheirOwn) {
  const Tokenizer t = with_tokens("llama_legacy.json", {"▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"});
  const Infill marks = need_infill(t, Json());
  EXPECT_EQ(marks.form, Infill::Form::pieces);
  const std::vector<TokenId> ids = infill_prompt(t, marks, "a", "a");
  const auto hole = std::ranges::find(ids, marks.suffix);
  ASSERT_NE(hole, ids.end());
  EXPECT_EQ(t.token(hole[1]), "a");
  EXPECT_EQ(t.token(hole[-1]), "▁a");
  ASSERT_TRUE(t.id("▁<EOT>"));
  EXPECT_TRUE(std::ranges::binary_search(marks.ends, *t.id("▁<EOT>")));
}

TEST(Infill, SaysWhatIsMissing) {
  const Tokenizer t = open(tokenizer_text("gpt2.json"));
  try {
    need_infill(t, Json());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("--raw"), std::string::npos);
  }
}

}  // namespace
}  // namespace tashika
