#include "base/file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/digest.h"
#include "base/error.h"
#include "base/reader.h"

namespace tashika {
namespace {

class TemporaryFolder : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = join_path(testing::TempDir(), "tashika-file-XXXXXX");
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder = pattern;
  }
  void TearDown() override {
    for (const auto& name : list_directory(folder)) ::unlink(at(name).c_str());
    ::rmdir(folder.c_str());
  }
  std::string at(std::string_view name) const { return join_path(folder, name); }
  std::string folder;
};

template <typename F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

using File = TemporaryFolder;

TEST_F(File, WritesReadsAndMaps) {
  write_file(at("a"), "hello");
  EXPECT_EQ(read_file(at("a"), 5), "hello");
  EXPECT_EQ(file_size(at("a")), 5u);
  const auto mapped = MappedFile::open(at("a"));
  ASSERT_EQ(mapped->bytes().size(), 5u);
  EXPECT_EQ(static_cast<char>(mapped->bytes()[4]), 'o');
  mapped->advise(MappedFile::Advice::will_need, 0, 100);
  mapped->advise(MappedFile::Advice::random, 3, 1);
  mapped->advise(MappedFile::Advice::random, 30, 1);
  mapped->check_unchanged();
}

TEST_F(File, EmptyFilesMapToNothing) {
  write_file(at("empty"), "");
  EXPECT_TRUE(MappedFile::open(at("empty"))->bytes().empty());
  EXPECT_EQ(read_file(at("empty"), 0), "");
}

TEST_F(File, LimitsAreExact) {
  write_file(at("a"), "hello");
  EXPECT_EQ(message_of([&] { read_file(at("a"), 4); }),
            at("a") + ": is larger than 4 bytes, the limit for this kind of file");
  const std::string large(200000, 'x');
  write_file(at("large"), large);
  EXPECT_EQ(read_file(at("large"), 200000), large);
  EXPECT_EQ(read_file(at("large"), 1u << 30), large);
}

TEST_F(File, ErrorsNameThePathAndTheReason) {
  EXPECT_EQ(message_of([&] { MappedFile::open(at("none")); }), at("none") + ": cannot open: No such file or directory");
  EXPECT_EQ(message_of([&] { read_file(at("none"), 9); }), at("none") + ": cannot open: No such file or directory");
  EXPECT_EQ(message_of([&] { MappedFile::open(folder); }), folder + ": is a directory, not a file");
  EXPECT_EQ(message_of([&] { read_file(folder, 9); }), folder + ": is a directory, not a file");
  EXPECT_EQ(message_of([&] { list_directory(at("none")); }), at("none") + ": cannot list: No such file or directory");
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  EXPECT_EQ(message_of([&] { MappedFile::open(at("pipe")); }), at("pipe") + ": is not a regular file");
  EXPECT_NE(message_of([&] { write_file(at("no/such"), "x"); }).find("cannot save"), std::string::npos);
}

TEST_F(File, SavesReplaceWholeOrNotAtAll) {
  write_file(at("a"), "old");
  {
    DurableFile file(at("a"));
    file.write("half");
  }  // not committed
  EXPECT_EQ(read_file(at("a"), 99), "old");
  EXPECT_EQ(list_directory(folder), std::vector<std::string>{"a"});
  {
    DurableFile file(at("a"));
    const std::string piece(100001, 'y');
    for (int i = 0; i < 5; ++i) file.write(piece);
    file.write_zeros(1000);
    EXPECT_EQ(file.written(), 501005u);
    EXPECT_EQ(read_file(at("a"), 99), "old");
    file.commit();
  }
  EXPECT_EQ(read_file(at("a"), 1 << 20), std::string(500005, 'y') + std::string(1000, '\0'));
  EXPECT_EQ(list_directory(folder), std::vector<std::string>{"a"});
}

TEST_F(File, ATakenTemporaryNameIsSteppedOver) {
  const std::string taken = cat(at("b"), ".tmp-", static_cast<std::int64_t>(::getpid()), "-0");
  ASSERT_EQ(::symlink("/dev/null", taken.c_str()), 0);
  write_file(at("b"), "fine");
  EXPECT_EQ(read_file(at("b"), 9), "fine");
  EXPECT_EQ(list_directory(folder).size(), 2u);
}

TEST_F(File, TruncationWhileLoadingIsAnError) {
  write_file(at("a"), "0123456789");
  const auto mapped = MappedFile::open(at("a"));
  ASSERT_EQ(::truncate(at("a").c_str(), 4), 0);
  EXPECT_EQ(message_of([&] { mapped->check_unchanged(); }),
            at("a") + ": was truncated from 10 to 4 bytes while it was being loaded");
}

using FileDeathTest = TemporaryFolder;

TEST_F(FileDeathTest, TruncationLaterEndsCleanly) {
  write_file(at("a"), std::string(3 * 65536, 'x'));
  EXPECT_EXIT(
      {
        exit_on_lost_mapping();
        const auto mapped = MappedFile::open(at("a"));
        if (::truncate(at("a").c_str(), 0) != 0) ::_exit(3);
        const volatile std::byte* data = mapped->bytes().data();
        [[maybe_unused]] const std::byte touched = data[65536];
        ::_exit(4);
      },
      testing::ExitedWithCode(1), "lost pages");
}

TEST_F(FileDeathTest, AFullDiskLeavesTheOldFile) {
  write_file(at("a"), "old");
  EXPECT_EXIT(
      {
        ::signal(SIGXFSZ, SIG_IGN);
        rlimit limit;
        limit.rlim_cur = limit.rlim_max = 1000;
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const std::string message = message_of([&] { write_file(at("a"), std::string(2000, 'x')); });
        const bool kept = read_file(at("a"), 99) == "old" && list_directory(folder).size() == 1;
        std::fputs(message.c_str(), stderr);
        ::_exit(kept ? 5 : 6);
      },
      testing::ExitedWithCode(5), "cannot save: write failed: File too large; the file was left as it was");
}

TEST_F(File, FoldersAreMadeAndNamesTakenApart) {
  make_directories(at("x/y/z"));
  EXPECT_EQ(file_type(at("x/y/z")), FileType::directory);
  make_directories(at("x/y/z"));
  for (const char* name : {"x/y/z", "x/y", "x"}) ::rmdir(at(name).c_str());
  EXPECT_EQ(parent_path("a/b/c"), "a/b");
  EXPECT_EQ(parent_path("a/b/"), "a");
  EXPECT_EQ(parent_path("a"), ".");
  EXPECT_EQ(parent_path("/a"), "/");
  EXPECT_EQ(parent_path("/"), "/");
  EXPECT_EQ(file_name("a/b/c"), "c");
  EXPECT_EQ(file_name("a/b/"), "b");
  EXPECT_EQ(file_name("c"), "c");
  EXPECT_EQ(file_name("/"), "/");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(join_path("", "b"), "b");
}

TEST_F(File, DigestsAreSha256) {
  EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  write_file(at("abc"), "abc");
  EXPECT_EQ(sha256_file(at("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 digest;
  const std::string text = "abc";
  for (const char& c : text) digest.update(std::as_bytes(std::span(&c, 1)));
  EXPECT_EQ(digest.finish(), sha256_file(at("abc")));
}

TEST(ByteReader, ReadsInBoundsOnly) {
  const unsigned char raw[] = {1, 2, 0, 0, 0, 0, 0, 0x80, 0x3f, 'h', 'i'};
  ByteReader in(std::as_bytes(std::span(raw)), "f.bin");
  EXPECT_EQ(in.read<std::uint8_t>("a"), 1);
  EXPECT_EQ(in.read<std::uint32_t>("b"), 2u);
  EXPECT_EQ(in.read<float>("c"), 1.0f);
  EXPECT_EQ(in.offset(), 9u);
  EXPECT_EQ(message_of([&] { in.read<std::uint32_t>("count"); }), "f.bin: count at byte 9: needs 4 bytes, 2 remain");
  EXPECT_EQ(message_of([&] { in.take(~0ull, "name"); }),
            "f.bin: name at byte 9: needs 18446744073709551615 bytes, 2 remain");
  EXPECT_EQ(message_of([&] { in.expect_items(2, 2, "items"); }),
            "f.bin: items at byte 9: 2 items of at least 2 bytes do not fit in the 2 that remain");
  in.expect_items(1, 2, "items");
  EXPECT_EQ(in.take_text(2, "text"), "hi");
  EXPECT_EQ(in.remaining(), 0u);
}

TEST(ByteReader, ArithmeticIsChecked) {
  EXPECT_EQ(checked_add(2, 3), 5u);
  EXPECT_FALSE(checked_add(~0ull, 1));
  EXPECT_EQ(checked_mul(1ull << 32, 1ull << 31), 1ull << 63);
  EXPECT_FALSE(checked_mul(1ull << 32, 1ull << 32));
}

}  // namespace
}  // namespace tashika
