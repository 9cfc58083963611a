// Answers that follow a grammar, over a model whose weights are random.
#include <gtest/gtest.h>

#include "decode/support.h"
#include "text/json_schema.h"

namespace tashika::test {
namespace {

TEST(DecodeGrammar, AnswersFollowTheSchema) {
  Tiny tiny;
  const Tokenizer tokenizer = tokenizer_from_json(character_tokenizer(), nullptr, "tokenizer");
  const Json schema = parse_json(
      R"({"type":"object","properties":{"a":{"type":"integer","minimum":10,"maximum":99},"b":{"type":"string","maxLength":5}},
          "required":["a","b"],"additionalProperties":false})", "schema");
  const std::vector<std::int32_t> end{2};
  GenerationOptions options;
  options.n_predict = 120;
  options.context = 400;
  options.logprobs = 0;
  options.grammar.emplace(Grammar::json_schema(schema), GrammarVocabulary(tokenizer, tiny.model->info().vocab), end);
  int whole = 0;
  for (int seed = 0; seed < 6; ++seed) {
    options.sampling.seed = seed;
    options.ignore_eos = seed % 2 != 0;
    Sequence sequence(*tiny.model, *tiny.rt, options, end, &tokenizer);
    sequence.prompt(tiny.prompt());
    Generator generator(*tiny.model, *tiny.rt);
    std::string text;
    while (const std::optional<TokenEvent> event = generator.next(sequence)) {
      text += event->text;
      EXPECT_LE(event->logprob, 0);
    }
    ASSERT_NE(sequence.grammar(), nullptr);
    if (sequence.finished() != Finish::end) continue;
    ++whole;
    EXPECT_EQ(find_schema_violation(schema, parse_json(text, "answer"), schema).value_or(""), "") << text;
  }
  EXPECT_GE(whole, 3);
}

}  // namespace
}  // namespace tashika::test
