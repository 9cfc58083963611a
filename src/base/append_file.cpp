#include "base/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace tashika {

AppendFile::AppendFile(std::string path, std::uint64_t keep) : path_(std::move(path)), size_(keep) {
  do {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  } while (fd_ < 0 && errno == EINTR);
  if (fd_ < 0) fail(path_, ": cannot open for writing: ", std::strerror(errno));
  struct stat status {};
  const bool shorter = ::fstat(fd_, &status) == 0 && static_cast<std::uint64_t>(status.st_size) < keep;
  if (shorter || ::ftruncate(fd_, static_cast<off_t>(keep)) != 0 || ::lseek(fd_, 0, SEEK_END) < 0) {
    const std::string why = shorter ? cat("it has ", static_cast<std::int64_t>(status.st_size), " bytes, not the expected ", keep) : std::strerror(errno);
    ::close(fd_);
    fd_ = -1;
    fail(path_, ": cannot continue this file: ", why);
  }
}

AppendFile::~AppendFile() {
  if (fd_ >= 0) ::close(fd_);
}

void AppendFile::write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd_, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(path_, ": cannot write: ", std::strerror(errno));
    text.remove_prefix(static_cast<std::size_t>(n));
    size_ += static_cast<std::uint64_t>(n);
  }
}

void AppendFile::sync() {
  if (::fsync(fd_) != 0) fail(path_, ": cannot sync: ", std::strerror(errno));
}

}  // namespace tashika
