#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace tashika {
namespace {

Json parse(std::string_view text) {
  return parse_json(text, "test");
}

std::string message_of(std::string_view text, JsonLimits limits = {}) {
  try {
    parse_json(text, "test", limits);
  } catch (const Error& e) {
    return e.message();
  }
  return "";
}

TEST(Json, KeepsOrderAndTypes) {
  const Json v = parse(R"({"z":1,"a":[true,null,-2.5,"é\n"],"m":{"k":1e2}})");
  EXPECT_EQ(dump_json(v), R"({"z":1,"a":[true,null,-2.5,"é\n"],"m":{"k":100.0}})");
  EXPECT_EQ(dump_json(v, JsonStyle::python), R"({"z": 1, "a": [true, null, -2.5, "é\n"], "m": {"k": 100.0}})");
  EXPECT_TRUE(v["z"].is_integer());
  EXPECT_EQ(v["m"]["k"].type(), Json::Type::real);
  EXPECT_EQ(v["m"]["k"].as_integer(), 100);
  EXPECT_TRUE(v["nothing"]["deeper"].is_null());
  EXPECT_FALSE(v.contains("nothing"));
}

TEST(Json, DuplicateKeyReplacesInPlace) {
  EXPECT_EQ(dump_json(parse(R"({"a":1,"b":2,"a":{"x":3}})")), R"({"a":{"x":3},"b":2})");
  EXPECT_EQ(dump_json(parse(R"({"a":[1],"a":[2]})")), R"({"a":[2]})");
}

TEST(Json, Numbers) {
  EXPECT_EQ(parse("9223372036854775807").as_integer(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(parse("-9223372036854775808").as_integer(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(dump_json(parse("9223372036854775808")), "9.223372036854776e+18");
  EXPECT_EQ(dump_json(parse("123456789012345678901234567890")), "1.2345678901234568e+29");
  EXPECT_EQ(dump_json(parse("-0")), "0");
  EXPECT_EQ(dump_json(parse("-0.0")), "-0.0");
  for (const char* bad :
       {"1e999", "-1e999", "01", "+1", ".5", "1.", "1e", "0x10", "NaN", "Infinity", "-Infinity", "-"}) {
    EXPECT_NE(message_of(bad), "") << bad;
  }
  EXPECT_NE(message_of(std::string(5000, '9')), "");
  EXPECT_THROW(parse("1.5").as_integer(), Error);
  EXPECT_THROW(parse("1e30").as_integer(), Error);
  EXPECT_THROW(parse("9223372036854775808").as_integer(), Error);
}

TEST(Json, PythonFloats) {
  const std::pair<double, const char*> cases[] = {
      {0.0, "0.0"},         {-0.0, "-0.0"},       {1.0, "1.0"},
      {1e-07, "1e-07"},     {0.0001, "0.0001"},   {0.00001, "1e-05"},
      {0.1, "0.1"},         {123.456, "123.456"}, {1e15, "1000000000000000.0"},
      {1e16, "1e+16"},      {1.5e16, "1.5e+16"},  {9999999999999998.0, "9999999999999998.0"},
      {1e22, "1e+22"},      {1e100, "1e+100"},    {5e-324, "5e-324"},
      {-1234.5, "-1234.5"}, {1e-10, "1e-10"},     {1.7976931348623157e308, "1.7976931348623157e+308"},
      {100.0, "100.0"},     {2.5e-5, "2.5e-05"},
  };
  for (const auto& [value, text] : cases) EXPECT_EQ(python_float(value), text);
  EXPECT_EQ(python_float(INFINITY), "inf");
  EXPECT_EQ(python_float(-INFINITY), "-inf");
  EXPECT_EQ(python_float(NAN), "nan");
  EXPECT_EQ(dump_json(Json(JsonArray{NAN, -INFINITY, INFINITY})), "[NaN,-Infinity,Infinity]");
}

TEST(Json, Strings) {
  EXPECT_EQ(parse(R"("\u00e9\ud83d\ude00\u0000x")").as_string(), std::string("é😀\0x", 8));
  EXPECT_EQ(dump_json(Json(std::string("\0\x1f\"\\/\x7f\b\f\r\t", 10))), "\"\\u0000\\u001f\\\"\\\\/\x7f\\b\\f\\r\\t\"");
  EXPECT_EQ(dump_json(Json("a\xff"
                           "b\xe2\x82")),
            "\"a\uFFFDb\uFFFD\"");
}

TEST(Json, Indent) {
  const Json v = parse(R"({"a":[1,{}],"b":[],"c":{"d":"e"}})");
  EXPECT_EQ(dump_json(v, JsonStyle::python, 2),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": [],\n  \"c\": {\n    \"d\": \"e\"\n  }\n}");
  EXPECT_EQ(dump_json(parse("[1,2]"), JsonStyle::python, 0), "[\n1,\n2\n]");
}

TEST(Json, RefusesWhatIsNoJson) {
  const char* bad[] = {"",
                       " ",
                       "{",
                       "[1,]",
                       "{\"a\":1,}",
                       "{\"a\"}",
                       "{a:1}",
                       "'a'",
                       "[1 2]",
                       "1 2",
                       "nul",
                       "true1",
                       "[1]]",
                       "\"\\x\"",
                       "\"\n\"",
                       "\"\\ud800\"",
                       "\"\\udc00\"",
                       "\"\\ud800\\u0041\"",
                       "\"\xff\"",
                       "\"\xc0\x80\"",
                       "\"\xed\xa0\x80\"",
                       "\"\xf4\x90\x80\x80\"",
                       "// c\n1",
                       "/* */1",
                       "\xff",
                       "\"abc",
                       "\"\\u12\"",
                       "\"\xe2\x82\""};
  for (const char* text : bad) EXPECT_NE(message_of(text), "") << text;
  EXPECT_NE(message_of(std::string_view("1\0", 2)), "");
}

TEST(Json, ErrorsNameFileAndOffset) {
  EXPECT_EQ(message_of("[1,x]").substr(0, 35), "test: no valid JSON at offset 3: sy");
  EXPECT_EQ(message_of("[[[", {.depth = 2}), "test: JSON nested deeper than 2 at offset 2");
  EXPECT_NE(message_of("[1e999]").find("offset"), std::string::npos);
  EXPECT_EQ(message_of("\"\xff\"").find('\xff'), std::string::npos);
}

TEST(Json, DepthBudget) {
  const auto nested = [](int n, const char* open, const char* close) {
    std::string text;
    for (int i = 0; i < n; ++i) text += open;
    text += "1";
    for (int i = 0; i < n; ++i) text += close;
    return text;
  };
  EXPECT_EQ(message_of(nested(128, "[", "]")), "");
  EXPECT_NE(message_of(nested(129, "[", "]")), "");
  EXPECT_EQ(message_of(nested(128, "{\"a\":", "}")), "");
  EXPECT_NE(message_of(nested(129, "{\"a\":", "}")), "");
  EXPECT_NE(message_of(nested(100000, "[", "]")), "");
  const std::string deep = nested(1024, "[", "]");
  const Json value = parse_json(deep, "test", {.depth = 1024});
  EXPECT_EQ(dump_json(value), deep);
  EXPECT_THROW(parse_json("1", "test", {.depth = 1025}), Error);
  EXPECT_EQ(message_of("7", {.depth = 0}), "");
  EXPECT_NE(message_of("[]", {.depth = 0}), "");
}

TEST(Json, TruncatedAtEveryByte) {
  const std::string text = R"({"a":[1,2.5e3,"\u00e9\n😀",{"b":null}],"c":true,"d":-0.5})";
  EXPECT_EQ(message_of(text), "");
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_NE(message_of(text.substr(0, n)), "") << n;
}

TEST(Json, LargeObjectsAreIndexed) {
  Json v;
  const int count = 50000;  // quadratic search would take minutes
  for (int i = 0; i < count; ++i) v.set(cat("key", i), i);
  for (int i = 0; i < count; ++i) ASSERT_EQ(v[cat("key", i)].as_integer(), i);
  EXPECT_FALSE(v.contains("key"));
  const Json copy = v;
  EXPECT_EQ(copy["key49999"].as_integer(), 49999);
  EXPECT_EQ(copy, v);
  Json moved = std::move(v);
  EXPECT_TRUE(moved.as_object().erase("key7"));
  EXPECT_FALSE(moved.as_object().erase("key7"));
  EXPECT_FALSE(moved.contains("key7"));
  EXPECT_EQ(moved["key8"].as_integer(), 8);
  EXPECT_EQ(moved.as_object().size(), count - 1u);
  EXPECT_EQ(parse(dump_json(moved)), moved);
}

TEST(Json, EraseAroundTheIndexThreshold) {
  JsonObject object;
  for (int i = 0; i < 40; ++i) object[cat(i)] = i;
  for (int i = 0; i < 40; ++i) {
    EXPECT_TRUE(object.erase(cat(i)));
    for (int j = 0; j < 40; ++j) ASSERT_EQ(object.find(cat(j)) != nullptr, j > i);
  }
  EXPECT_TRUE(object.empty());
}

TEST(Json, Equality) {
  EXPECT_EQ(parse("1"), parse("1.0"));
  EXPECT_FALSE(parse("9223372036854775807") == parse("9223372036854775808"));
  EXPECT_EQ(parse(R"({"a":1,"b":2})"), parse(R"({"b":2,"a":1})"));
  EXPECT_FALSE(parse(R"({"a":1})") == parse(R"({"b":1})"));
  EXPECT_FALSE(parse("[1]") == parse("[2]"));
  EXPECT_FALSE(Json(true) == Json(1));
}

TEST(Json, WrongTypesThrow) {
  const Json v = parse("[1]");
  EXPECT_THROW(v.as_object(), Error);
  EXPECT_THROW(v.as_string(), Error);
  EXPECT_THROW(v.as_bool(), Error);
  EXPECT_THROW(v.as_integer(), Error);
  EXPECT_THROW(v.as_double(), Error);
  EXPECT_THROW(Json("x").as_array(), Error);
  EXPECT_THROW(Json(1).set("a", 2), Error);
}

}  // namespace
}  // namespace tashika
