// Forced tool calls, in the spellings of chat templates.
#include <gtest/gtest.h>

#include "grammar/support.h"
#include "text/tokenizer.h"
#include "text/tool_grammar.h"

namespace tashika {
namespace {

Tokenizer small_tokenizer() {
  return tokenizer_from_json(parse_json(R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[
      {"id":1,"content":"[TOOL_CALLS]","special":true,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false}],
    "normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":{"type":"Fuse"},
    "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,
      "fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{"a":0,"[TOOL_CALLS]":1},"merges":[]}})", "tokenizer"),
                             nullptr, "tokenizer");
}

const Json& tools() {
  static const Json value = parse_json(R"([{"type":"function","function":{"name":"add","parameters":{"type":"object",
    "properties":{"a":{"type":"integer"},"note":{"type":"string"}},"required":["a"],"additionalProperties":false}}},
    {"type":"function","function":{"name":"now"}}])", "tools");
  return value;
}

TEST(ToolGrammar, SpellsCallsAsTemplatesDo) {
  const Tokenizer tokenizer = small_tokenizer();
  const Grammar hermes = tool_call_grammar("… <tool_call> …", tools(), tokenizer);
  EXPECT_TRUE(accepts(hermes, "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>"));
  EXPECT_TRUE(accepts(hermes, "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\":2}}\n</tool_call>"));
  EXPECT_FALSE(accepts(hermes, "<tool_call>\n{\"name\": \"add\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_FALSE(accepts(hermes, "<tool_call>\n{\"name\": \"sub\", \"arguments\": {}}\n</tool_call>"));
  const Grammar llama = tool_call_grammar("<|python_tag|>", tools(), tokenizer, "add");
  EXPECT_TRUE(accepts(llama, "{\"name\": \"add\", \"parameters\": {\"a\": -5}}"));
  EXPECT_FALSE(accepts(llama, "{\"name\": \"now\", \"parameters\": {}}"));
  const Grammar coder = tool_call_grammar("<tool_call><function=x><parameter=y>", tools(), tokenizer, "add");
  EXPECT_TRUE(accepts(coder, "<tool_call>\n<function=add>\n<parameter=a>\n7\n</parameter>\n<parameter=note>\nfree \"text\"\n</parameter>\n</function>\n</tool_call>"));
  EXPECT_FALSE(accepts(coder, "<tool_call>\n<function=add>\n</function>\n</tool_call>"));
  // A mark that is a special token is that token, never its letters.
  const Grammar mistral = tool_call_grammar("[TOOL_CALLS]", tools(), tokenizer, "add", false);
  EXPECT_TRUE(accepts(mistral, "\xFF[1][{\"name\": \"add\", \"arguments\": {\"a\": 1}}]"));
  EXPECT_FALSE(accepts(mistral, "[TOOL_CALLS][{\"name\": \"add\", \"arguments\": {\"a\": 1}}]"));
  GrammarState state(mistral, GrammarVocabulary(tokenizer));
  TokenMask mask;
  state.mask(mask);
  EXPECT_TRUE(mask[1]);
  EXPECT_EQ(mask.count(), 1u);
}

TEST(ToolGrammar, RefusesWhatCannotBeHeld) {
  const Tokenizer tokenizer = small_tokenizer();
  EXPECT_NE(error_of([&] { tool_call_grammar("", tools(), tokenizer, "sub"); }).find("no function"), std::string::npos);
  const Json bad = parse_json(R"([{"type":"function","function":{"name":"f","parameters":{"properties":{"x":{"type":"array","contains":{}}}}}}])", "tools");
  EXPECT_NE(error_of([&] { tool_call_grammar("", bad, tokenizer); }).find("tools[0].function.parameters: /properties/x/contains"), std::string::npos);
}

}  // namespace
}  // namespace tashika
