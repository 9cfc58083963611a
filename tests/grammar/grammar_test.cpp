// Regular expressions, GBNF, schemas: which texts a grammar takes.
#include "grammar/support.h"

#include <gtest/gtest.h>

namespace tashika {
namespace {

TEST(GrammarRegex, MatchesTheWholeText) {
  const Grammar g = Grammar::regex("[a-c]+(?:-\\d{2,3})?");
  EXPECT_TRUE(accepts(g, "abc"));
  EXPECT_TRUE(accepts(g, "a-12"));
  EXPECT_TRUE(accepts(g, "a-123"));
  EXPECT_FALSE(accepts(g, "a-1"));
  EXPECT_FALSE(accepts(g, "a-1234"));
  EXPECT_FALSE(accepts(g, "xabc"));
  EXPECT_FALSE(accepts(g, ""));
}

TEST(GrammarRegex, KnowsUtf8AndClasses) {
  EXPECT_TRUE(accepts(Grammar::regex("."), "é"));
  EXPECT_TRUE(accepts(Grammar::regex(".{2}"), "😀語"));
  EXPECT_FALSE(accepts(Grammar::regex("."), "éé"));
  EXPECT_FALSE(accepts(Grammar::regex("."), "\n"));
  EXPECT_TRUE(accepts(Grammar::regex("[^a]"), "\xF0\x9F\x98\x80"));
  EXPECT_FALSE(accepts(Grammar::regex("[^a]"), "\xFF"));
  EXPECT_FALSE(accepts(Grammar::regex("[^a]"), "\xED\xA0\x80"));  // a surrogate
  EXPECT_TRUE(accepts(Grammar::regex("\\p{Lu}\\p{Ll}+"), "Éa"));
  EXPECT_TRUE(accepts(Grammar::regex("(?i)straße"), "STRAßE"));
  EXPECT_TRUE(accepts(Grammar::regex("\\u00e9\\x41[\\d\\-x]"), "éA-"));
  EXPECT_TRUE(accepts(Grammar::regex("^(?=.*[A-Z])(?=.*\\d)(?!.*z).{3,}$"), "aB3"));
  EXPECT_FALSE(accepts(Grammar::regex("^(?=.*[A-Z])(?=.*\\d)(?!.*z).{3,}$"), "aB3z"));
  EXPECT_FALSE(accepts(Grammar::regex("^(?=.*[A-Z])(?=.*\\d)(?!.*z).{3,}$"), "ab3"));
}

TEST(GrammarRegex, RefusesWhatItCannotHold) {
  for (const char* p : {"(a", "a)", "[a", "a**", "\\1", "\\bx", "(?<=a)b", "a{3,2}", "\\q", "a{9999999}", "x\\"}) {
    EXPECT_NE(error_of([&] { Grammar::regex(p); }), "") << p;
  }
  // Exponential for an automaton: an error in time, not memory.
  EXPECT_NE(error_of([] { Grammar::regex("(a|b)*a(a|b){40}"); }), "");
  EXPECT_NE(error_of([] { Grammar::regex("((((a{100}){100}){100}){100})"); }), "");
  EXPECT_NE(error_of([] { Grammar::regex(std::string(5000, '(')); }), "");
}

TEST(GrammarGbnf, ReadsRules) {
  const Grammar g = Grammar::gbnf(
      "# arithmetic\nroot ::= expr \"\\n\"?\nexpr ::= term (op term)*\nterm ::= [0-9]+ | \"(\" expr \")\"\n"
      "op ::= \"+\" |\n  \"*\"\n");
  EXPECT_TRUE(accepts(g, "1"));
  EXPECT_TRUE(accepts(g, "(1+(2*34))\n"));
  EXPECT_FALSE(accepts(g, "(1+2"));
  EXPECT_FALSE(accepts(g, "1+"));
  EXPECT_TRUE(accepts(Grammar::gbnf("root ::= [a-z]{2,3} [^x]\n"), "abé"));
  EXPECT_TRUE(accepts(Grammar::gbnf("root ::= \"a\" root | \"b\""), "aaab"));
  EXPECT_TRUE(accepts(Grammar::gbnf("root ::= (\"a\"? b?)* \"c\"\nb ::= \"(\" root \")\""), "a(c)ac"));
}

TEST(GrammarGbnf, RefusesWithTheLine) {
  EXPECT_NE(error_of([] { Grammar::gbnf("root ::= a\n"); }).find("not defined"), std::string::npos);
  EXPECT_NE(error_of([] { Grammar::gbnf("root ::= root \"a\" | \"b\""); }).find("left recursion"), std::string::npos);
  EXPECT_NE(error_of([] { Grammar::gbnf("root ::= x \"a\"\nx ::= \"q\"? root | \"b\"\n"); }).find("left recursion"), std::string::npos);
  EXPECT_NE(error_of([] { Grammar::gbnf("root ::= \"a\" root"); }).find("finite"), std::string::npos);
  EXPECT_NE(error_of([] { Grammar::gbnf("a ::= \"b\""); }).find("root"), std::string::npos);
  EXPECT_NE(error_of([] { Grammar::gbnf("root ::= \"a\"\nb ::= [a"); }).find("line 2"), std::string::npos);
}

struct SchemaCase {
  const char* schema;
  std::vector<const char*> good, bad;
};

TEST(GrammarSchema, TakesWhatFollowsAndNothingElse) {
  const std::vector<SchemaCase> cases = {
      {R"(true)", {"1", "[]", "{\"a\":[null,{}]}", "\"x\"", " true", "-0.5e3"}, {"", "[1,]", "{\"a\":1,\"a\":2}", "nul", "01"}},
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"],"additionalProperties":false})",
       {R"({"a":1})", R"({"a": 1, "b": "x"})", R"({"b":"x","a":2})", "{\n  \"a\": 1\n}"},
       {R"({})", R"({"b":"x"})", R"({"a":1,"c":2})", R"({"a":1,"a":2})", R"({"a":1.5})", "{  \"a\":1}"}},
      {R"({"type":["string","null"],"minLength":2,"maxLength":3})", {R"("éé")", R"("abc")", "null", R"("\u00e9\n")"}, {R"("é")", R"("abcd")", "1"}},
      {R"({"type":"string","pattern":"^[a-z]+$","maxLength":4})", {R"("ab")"}, {R"("")", R"("abcde")", R"("aB")"}},
      {R"({"type":"string","pattern":"\"b"})", {R"("a\"bc")"}, {R"("ab")"}},
      {R"({"type":"string","format":"date"})", {R"("2024-02-29")"}, {R"("2023-02-29")", R"("2023-13-01")", R"("0000-01-01")"}},
      {R"({"type":"integer","minimum":-5,"exclusiveMaximum":12})", {"-5", "0", "11"}, {"-6", "12", "1.0", "111"}},
      {R"({"type":"number","multipleOf":0.25,"minimum":1,"maximum":2})", {"1", "1.25", "2", "1.50"}, {"1.1", "2.25", "0"}},
      {R"({"type":"integer","multipleOf":7,"minimum":100})", {"105", "700"}, {"7", "101"}},
      {R"({"enum":["a","b",1,null,[1,2]]})", {R"("a")", "1", "null", "[1,2]"}, {R"("c")", "2", "[1]"}},
      {R"({"const":{"a":1}})", {R"({"a":1})"}, {"{}"}},
      {R"({"type":"array","items":{"enum":["x","y","z"]},"uniqueItems":true,"minItems":2})", {R"(["x","y"])", R"(["z", "y", "x"])"},
       {R"(["x","x"])", R"(["x"])", R"(["x","y","z","x"])"}},
      {R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false})", {"[]", "[1]", R"([1,"a"])"}, {R"(["a"])", R"([1,"a",2])"}},
      {R"({"type":"array","items":{"type":"number"},"minItems":1,"maxItems":2})", {"[1]", "[1, 2.5]"}, {"[]", "[1,2,3]"}},
      {R"({"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]})", {"12", R"("a")"}, {R"("ab")", "true"}},
      {R"({"oneOf":[{"type":"integer","multipleOf":3},{"type":"integer","multipleOf":5}]})", {"3", "5", "9"}, {"15", "7"}},
      {R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"a":{"minimum":3}}}]})", {R"({"a":3})", R"({"a":4,"b":1})"},
       {R"({"a":2})", "{}"}},
      {R"({"type":"integer","not":{"minimum":10}})", {"9", "-4"}, {"10"}},
      {R"({"type":"string","not":{"enum":["a","b"]}})", {R"("c")", R"("aa")", R"("")"}, {R"("a")"}},
      {R"({"type":"object","minProperties":2,"maxProperties":2,"additionalProperties":{"type":"boolean"}})", {R"({"a":true,"b":false})"},
       {R"({"a":true})", R"({"a":true,"b":true,"c":true})", R"({"a":true,"a":true})", R"({"a":true,"\u0061":true})"}},
      {R"({"type":"object","patternProperties":{"^x":{"type":"integer"}},"additionalProperties":{"type":"string"}})", {R"({"x1":1,"y":"a"})"},
       {R"({"x1":"a"})", R"({"y":1})"}},
      {R"({"type":"object","patternProperties":{"^x":{"type":"integer"}},"additionalProperties":false})", {R"({"x1":1})", "{}"}, {R"({"y":1})"}},
      {R"({"type":"object","propertyNames":{"pattern":"^[a-z]{1,3}$"}})", {R"({"ab":1})"}, {R"({"AB":1})", R"({"abcd":1})"}},
      {R"({"$ref":"#/definitions/n%6Fde~1x","definitions":{"node/x":{"type":"object","properties":{"next":{"$ref":"#/definitions/node~1x"},"v":{"type":"integer"}},"required":["v"],"additionalProperties":false}}})",
       {R"({"v":1,"next":{"v":2}})"}, {R"({"next":{}})"}},
      {R"({"type":"object","properties":{"c":{"enum":["US","DE"]},"zip":{"type":"string"}},"required":["c"],"additionalProperties":false,"if":{"properties":{"c":{"const":"US"}}},"then":{"required":["zip"]}})",
       {R"({"c":"DE"})", R"({"c":"US","zip":"1"})", R"({"zip":"1","c":"US"})"}, {R"({"c":"US"})"}},
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"dependentRequired":{"a":["b"]},"additionalProperties":false})", {"{}", R"({"b":1})", R"({"a":1,"b":2})"},
       {R"({"a":1})"}},
      {R"({"type":"object","properties":{"é\"":{"type":"null"}},"required":["é\""],"additionalProperties":false})", {R"({"é\"":null})"}, {"{}"}},
  };
  for (const SchemaCase& c : cases) {
    std::optional<Grammar> g;
    ASSERT_EQ(error_of([&] { g.emplace(schema_grammar(c.schema)); }), "") << c.schema;
    for (const char* text : c.good) EXPECT_TRUE(accepts(*g, text)) << c.schema << "\n" << text;
    for (const char* text : c.bad) EXPECT_FALSE(accepts(*g, text)) << c.schema << "\n" << text;
  }
}

TEST(GrammarSchema, RefusesByPointer) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"({"type":"object","properties":{"a/b":{"type":"array","contains":{"type":"integer"}}}})", "/properties/a~1b/contains"},
      {R"({"type":"string","format":"made-up"})", "/format"},
      {R"s({"type":"string","pattern":"a(?<=b)"})s", "/pattern"},
      {R"({"$ref":"#/$defs/none"})", "/$ref"},
      {R"({"$ref":"http://example.com/x"})", "/$ref"},
      {R"({"type":"thing"})", "/type"},
      {R"({"allOf":[{"not":{"items":{"type":"string"}}}]})", "/allOf/0/not/items"},
      {R"({"type":"integer","minimum":5,"maximum":4})", "/"},
      {R"({"properties":{"a":7}})", "/properties/a"},
      {R"({"$dynamicRef":"#x"})", "/$dynamicRef"},
  };
  for (const auto& [schema, pointer] : cases) {
    const std::string message = error_of([&] { schema_grammar(schema); });
    EXPECT_NE(message.find(pointer), std::string::npos) << schema << "\n" << message;
  }
}

}  // namespace
}  // namespace tashika
