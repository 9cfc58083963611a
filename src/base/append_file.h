// A file that grows by whole records: logs and metrics.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tashika {

// Every write goes to the system at once, so that a killed process loses no record. Failures are Error(input).
class AppendFile {
 public:
  // Keeps the first `keep` bytes of a file that is there, and drops the rest.
  explicit AppendFile(std::string path, std::uint64_t keep = 0);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  void write(std::string_view text);
  void sync();  // to the disk
  std::uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::uint64_t size_ = 0;
  int fd_ = -1;
};

}  // namespace tashika
