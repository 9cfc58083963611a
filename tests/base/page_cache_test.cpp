#include "base/page_cache.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"

namespace tashika {
namespace {

TEST(PageCache, ReadsAFileThroughAndKnowsIt) {
  const std::string path = testing::TempDir() + "tashika_page_cache";
  write_file(path, std::string(100000, 'x'));
  std::uint64_t last = 0;
  read_through(path, [&](std::uint64_t done) {
    EXPECT_GT(done, last);
    last = done;
  });
  EXPECT_EQ(last, 100000u);
  EXPECT_LE(uncached_bytes(path), 100000u);
  write_file(path, "");
  EXPECT_EQ(uncached_bytes(path), 0u);
  EXPECT_THROW(read_through(path + ".absent", [](std::uint64_t) {}), Error);
}

}  // namespace
}  // namespace tashika
