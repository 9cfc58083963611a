#include "base/log.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>

#include "base/error.h"
#include "base/terminal.h"

namespace tashika {

struct Log::Impl {
  std::mutex mutex;
  std::set<std::string, std::less<>> said;
  int fd = -1;
};

Log::Log(LogLevel level, const std::string& file, LogLevel file_level)
    : level_(level), file_level_(file.empty() ? LogLevel::error : file_level), impl_(std::make_unique<Impl>()) {
  if (file.empty()) return;
  impl_->fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (impl_->fd < 0) fail(file, ": cannot open the log file: ", std::strerror(errno));
}

Log::~Log() {
  if (impl_->fd >= 0) ::close(impl_->fd);
}

void Log::write(LogLevel level, std::string_view line) {
  if (!enabled(level)) return;
  const char* const names[] = {"error", "warning", "info", "debug"};
  const char* name = names[static_cast<int>(level)];
  std::lock_guard lock(impl_->mutex);
  if (level <= level_) {
    if (before_line) before_line(before_context);
    write_stderr(cat(level == LogLevel::info ? "" : cat(name, ": "), line, "\n"));
  }
  if (impl_->fd >= 0 && level <= file_level_) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    char stamp[40];
    const std::size_t n = ::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &parts);
    const std::string text = cat(std::string_view(stamp, n), " ", name, ": ", line, "\n");
    // A log that cannot be written does not stop the work.
    if (::write(impl_->fd, text.data(), text.size()) < 0) return;
  }
}

void Log::once(LogLevel level, std::string_view line) {
  if (!enabled(level)) return;
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->said.contains(line)) return;
    impl_->said.emplace(line);
  }
  write(level, line);
}

}  // namespace tashika
