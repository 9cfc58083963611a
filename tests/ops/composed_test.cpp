// A fused op without a kernel is computed from simpler ops, and says so once.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/log.h"
#include "ops/norm.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(Composed, IsToldOnceForAKindOfCall) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "composed.log";
  std::filesystem::remove(path);
  for (const char* backend : {"ref", "cpu"}) {
    const auto rt = test::runtime(backend);
    Log log(LogLevel::error, path.string(), LogLevel::debug);
    rt->log = &log;
    const Tensor weight = Tensor::full(*rt, {4}, 2.0f);
    for (const std::int64_t rows : {1, 3, 1}) ops::rms_norm(Tensor::full(*rt, {rows, 4}, 1.0f), weight, 1e-6f);
  }
  const std::string text = text_of(path);
  EXPECT_EQ(count(text, "no kernel of backend ref takes rms_norm of f32, f32: computed from simpler ops"), 1u) << text;
  EXPECT_EQ(count(text, "backend cpu"), 0u) << text;
}

}  // namespace
}  // namespace tashika
