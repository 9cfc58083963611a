#include "base/error.h"

#include <gtest/gtest.h>

namespace tashika {

TEST(Error, CatWritesNumbersAndText) { EXPECT_EQ(cat("a ", 3, ' ', 1.5, ' ', true, std::string("!")), "a 3 1.5 true!"); }

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

}  // namespace tashika
