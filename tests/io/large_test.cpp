// What large files cost: memory while parsing in proportion to the header, none for the data, offsets beyond 32 bits.
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "io/gguf.h"
#include "io/gguf_write.h"
#include "io/safetensors.h"
#include "io/safetensors_write.h"
#include "support.h"

namespace {
std::atomic<std::size_t> live_bytes{0};
std::atomic<std::size_t> peak_bytes{0};
}  // namespace

// Every allocation of this test program is counted.
void* operator new(std::size_t size) {
  void* memory = std::malloc(size);
  if (!memory) throw std::bad_alloc();
  const std::size_t now = live_bytes += malloc_usable_size(memory);
  std::size_t peak = peak_bytes;
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now)) {
  }
  return memory;
}
void operator delete(void* memory) noexcept {
  if (memory) live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  operator delete(memory);
}

namespace tashika {
namespace {

template <typename F>
std::size_t peak_during(const F& f) {
  const std::size_t before = live_bytes;
  peak_bytes = before;
  f();
  return peak_bytes - before;
}

TEST(LargeFiles, ASafetensorsHeaderOfShortestEntriesTakesAtMostFourTimesItsSize) {
  std::string json = "{";
  for (int i = 0; i < 60000; ++i) {
    json += cat(i ? "," : "", "\"", i, R"(":{"dtype":"U8","shape":[],"data_offsets":[)", i, ",", i + 1, "]}");
  }
  json += "}";
  const std::string bytes = le<std::uint64_t>(json.size()) + json + std::string(60000, 'x');
  std::unique_ptr<Safetensors> file;
  const std::size_t peak = peak_during([&] { file = Safetensors::parse(as_bytes(bytes), nullptr, "f"); });
  EXPECT_EQ(file->list().size(), 60000u);
  EXPECT_LE(peak, 4 * json.size());
}

TEST(LargeFiles, DeepOrWideJsonTakesNothing) {
  std::string json = R"({"a":{"x":[0)";
  for (int i = 0; i < 300000; ++i) json += ",[]";
  json += R"(],"dtype":"U8","shape":[],"data_offsets":[0,1]}})";
  const std::string bytes = le<std::uint64_t>(json.size()) + json + "x";
  EXPECT_LE(peak_during([&] { Safetensors::parse(as_bytes(bytes), nullptr, "f"); }), 1u << 16);
}

TEST(LargeFiles, GgufTablesStayWithinTheBound) {
  // The most tensors and pairs that the bytes allow.
  std::string bytes = "GGUF" + le<std::uint32_t>(3) + le<std::uint64_t>(20000) + le<std::uint64_t>(20000);
  for (int i = 0; i < 20000; ++i) {
    const std::string key = std::to_string(i);
    bytes += le<std::uint64_t>(key.size()) + key + le<std::uint32_t>(0) + "x";
  }
  for (int i = 0; i < 20000; ++i) {
    const std::string name = std::to_string(i);
    bytes += le<std::uint64_t>(name.size()) + name + le<std::uint32_t>(0) + le<std::uint32_t>(24) +
             le<std::uint64_t>(static_cast<std::uint64_t>(i) * 32);
  }
  const std::size_t header = bytes.size();
  bytes.resize((bytes.size() + 31) / 32 * 32 + 20000 * 32);
  const std::size_t peak = peak_during([&] { Gguf::parse(as_bytes(bytes), nullptr, "f")->metadata(); });
  EXPECT_LE(peak, 4 * header + (std::size_t{64} << 20));
  EXPECT_LE(peak, 14 * header);  // the tables alone
}

using LargeFile = TemporaryFolder;

// Six gigabytes without a block on the disk: only the header and the last tensor are ever written or touched.
TEST_F(LargeFile, OffsetsBeyond32BitsWork) {
  HostRuntime host;
  const WeightInfo big{"big", f16, Shape{3, std::int64_t{1} << 30}};
  const WeightInfo tail{"tail", f16, Shape{2}};
  const std::string last("\x00\x3c\x00\xc0", 4);  // 1, -2
  const std::string headers[] = {gguf_header({}, {big, tail}), safetensors_header({big, tail}, {})};
  const char* const names[] = {"big.gguf", "big.safetensors"};
  for (int i = 0; i < 2; ++i) {
    write_file(at(names[i]), headers[i]);
    const off_t end = static_cast<off_t>(headers[i].size()) + (off_t{6} << 30);
    ASSERT_EQ(::truncate(at(names[i]).c_str(), end + 4), 0);
    FILE* file = std::fopen(at(names[i]).c_str(), "r+");
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(::fseeko(file, end, SEEK_SET), 0);
    ASSERT_EQ(std::fwrite(last.data(), 1, 4, file), 4u);
    std::fclose(file);
    std::unique_ptr<WeightSource> source;
    const std::size_t peak = peak_during([&] {
      if (i == 0)
        source = Gguf::open(at(names[i]));
      else
        source = Safetensors::open(at(names[i]));
    });
    EXPECT_LE(peak, 1u << 16);
    EXPECT_EQ(source->load("tail", host.runtime).to_host(), (std::vector<float>{1, -2}));
    EXPECT_EQ(source->load("big", host.runtime).nbytes(), std::int64_t{6} << 30);
  }
}

}  // namespace
}  // namespace tashika
