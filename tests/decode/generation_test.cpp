#include "decode/generation.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "decode/chat.h"
#include "support.h"

namespace tashika {
namespace {

using test::Tiny;
using Ids = std::vector<std::int32_t>;

GenerationOptions greedy(std::int64_t n) {
  GenerationOptions o;
  o.n_predict = n;
  o.sampling.temperature = 0;
  o.ignore_eos = true;
  return o;
}

Ids run(Generator& generator, Sequence& sequence) {
  Ids out;
  while (const std::optional<TokenEvent> e = generator.next(sequence)) out.push_back(e->id);
  return out;
}

TEST(Generation, GreedyIsTheReferences) {
  for (const char* name : {"llama_gqa_f32", "mistral_window_33", "ministral_irregular", "mixtral_experts_bf16"}) {
    Tiny t(name);
    for (const std::int64_t chunk : {1, 4, 512}) {
      Generator generator(*t.model, *t.rt, chunk);
      Sequence s(*t.model, *t.rt, greedy(static_cast<std::int64_t>(t.expected().size())), {}, nullptr);
      s.prompt(t.prompt());
      EXPECT_EQ(run(generator, s), t.expected()) << name << " in chunks of " << chunk;
      EXPECT_EQ(s.finished(), Finish::length);
    }
  }
}

TEST(Generation, BatchIsAsOneByOne) {
  Tiny t("llama_gqa_f32", ComputeMode::fast);
  GenerationOptions o = greedy(12);
  o.sampling.temperature = 1;
  o.sampling.seed = 4;
  const std::vector<Ids> prompts = {{1, 5, 9}, {7}, {3, 3, 3, 3, 3, 3, 3, 3, 8}};
  std::vector<Ids> alone;
  for (std::uint32_t i = 0; i < 3; ++i) {
    Generator generator(*t.model, *t.rt);
    Sequence s(*t.model, *t.rt, o, {}, nullptr, i);
    s.prompt(prompts[i]);
    alone.push_back(run(generator, s));
  }
  Generator generator(*t.model, *t.rt, 4);
  std::vector<std::unique_ptr<Sequence>> together;
  std::vector<Sequence*> all;
  for (std::uint32_t i = 0; i < 3; ++i) {
    together.push_back(std::make_unique<Sequence>(*t.model, *t.rt, o, Ids{}, nullptr, i));
    together.back()->prompt(prompts[i]);
    all.push_back(together.back().get());
  }
  while (generator.step(all)) {
  }
  for (std::size_t i = 0; i < 3; ++i) {
    Ids out;
    while (const std::optional<TokenEvent> e = Generator::take(*together[i])) out.push_back(e->id);
    EXPECT_EQ(out, alone[i]) << i;
  }
}

TEST(Generation, PromptKeepsTheCommonPrefix) {
  Tiny t;
  Generator generator(*t.model, *t.rt);
  Sequence fresh(*t.model, *t.rt, greedy(6), {}, nullptr);
  const Ids second = {51, 55, 82, 3, 3, 15};
  fresh.prompt(second);
  const Ids expected = run(generator, fresh);

  Sequence s(*t.model, *t.rt, greedy(6), {}, nullptr);
  EXPECT_EQ(s.prompt(t.prompt()), 0);
  run(generator, s);
  EXPECT_EQ(s.prompt(second), 3);
  EXPECT_EQ(run(generator, s), expected);
  // The very same prompt again: all but the last token are kept.
  EXPECT_EQ(s.prompt(second), 5);
  EXPECT_EQ(run(generator, s), expected);
}

TEST(Generation, PromptStartsAnewWhenTheStateCannotGoBack) {
  Tiny t("mistral_window_2");
  Generator generator(*t.model, *t.rt);
  Ids longer(400, 5);
  const Ids other = {5, 6};
  Sequence fresh(*t.model, *t.rt, greedy(4), {}, nullptr);
  fresh.prompt(other);
  const Ids expected = run(generator, fresh);
  Sequence s(*t.model, *t.rt, greedy(4), {}, nullptr);
  s.prompt(longer);
  run(generator, s);
  EXPECT_EQ(s.prompt(other), 0);
  EXPECT_EQ(run(generator, s), expected);
}

TEST(Generation, EndTokensEnd) {
  Tiny t;
  const Ids all = t.expected();
  GenerationOptions o = greedy(16);
  o.ignore_eos = false;
  Sequence s(*t.model, *t.rt, o, {all[2]}, nullptr);
  Generator generator(*t.model, *t.rt);
  s.prompt(t.prompt());
  EXPECT_EQ(run(generator, s), Ids(all.begin(), all.begin() + 3));  // the end token is told too
  EXPECT_EQ(s.finished(), Finish::end);
}

TEST(Generation, ContextOverflow) {
  Tiny t;
  Generator generator(*t.model, *t.rt);
  GenerationOptions o = greedy(40);
  o.context = 8;
  Sequence s(*t.model, *t.rt, o, {}, nullptr);
  EXPECT_THROW(s.prompt(t.prompt()), Error);  // nine tokens
  const Ids prompt = {51, 55, 82, 103, 3};
  s.prompt(prompt);
  EXPECT_EQ(run(generator, s).size(), 4u);  // positions 5, 6, 7 are read; one more is chosen
  EXPECT_EQ(s.finished(), Finish::context);

  o.overflow = OverflowPolicy::shift;
  o.n_keep = 2;
  Sequence shifting(*t.model, *t.rt, o, {}, nullptr);
  shifting.prompt(prompt);
  EXPECT_EQ(run(generator, shifting).size(), 40u);
  EXPECT_GT(shifting.dropped(), 0);
  EXPECT_EQ(shifting.tokens()[0], 51);
  EXPECT_EQ(shifting.tokens()[1], 55);
  EXPECT_LE(shifting.tokens().size(), 9u);
  EXPECT_LE(shifting.state().length(), 8);

  // What follows a shift is what a fresh sequence of those tokens gives.
  GenerationOptions one = o;
  one.n_predict = 1;
  Sequence again(*t.model, *t.rt, one, {}, nullptr);
  const Ids last(shifting.tokens().begin(), shifting.tokens().end() - 1);
  again.prompt(last);
  EXPECT_EQ(run(generator, again), Ids{shifting.tokens().back()});

  Sequence longer(*t.model, *t.rt, o, {}, nullptr);
  longer.prompt(t.prompt());  // does not fit, but may shift
  EXPECT_EQ(run(generator, longer).size(), 40u);
}

TEST(Generation, CancelledStepsCanGoOn) {
  Tiny t;
  Generator generator(*t.model, *t.rt);
  Sequence s(*t.model, *t.rt, greedy(static_cast<std::int64_t>(t.expected().size())), {}, nullptr);
  s.prompt(t.prompt());
  Ids out;
  for (int i = 0; i < 5; ++i) out.push_back(generator.next(s)->id);
  t.rt->cancel();
  try {
    generator.next(s);
    FAIL() << "not cancelled";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::cancelled);
  }
  t.rt->clear_cancel();
  for (const std::int32_t id : run(generator, s)) out.push_back(id);
  EXPECT_EQ(out, t.expected());
}

TEST(Generation, BadPromptsAreErrors) {
  Tiny t;
  Sequence s(*t.model, *t.rt, greedy(4), {}, nullptr);
  EXPECT_THROW(s.prompt(Ids{}), Error);
  EXPECT_THROW(s.prompt(Ids{1, 109}), Error);
  EXPECT_THROW(s.prompt(Ids{-1}), Error);
}

TEST(Generation, TextsJoinToTheWholeAndStopStringsAreCut) {
  Tiny t;
  const Tokenizer tokenizer = tokenizer_from_json(test::character_tokenizer(), nullptr, "tokenizer.json");
  Generator generator(*t.model, *t.rt);
  Sequence s(*t.model, *t.rt, greedy(16), {}, &tokenizer);
  s.prompt(t.prompt());
  std::string text;
  while (const std::optional<TokenEvent> e = generator.next(s)) text += e->text;
  Ids known;  // the embedding has rows that the tokenizer lacks; they give no text
  for (const std::int32_t id : t.expected()) {
    if (id < tokenizer.id_limit()) known.push_back(id);
  }
  EXPECT_LT(known.size(), t.expected().size());
  EXPECT_EQ(text, tokenizer.decode(known, true));

  GenerationOptions o = greedy(16);
  o.stop = {text.substr(5, 2)};
  Sequence cut(*t.model, *t.rt, o, {}, &tokenizer);
  cut.prompt(t.prompt());
  std::string before;
  while (const std::optional<TokenEvent> e = generator.next(cut)) before += e->text;
  EXPECT_EQ(before, text.substr(0, text.find(o.stop[0])));
  EXPECT_EQ(cut.finished(), Finish::stop);
  EXPECT_EQ(cut.stop_string(), o.stop[0]);
  EXPECT_THROW(Sequence(*t.model, *t.rt, o, {}, nullptr), Error);
}

TEST(Chat, KeepsTheStateFromTurnToTurn) {
  Tiny t;
  const Tokenizer tokenizer = tokenizer_from_json(test::character_tokenizer(), nullptr, "tokenizer.json");
  PromptFormat format;
  format.chat.emplace("{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}");
  format.special_tokens["bos_token"] = "<s>";
  Conversation c(*t.model, *t.rt, tokenizer, format, {2}, greedy(5), 512);
  c.set_system("Be brief.");
  c.ask("Hi");
  EXPECT_EQ(c.prompt_text(), "<s>[system] Be brief.\n[user] Hi\n[assistant] ");
  EXPECT_EQ(c.prompt_tokens()[0], 1);
  EXPECT_NE(c.prompt_tokens()[1], 1);  // BOS once
  std::string answer;
  while (const std::optional<TokenEvent> e = c.next()) answer += e->text;
  ASSERT_EQ(c.messages().size(), 3u);
  EXPECT_EQ(c.messages()[2]["content"].as_string(), answer);
  const std::int64_t first = c.stats().prompt_tokens;
  c.ask("More");
  EXPECT_GE(c.stats().kept_tokens, first);
  c.stop();
  EXPECT_EQ(c.messages().size(), 5u);
  c.clear();
  EXPECT_EQ(c.messages().size(), 1u);
  c.set_system("");
  EXPECT_TRUE(c.messages().empty());
}

TEST(Chat, AMessageThatCannotBeAskedIsTakenBack) {
  Tiny t;
  const Tokenizer tokenizer = tokenizer_from_json(test::character_tokenizer(), nullptr, "tokenizer.json");
  PromptFormat format;
  format.chat.emplace("{{ raise_exception('no') }}");
  Conversation c(*t.model, *t.rt, tokenizer, format, {2}, greedy(5), 512);
  EXPECT_THROW(c.ask("Hi"), Error);
  EXPECT_TRUE(c.messages().empty());
}

}  // namespace
}  // namespace tashika
