#include "base/error.h"

#include <gtest/gtest.h>

namespace tashika {

TEST(Error, CatWritesNumbersAndText) {
  EXPECT_EQ(cat("a ", 3, ' ', 1.5, ' ', true, std::string("!")), "a 3 1.5 true!");
}

TEST(Error, FailThrowsInput) {
  try {
    fail("bad ", 7);
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "bad 7");
    EXPECT_EQ(e.kind(), ErrorKind::input);
    return;
  }
  FAIL();
}

TEST(Error, PrintableHidesWhatWouldMoveTheTerminal) {
  EXPECT_EQ(printable("wéight"), "wéight");
  EXPECT_EQ(printable("a\x1b[2J\n\x7f"), "a\\x1b[2J\\x0a\\x7f");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // right-to-left override
  EXPECT_EQ(printable(std::string(200, 'x'), 10), std::string(10, 'x') + "…");
  EXPECT_EQ(printable("日本語", 7), "日本…");
}

}  // namespace tashika
