// Small helpers of the file tests.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "backend/backend.h"
#include "base/error.h"
#include "base/file.h"
#include "tensor/runtime.h"

namespace tashika {

inline std::string fixture(std::string_view name) {
  return cat(TASHIKA_TEST_DATA, "/io/", name);
}
inline std::string fixture_bytes(std::string_view name) {
  return read_file(fixture(name), 1 << 20);
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// A copy that is exactly as long as the text, so that a sanitizer sees a read past the end.
inline std::shared_ptr<const std::string> shared_copy(std::string_view text) {
  auto out = std::make_shared<std::string>(text);
  out->shrink_to_fit();
  return out;
}

template <typename F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

template <typename T>
std::string le(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

class TemporaryFolder : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = join_path(testing::TempDir(), "tashika-io-XXXXXX");
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

struct HostRuntime {  // allocates and reads, computes nothing
  Runtime runtime{"host", std::make_shared<KernelTable>(std::span<const KernelFile* const>{}), {}};
};

struct MetaRuntime {
  Runtime runtime{"meta", nullptr, {}};
};

}  // namespace tashika
