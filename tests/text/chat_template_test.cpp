#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <span>
#include <sstream>

#include "base/digest.h"
#include "base/error.h"

namespace tashika {
namespace {

const char* const folder = TASHIKA_TEST_DATA "/templates/";

std::string read(const std::string& name) {
  std::ifstream file(folder + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  std::stringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

Json read_json(const std::string& name) {
  return parse_json(read(name), name);
}

// 2024-07-06 14:05:09, as the fixtures' generator has it.
std::tm fixed_clock() {
  std::tm now{};
  now.tm_year = 124, now.tm_mon = 6, now.tm_mday = 6;
  now.tm_hour = 14, now.tm_min = 5, now.tm_sec = 9;
  now.tm_wday = 6, now.tm_yday = 187;
  return now;
}

ChatTemplate make(std::string_view source) {
  ChatTemplate result(source);
  result.set_clock(fixed_clock);
  return result;
}

std::string render(std::string_view source) {
  return make(source).render_plain(JsonObject());
}

std::string error_of(std::string_view source, ErrorKind kind = ErrorKind::input) {
  try {
    return "no error: " + render(source).substr(0, 100);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind) << e.message();
    return e.message();
  }
}

ChatInput input_of(const Json& arguments) {
  ChatInput input;
  input.messages = arguments["messages"];
  input.tools = arguments["tools"];
  input.documents = arguments["documents"];
  input.add_generation_prompt = arguments["add_generation_prompt"].as_bool();
  if (!arguments.contains("no_special_tokens")) input.bos_token = "<s>", input.eos_token = "</s>";
  if (arguments.contains("extra")) input.variables = arguments["extra"].as_object();
  return input;
}

TEST(ChatTemplate, RealTemplatesRenderAsTransformersDoes) {
  const Json cases = read_json("cases.json"), expected = read_json("expected.json");
  int templates = 0, texts = 0, errors = 0;
  for (const auto& [name, results] : expected.as_object().entries()) {
    const ChatTemplate chat = make(read(name + ".jinja"));
    ++templates;
    for (const auto& [which, wanted] : results.as_object().entries()) {
      std::string text, error;
      try {
        text = chat.render(input_of(cases[which]));
      } catch (const Error& e) {
        error = e.message();
      }
      if (wanted.is_null()) {
        ++errors;
        EXPECT_NE(error, "") << name << ", " << which << " must be an error but gave: " << text;
        continue;
      }
      ++texts;
      EXPECT_EQ(error, "") << name << ", " << which;
      if (wanted.as_string().starts_with("sha256:")) {
        const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
        EXPECT_EQ("sha256:" + sha256(bytes), wanted.as_string()) << name << ", " << which << " gave: " << text;
      } else {
        EXPECT_EQ(text, wanted.as_string()) << name << ", " << which;
      }
    }
  }
  EXPECT_GE(templates, 100);
  EXPECT_GE(texts, 3900);
  EXPECT_GE(errors, 900);
}

TEST(ChatTemplate, SnippetsRenderAsJinja2Does) {
  const Json data = read_json("snippets.json");
  const JsonObject& variables = data["variables"].as_object();
  int texts = 0, errors = 0;
  for (const Json& pair : data["cases"].as_array()) {
    const std::string& source = pair.as_array()[0].as_string();
    const Json& wanted = pair.as_array()[1];
    std::string text, error;
    try {
      text = make(source).render_plain(variables);
    } catch (const Error& e) {
      error = e.message();
      EXPECT_EQ(e.kind(), ErrorKind::input) << source << ": " << error;
    }
    if (wanted.is_null()) {
      ++errors;
      EXPECT_NE(error, "") << source << " must be an error but gave: " << text;
    } else {
      ++texts;
      EXPECT_EQ(error, "") << source;
      EXPECT_EQ(text, wanted.as_string()) << source;
    }
  }
  EXPECT_GE(texts, 370);
  EXPECT_GE(errors, 270);
  for (const Json& source : data["refused"].as_array()) {
    EXPECT_THROW(make(source.as_string()).render_plain(variables), Error) << source.as_string();
  }
}

TEST(ChatTemplate, ErrorsNameTemplateAndLine) {
  EXPECT_EQ(error_of("a\nb {{ x.y }}\n"), "chat template: line 2: 'x' is undefined");
  EXPECT_EQ(error_of("\n\n{% if %}"), "chat template: line 3: Expected an expression, got 'end of statement block'");
  EXPECT_EQ(error_of("{% for i in [1] %}\n{{ raise_exception('no: ' ~ i) }}{% endfor %}"),
            "chat template: line 2: no: 1");
  EXPECT_EQ(error_of("{% macro m() %}\n{{ 1 / 0 }}\n{% endmacro %}\n{{ m() }}"),
            "chat template: line 2: division by zero");
  EXPECT_EQ(error_of("x\n{% for i in l %}\n").substr(0, 41), "chat template: line 2: Unexpected end of ");
  EXPECT_EQ(error_of("{{ '\n\n' ~ \n x.y }}"), "chat template: line 4: 'x' is undefined");
  EXPECT_EQ(error_of("\xff").substr(0, 23), "chat template: no UTF-8");
  try {
    ChatTemplate("{{", "tokenizer_config.json: chat_template");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message().substr(0, 45), "tokenizer_config.json: chat_template: line 1:");
  }
}

TEST(ChatTemplate, InputsAreCheckedAndPrepared) {
  const auto text = [](std::string_view source, const char* messages, const char* more = "{}") {
    ChatInput input;
    input.messages = parse_json(messages, "messages");
    input.variables = parse_json(more, "variables").as_object();
    return make(source).render(input);
  };
  EXPECT_EQ(text("{{ messages | tojson }}", R"([{"role":"user","content":null,"n":1e-7}])"),
            R"([{"role": "user", "n": 1e-07}])");
  EXPECT_EQ(text("{{ messages | tojson }}", R"([{"a":1,"reasoning":"r"}])"),
            R"([{"thinking": "r", "a": 1, "reasoning": "r", "reasoning_content": "r"}])");
  EXPECT_EQ(text("{{ messages | tojson }}", R"([{"thinking":"t","a":1,"reasoning_content":"r"}])"),
            R"([{"thinking": "t", "a": 1, "reasoning_content": "r"}])");
  EXPECT_EQ(text("{{ tools }} {{ documents }} {{ bos_token is defined }} {{ add_generation_prompt }}", "[{}]"),
            "None None False True");
  EXPECT_EQ(text("{{ bos_token }} {{ tools }} {{ x }}", "[{}]", R"({"bos_token":"B","tools":1,"x":[1.0]})"),
            "B 1 [1.0]");
  EXPECT_EQ(text("{{ messages }}", "[{}]", R"({"messages":2})"), "2");
  EXPECT_THROW(text("x", "[]"), Error);
  EXPECT_THROW(text("x", "{}"), Error);
  EXPECT_THROW(text("x", "[1]"), Error);
  EXPECT_THROW(text("x", "[[{}]]"), Error);
  ChatInput input;
  input.messages = parse_json("[{}]", "messages");
  input.tools = parse_json("[1]", "tools");
  EXPECT_THROW(make("x").render(input), Error);
}

TEST(ChatTemplate, GenerationSpans) {
  ChatInput input;
  input.messages = parse_json(
      R"([{"role":"user","content":"Ä"},{"role":"assistant","content":"ö1"},{"role":"assistant","content":"2"}])", "m");
  std::vector<GenerationSpan> spans;
  const ChatTemplate chat = make(
      "{% for m in messages %}{% if m.role == 'user' %}<{{ m.content }}>{% else %}"
      "[{% generation %}{{ m.content }}!{% endgeneration %}]{% endif %}{% endfor %}");
  const std::string text = chat.render(input, &spans);
  EXPECT_EQ(text, "<Ä>[ö1!][2!]");
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(text.substr(spans[0].begin, spans[0].end - spans[0].begin), "ö1!");
  EXPECT_EQ(text.substr(spans[1].begin, spans[1].end - spans[1].begin), "2!");
}

std::string repeated(std::string_view text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

// A namespace whose x grows by `step` in every round.
std::string growing(const char* start, const char* step, int rounds, const char* end = "") {
  return cat("{% set ns = namespace(x=", start, ") %}{% for i in range(", rounds, ") %}{% set ns.x = ", step,
             " %}{% endfor %}", end);
}

TEST(ChatTemplate, BudgetsHold) {
  const std::string hostile[] = {
      "{% for i in range(2000) %}{% for j in range(2000) %}{% endfor %}{% endfor %}",
      "{{ 'a' * 99999999999 }}",
      "{{ [1] * 99999999999 }}",
      "{{ 'a'.center(99999999999) }}",
      "{{ '%999999999999d' % 1 }}",
      "{{ '{:999999999}'.format(1) }}",
      "{{ '%.99999999f' % 1 }}",
      "{{ 'x' | indent(999999999) }}",
      "{{ 2 ** 999999999999 }}",
      "{{ strftime_now('%99999999d') }}",
      growing("'ab'", "ns.x ~ ns.x", 100),
      growing("'ab'", "ns.x.replace('a', 'aaaa')", 100),
      growing("[1]", "ns.x + ns.x", 100),
      growing("[]", "[ns.x]", 9999),
      growing("[]", "[ns.x, ns.x]", 190, "{{ ns.x }}"),
      growing("[]", "[ns.x, ns.x]", 190, "{{ ns.x | tojson }}"),
      growing("[]", "[ns.x, ns.x]", 190, "{% set y = ns.x %}") + growing("[]", "[ns.x, ns.x]", 190, "{{ ns.x == y }}"),
      growing("[1]", "ns.x | map('string')", 9999, "{{ ns.x | list }}"),
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro a() %}{{ b() }}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
      "{% for n in [[1]] recursive %}{{ loop([n]) }}{% endfor %}",
      "{% set x = 'a' * 200000 %}{% for i in range(100) %}{{ x }}{% endfor %}",
      "{% set x = 'a' * 9000000 %}{{ [x, x] | join }}",
  };
  for (const std::string& source : hostile) {
    ChatTemplate chat = make(source);
    chat.set_limits({20000, 400000});  // the same budgets, smaller: the suite also runs in emulators
    try {
      chat.render_plain(JsonObject());
      ADD_FAILURE() << source;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::limit) << source << ": " << e.message();
    }
  }
  EXPECT_EQ(error_of("{% for i in range(2000) %}{% for j in range(2000) %}{% endfor %}{% endfor %}", ErrorKind::limit),
            "chat template: line 1: the template does more than 1000000 loop rounds and calls");
  EXPECT_NE(error_of("{% for i in range(100001) %}{% endfor %}").substr(0, 8), "no error");
  // Large, but within the budgets.
  EXPECT_EQ(render("{% set x = ('a' * 300000) %}{{ x | list | length }}"), "300000");
}

TEST(ChatTemplate, NestingIsBounded) {
  EXPECT_EQ(render(repeated("{% if 1 %}", 100) + "x" + repeated("{% endif %}", 100)), "x");
  EXPECT_EQ(render("{{ " + repeated("(", 60) + "1" + repeated(")", 60) + " }}"), "1");
  const std::string deep[] = {
      repeated("{% if 1 %}", 20000),
      repeated("{% if 1 %}", 200) + repeated("{% endif %}", 200),
      "{{ " + repeated("(", 20000),
      "{{ " + repeated("[", 20000),
      "{{ " + repeated("{1:", 20000),
      "{{ " + repeated("-", 20000) + "1 }}",
      "{{ " + repeated("not ", 20000) + "1 }}",
      "{{ a" + repeated("[0]", 20000) + " }}",
      "{{ a" + repeated(".b", 20000) + " }}",
      "{{ a" + repeated("()", 20000) + " }}",
      "{{ a" + repeated("|e", 20000) + " }}",
      "{{ 1" + repeated(" + 1", 20000) + " }}",
      "{{ 1" + repeated(" ** 1", 20000) + " }}",
      "{{ 1" + repeated(" and 1", 20000) + " }}",
      "{{ " + repeated("1 if 1 else ", 20000) + "1 }}",
      "{{ f" + repeated("(f", 20000),
      "{{ 1 is eq " + repeated("[", 20000),
      repeated("{% for a in b %}", 20000),
      repeated("{% macro m() %}", 20000),
      repeated("{% set x %}", 20000),
      "{% filter e" + repeated("|e", 20000) + " %}{% endfilter %}",
  };
  for (const std::string& source : deep) EXPECT_THROW(render(source), Error) << source.substr(0, 40);
  // Wide is not deep.
  EXPECT_EQ(render("{{ ''" + repeated(" ~ 'a'", 1000) + " }}"), repeated("a", 1000));
  EXPECT_EQ(render("{% if 0 %}" + repeated("{% elif 0 %}", 1000) + "{% else %}x{% endif %}"), "x");
  EXPECT_EQ(render(repeated("{{ 1 }}{% if 1 %}2{% endif %}", 1000)), repeated("12", 1000));
}

// What could own itself is let go at the end of the run: the leak checker watches.
TEST(ChatTemplate, CyclesAreFreed) {
  EXPECT_EQ(render("{% set ns = namespace() %}{% set ns.me = ns %}{% set ns.l = [ns, {'a': ns}] %}x"), "x");
  EXPECT_EQ(render("{% macro m() %}{{ m is defined }}{% endmacro %}{% set ns = namespace(m=m) %}{{ ns.m() }}"), "True");
  EXPECT_EQ(render("{% for i in [1, 2] %}{{ loop.changed(loop) }}{% endfor %}"), "TrueFalse");
  EXPECT_EQ(render("{% set ns = namespace() %}{% for i in [1] recursive %}{% set ns.l = loop %}{% endfor %}x"), "x");
  EXPECT_EQ(render("{% set ns = namespace(f=none) %}{% for i in range(3000) %}{% set old = ns.f %}"
                   "{% macro m() %}{{ old }}{% endmacro %}{% set ns.f = m %}{% endfor %}x"),
            "x");
}

TEST(ChatTemplate, TruncatedTemplatesNeverCrash) {
  for (const char* name : {"meta-llama-Llama-3.1-8B-Instruct", "Qwen-Qwen3-0.6B"}) {
    const std::string source = read(std::string(name) + ".jinja");
    for (std::size_t n = 0; n < source.size(); n += 7) {
      try {
        render(source.substr(0, n));
      } catch (const Error&) {
      }
    }
  }
}

// The work of parsing grows with the template, not with its square.
TEST(ChatTemplate, ManyNamesAndBranches) {
  std::string source = "{% if 0 %}";
  for (int i = 0; i < 5000; ++i) source += cat("{% elif a", i, " %}{% set b", i, " = 1 %}");
  EXPECT_EQ(render(source + "{% endif %}x"), "x");
}

TEST(ChatTemplate, OneTemplateServesManyRuns) {
  const ChatTemplate chat =
      make("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}");
  ChatInput input;
  input.messages = parse_json("[{},{},{}]", "m");
  EXPECT_EQ(chat.render(input), "3");
  EXPECT_EQ(chat.render(input), "3");
}

}  // namespace
}  // namespace tashika
