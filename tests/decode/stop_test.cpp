#include "decode/stop.h"

#include <gtest/gtest.h>

namespace tashika {
namespace {

struct Result {
  std::string text;
  bool hit;
  std::string matched;
  bool operator==(const Result&) const = default;
};

Result feed(std::vector<std::string> stops, std::string_view text, std::size_t step) {
  StopMatcher m(std::move(stops));
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += step) out += m.push(text.substr(at, step));
  out += m.finish();
  return {out, m.hit(), m.matched()};
}

TEST(Stop, ResultDoesNotDependOnThePieces) {
  const std::vector<std::string> stops = {"</s>", "stop", "\n\nUser:", "aab"};
  for (const std::string_view text : {"hello </s> more", "no end here", "ends in </", "aaaab tail", "aaa", "x\n\n\nUser: y", "sstop", ""}) {
    const Result whole = feed(stops, text, 1000);
    for (std::size_t step = 1; step <= 5; ++step) EXPECT_EQ(feed(stops, text, step), whole) << text << " by " << step;
  }
}

TEST(Stop, CutsBeforeTheStopString) {
  EXPECT_EQ(feed({"END"}, "one END two", 1), (Result{"one ", true, "END"}));
  EXPECT_EQ(feed({"END"}, "one EN", 1), (Result{"one EN", false, ""}));
  EXPECT_EQ(feed({"b", "abc"}, "xabc", 4), (Result{"xa", true, "b"}));   // complete first
  EXPECT_EQ(feed({"bc", "abc"}, "xabc", 4), (Result{"x", true, "abc"}));  // together: the longest
  EXPECT_EQ(feed({}, "text", 2), (Result{"text", false, ""}));
  EXPECT_EQ(feed({""}, "text", 2), (Result{"text", false, ""}));
}

TEST(Stop, HoldsBackOnlyWhatMayBecomeAStop) {
  StopMatcher m({"<end>"});
  EXPECT_EQ(m.push("a<"), "a");
  EXPECT_EQ(m.push("b"), "<b");
  EXPECT_EQ(m.push("<en"), "");
  EXPECT_EQ(m.push("d>x"), "");
  EXPECT_TRUE(m.hit());
  EXPECT_EQ(m.push("more"), "");
  EXPECT_EQ(m.finish(), "");
}

}  // namespace
}  // namespace tashika
