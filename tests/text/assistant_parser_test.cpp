// A turn taken apart: the same message however the text is cut.
#include "text/assistant_parser.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tashika {
namespace {

struct Message {
  std::string content, reasoning, calls;
  bool operator==(const Message&) const = default;
};

void add(Message& to, const std::vector<AssistantPiece>& pieces) {
  for (const AssistantPiece& piece : pieces) {
    switch (piece.kind) {
      case AssistantPiece::Kind::content: to.content += piece.text; break;
      case AssistantPiece::Kind::reasoning: to.reasoning += piece.text; break;
      case AssistantPiece::Kind::call: to.calls += cat(piece.name, "(", piece.text, ");"); break;
    }
  }
}

Message parse(const AssistantFormat& format, std::string_view text, std::size_t step, bool in_reasoning = false, const Json& tools = {}) {
  AssistantParser parser(format, tools);
  if (in_reasoning) parser.start_in_reasoning();
  Message out;
  for (std::size_t at = 0; at < text.size(); at += step) add(out, parser.push(text.substr(at, step)));
  add(out, parser.finish());
  return out;
}

constexpr std::string_view tagged = "<think></think><tool_call>", listed = "[TOOL_CALLS]", bare = "no mark", functions = "<think><function=<parameter=<tool_call>";

TEST(AssistantParser, TakesATurnApart) {
  struct Case {
    std::string_view source, text;
    Message expected;
    bool in_reasoning = false;
  };
  const Case cases[] = {
      {tagged, "Hello there.\n", {"Hello there.\n", "", ""}},
      {tagged, "  indented", {"  indented", "", ""}},
      {tagged, "<think>\nwell\n</think>\n\nYes.", {"Yes.", "well", ""}},
      {tagged, "well\n</think>\n\nYes.", {"Yes.", "well", ""}, true},
      {tagged, "<think>never ends", {"", "never ends", ""}},
      {tagged, "a < b and <tool", {"a < b and <tool", "", ""}},
      {tagged, "Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>", {"Let me see.", "", "f({\"x\": 1});"}},
      {tagged, "<think>hm</think><tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n<tool_call>{\"name\":\"g\",\"arguments\":{\"y\":[1,2]}}</tool_call>\n",
       {"", "hm", "f({});g({\"y\": [1, 2]});"}},
      {tagged, "<tool_call>{\"name\": \"f\", \"argum</tool_call> oh", {"<tool_call>{\"name\": \"f\", \"argum</tool_call> oh", "", ""}},
      {tagged, "<tool_call>{\"name\": \"f\"", {"<tool_call>{\"name\": \"f\"", "", ""}},
      {tagged, "<tool_call>[1, 2]</tool_call>", {"<tool_call>[1, 2]</tool_call>", "", ""}},
      {listed, "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": \"b\"}}, {\"name\": \"g\", \"arguments\": {}}]", {"", "", "f({\"a\": \"b\"});g({});"}},
      {listed, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g{\"b\": 2}", {"", "", "f({\"a\": 1});g({\"b\": 2});"}},
      {listed, "[TOOL_CALLS] nonsense", {"[TOOL_CALLS] nonsense", "", ""}},
      {bare, "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", {"", "", "f({\"a\": 1});"}},
      {bare, "{\"other\": 1}", {"{\"other\": 1}", "", ""}},
      {bare, "plain {\"name\": \"f\", \"parameters\": {}}", {"plain {\"name\": \"f\", \"parameters\": {}}", "", ""}},
      {functions, "<tool_call>\n<function=f>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
       {"", "", "f({\"city\": \"Paris\", \"days\": 3});"}},
      {functions, "<tool_call><function=f><parameter=a>x</function></tool_call>", {"<tool_call><function=f><parameter=a>x</function></tool_call>", "", ""}},
  };
  for (const Case& c : cases) {
    const AssistantFormat format = assistant_format(c.source, true);
    for (const std::size_t step : {1, 2, 3, 5, 7, 1000}) {
      const Message got = parse(format, c.text, step, c.in_reasoning);
      EXPECT_EQ(got.content, c.expected.content) << c.text << " by " << step;
      EXPECT_EQ(got.reasoning, c.expected.reasoning) << c.text << " by " << step;
      EXPECT_EQ(got.calls, c.expected.calls) << c.text << " by " << step;
    }
  }
}

TEST(AssistantParser, AnyTextGivesOneMessage) {
  const std::string_view words[] = {"<think>", "</think>", "<tool_call>", "</tool_call>", "{\"name\":\"f\",\"arguments\":{}}", " ", "\n", "x", "<", "[TOOL_CALLS]", "{"};
  std::uint32_t state = 1;
  const auto next = [&] { return (state = state * 1664525 + 1013904223) >> 16; };
  for (int round = 0; round < 600; ++round) {
    std::string text;
    for (std::uint32_t n = next() % 8; n > 0; --n) text += words[next() % std::size(words)];
    for (const std::string_view source : {tagged, listed, bare}) {
      const AssistantFormat format = assistant_format(source, round % 3 != 0);
      const Message whole = parse(format, text, 10000);
      for (const std::size_t step : {1, 2, 5}) EXPECT_EQ(parse(format, text, step), whole) << text << " by " << step;
    }
  }
}

TEST(AssistantParser, WithoutToolsNothingIsLookedFor) {
  const AssistantFormat format = assistant_format("<tool_call>", false);
  EXPECT_EQ(parse(format, "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>", 3).calls, "");
}

TEST(AssistantParser, ASchemaSaysWhatIsText) {
  const Json tools = parse_json(R"([{"type":"function","function":{"name":"f","parameters":{"properties":{"zip":{"type":"string"}}}}}])", "tools");
  const AssistantFormat format = assistant_format(functions, true);
  EXPECT_EQ(parse(format, "<tool_call><function=f><parameter=zip>\n01234\n</parameter></function></tool_call>", 4, false, tools).calls, "f({\"zip\": \"01234\"});");
}

}  // namespace
}  // namespace tashika
