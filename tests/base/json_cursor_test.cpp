#include "base/json_cursor.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tashika {
namespace {

TEST(JsonCursor, WalksObjectsAndArrays) {
  JsonCursor in(
      R"( { "a" : [ 1 , 2 ] , "b\u0021" : "x\n\ud83d\ude00" , "skip" : { "y" : [ null , -1.5e-3 ] } , "c" : 18446744073709551615 } )",
      "f");
  in.begin_object();
  ASSERT_TRUE(in.next_member());
  EXPECT_EQ(in.key(), "a");
  in.begin_array();
  ASSERT_TRUE(in.next_element());
  EXPECT_EQ(in.unsigned_integer(), 1u);
  ASSERT_TRUE(in.next_element());
  EXPECT_EQ(in.unsigned_integer(), 2u);
  EXPECT_FALSE(in.next_element());
  ASSERT_TRUE(in.next_member());
  EXPECT_EQ(in.key(), "b!");
  EXPECT_EQ(in.string(), "x\n\xF0\x9F\x98\x80");
  EXPECT_EQ(in.key(), "b!");
  ASSERT_TRUE(in.next_member());
  in.skip_value();
  ASSERT_TRUE(in.next_member());
  EXPECT_EQ(in.unsigned_integer(), ~std::uint64_t{0});
  EXPECT_FALSE(in.next_member());
  in.finish();
}

// What the cursor accepts and refuses as a whole value (RFC 8259).
bool valid(std::string_view text) {
  try {
    JsonCursor in(text, "f", 4);
    in.skip_value();
    in.finish();
    return true;
  } catch (const Error&) {
    return false;
  }
}

TEST(JsonCursor, AcceptsJsonAndNothingElse) {
  for (const char* good : {"0", "-0", "1.5", "1e5", "1E-5", "[]", "{}", "[1,2]", "{\"a\":{}}", "\"\\u00e9\\/\"", "true",
                           "false", "null", " [ ] ", "[[[[]]]]"}) {
    EXPECT_TRUE(valid(good)) << good;
  }
  for (const char* bad : {"",
                          " ",
                          "-",
                          "01",
                          "1.",
                          ".5",
                          "1e",
                          "+1",
                          "[",
                          "[1",
                          "[1,",
                          "[1,]",
                          "{",
                          "{\"a\"",
                          "{\"a\":",
                          "{\"a\":1",
                          "{\"a\":1,}",
                          "{a:1}",
                          "[1 2]",
                          "tru",
                          "nul",
                          "NaN",
                          "Infinity",
                          "\"",
                          "\"\\",
                          "\"\\u12\"",
                          "\"\\udc00\"",
                          "\"\\ud800x\"",
                          "\"\\ud800\\u0041\"",
                          "\"\t\"",
                          "[}",
                          "{]",
                          "1 2",
                          "[[[[[]]]]]",
                          "\"\xff\"",
                          "'a'"}) {
    EXPECT_FALSE(valid(bad)) << bad;
  }
}

}  // namespace
}  // namespace tashika
