// Runs the committed corpus of every fuzz target: what a fuzzer once found stays fixed, in every build.
#include "fuzz/replay.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace tashika {
namespace {

TEST(FuzzReplay, EveryTargetSurvivesItsCorpus) {
  const std::string corpus = TASHIKA_FUZZ_CORPUS;
  for (const FuzzTarget& target : fuzz_targets()) {
    const std::string folder = join_path(corpus, target.name);
    ASSERT_EQ(file_type(folder), FileType::directory) << folder;
    int files = 0;
    for (const std::string& name : list_directory(folder)) {
      const std::string text = read_file(join_path(folder, name), 1 << 24);
      // On the heap and exactly as long as the input: a sanitizer sees a read past its end.
      const auto copy = std::make_unique<std::uint8_t[]>(text.size());
      std::memcpy(copy.get(), text.data(), text.size());
      SCOPED_TRACE(cat(target.name, "/", name));
      EXPECT_EQ(target.run(copy.get(), text.size()), 0);
      ++files;
    }
    EXPECT_GT(files, 0) << "the corpus of " << target.name << " is empty";
  }
}

TEST(FuzzReplay, EveryCorpusHasItsTarget) {
  std::set<std::string> names;
  for (const FuzzTarget& target : fuzz_targets()) names.insert(target.name);
  ASSERT_FALSE(names.empty());
  for (const std::string& folder : list_directory(TASHIKA_FUZZ_CORPUS)) EXPECT_TRUE(names.count(folder)) << folder;
}

}  // namespace
}  // namespace tashika
