// The public library as its users see it: only include/tashika and the shared library.
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "tashika/tashika.h"

namespace {

const char* const standin = TASHIKA_STANDIN;

TEST(Api, GeneratesTheSameTextForTheSameSeed) {
  tashika::Model model(standin);
  std::string streamed;
  const tashika::GenerateOptions options{.max_tokens = 12, .seed = 7};
  const tashika::Answer one = model.generate("Once upon a time", options, [&](std::string_view piece) {
    streamed += piece;
    return true;
  });
  EXPECT_EQ(streamed, one.text);
  EXPECT_FALSE(one.text.empty());
  EXPECT_GT(one.prompt_tokens, 0);
  const tashika::Answer two = model.generate("Once upon a time", options);
  EXPECT_EQ(two.text, one.text);
  EXPECT_EQ(two.ids, one.ids);
  // By ids too: the same draws.
  const tashika::Answer ids = model.generate(model.tokenize("Once upon a time"), options);
  EXPECT_EQ(ids.ids, one.ids);
}

TEST(Api, GreedyAgreesWithLogits) {
  tashika::Model model(standin, {.threads = 1});
  std::vector<std::int32_t> ids = model.tokenize("The");
  const tashika::Answer answer = model.generate(ids, {.max_tokens = 3, .temperature = 0});
  ASSERT_FALSE(answer.ids.empty());
  const std::size_t vocabulary = static_cast<std::size_t>(model.info().vocabulary);
  for (const std::int32_t id : answer.ids) {
    const std::vector<float> logits = model.logits(ids);
    ASSERT_EQ(logits.size(), ids.size() * vocabulary);
    const auto last = logits.end() - static_cast<std::ptrdiff_t>(vocabulary);
    EXPECT_EQ(std::max_element(last, logits.end()) - last, id);
    ids.push_back(id);
  }
}

TEST(Api, TokenizesAndBack) {
  tashika::Model model(standin);
  const std::string text = "A small house, 確か.\n";
  EXPECT_EQ(model.detokenize(model.tokenize(text, false)), text);
  EXPECT_THROW(model.detokenize(std::vector<std::int32_t>{1 << 30}), tashika::Failure);
}

TEST(Api, EmbeddingsHaveLengthOne) {
  tashika::Model model(standin);
  const std::vector<float> e = model.embed("a river");
  ASSERT_EQ(static_cast<std::int64_t>(e.size()), model.info().width);
  double square = 0;
  for (const float x : e) square += static_cast<double>(x) * x;
  EXPECT_NEAR(square, 1, 1e-4);
  EXPECT_EQ(static_cast<std::int64_t>(model.hidden(model.tokenize("a river")).size()) % model.info().width, 0);
}

TEST(Api, AChatRemembersAndAnErrorChangesNothing) {
  tashika::Model model(standin);
  tashika::Chat chat(model, "", {.max_tokens = 8, .seed = 1});
  chat.say("Hello.");
  ASSERT_EQ(chat.messages().size(), 2u);
  EXPECT_EQ(chat.messages()[1].role, "assistant");
  EXPECT_NE(model.render(chat.messages()).find("Hello."), std::string::npos);
  const std::string too_long(200000, 'a');
  EXPECT_THROW(chat.say(too_long), tashika::Failure);
  EXPECT_EQ(chat.messages().size(), 2u);
  chat.say("And then?");
  EXPECT_EQ(chat.messages().size(), 4u);
  chat.clear();
  EXPECT_TRUE(chat.messages().empty());
}

TEST(Api, ACallbackEndsTheAnswerAndCancelThrows) {
  tashika::Model model(standin);
  int pieces = 0;
  const tashika::Answer answer = model.generate("Once", {.max_tokens = 50, .seed = 1}, [&](std::string_view) { return ++pieces < 2; });
  EXPECT_EQ(answer.finish, "caller");
  EXPECT_EQ(pieces, 2);
  bool cancelled = false;
  try {
    model.generate("Once", {.max_tokens = 50, .seed = 1}, [&](std::string_view) {
      model.cancel();
      return true;
    });
  } catch (const tashika::Failure& failure) {
    cancelled = failure.cancelled;
  }
  EXPECT_TRUE(cancelled);
  EXPECT_FALSE(model.generate("Once", {.max_tokens = 2, .seed = 1}).ids.empty());
}

TEST(Api, ErrorsNameWhatIsWrong) {
  try {
    tashika::Model model("/nowhere/none.gguf");
    FAIL();
  } catch (const tashika::Failure& failure) {
    EXPECT_NE(std::string(failure.what()).find("none.gguf"), std::string::npos) << failure.what();
    EXPECT_FALSE(failure.cancelled);
  }
}

}  // namespace
