#include "base/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace tashika {
namespace {

// Signals belong to the process, so this is the one place that must be shared.
std::atomic<void (*)(void*)> interrupt_handler{nullptr};
std::atomic<void*> interrupt_context{nullptr};
std::atomic<unsigned> interrupt_count{0};

void handle_interrupt(int) {
  const int saved = errno;
  interrupt_count.fetch_add(1);
  if (auto* handler = interrupt_handler.load()) {
    handler(interrupt_context.load());
  } else {
    ::_exit(130);
  }
  errno = saved;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// The cgroup's limit (v2, then v1); -1: none.
std::int64_t cgroup_limit() {
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    if (file_type(path) != FileType::regular) continue;
    const std::string text = read_file(path, 4096);
    std::int64_t value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end != text.data()) return value;
  }
  return -1;
}

}  // namespace

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }
bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

bool colour_on(bool is_terminal) { return is_terminal && environment("NO_COLOR").empty() && environment("TERM") != "dumb"; }

int terminal_width() {
  winsize size{};
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  }
  return 80;
}

void write_stdout(std::string_view text) {
  if (!write_all(STDOUT_FILENO, text)) fail("standard output: ", std::strerror(errno));
}

void write_stderr(std::string_view text) { write_all(STDERR_FILENO, text); }

bool read_stdin_some(std::string& out) {
  char buffer[65536];
  while (true) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EBADF) return false;  // a closed one is an empty one
    if (n < 0) fail("standard input: ", std::strerror(errno));
    out.append(buffer, static_cast<std::size_t>(n));
    return n > 0;
  }
}

std::string read_stdin(std::uint64_t limit) {
  std::string out;
  while (read_stdin_some(out)) {
    if (out.size() > limit) fail_with(ErrorKind::limit, cat("standard input: more than ", limit, " bytes"));
  }
  return out;
}

unsigned interrupts() { return interrupt_count.load(); }

int read_stdin_byte(unsigned char& byte, unsigned seen) {
  // The signal is let in only while waiting, so that none slips in between looking and waiting.
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  int result = -1;
  while (interrupts() == seen) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::ppoll(&input, 1, nullptr, &before) < 0) {
      if (errno == EINTR) continue;
      break;
    }
    result = static_cast<int>(::read(STDIN_FILENO, &byte, 1));
    break;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return result;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string program_path() {
  char buffer[4096];
  const ssize_t n = ::readlink("/proc/self/exe", buffer, sizeof buffer);
  return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
}

void on_interrupt(void (*handler)(void*), void* context) {
  interrupt_handler.store(nullptr);
  interrupt_context.store(context);
  interrupt_handler.store(handler);
  struct sigaction action {};
  action.sa_handler = handle_interrupt;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
}

std::int64_t peak_resident_bytes() {
  // Not getrusage: its peak includes what the process was before it became this program.
  const std::string text = read_file("/proc/self/status", 65536);
  const std::size_t at = text.find("VmHWM:");
  std::int64_t kib = 0;
  if (at != std::string::npos) {
    const std::size_t digit = text.find_first_of("0123456789", at);
    if (digit != std::string::npos) std::from_chars(text.data() + digit, text.data() + text.size(), kib);
  }
  return kib * 1024;
}

std::int64_t resident_bytes() {
  const std::string text = read_file("/proc/self/statm", 4096);  // pages: size resident …
  const std::size_t space = text.find(' ');
  std::int64_t pages = 0;
  if (space != std::string::npos) std::from_chars(text.data() + space + 1, text.data() + text.size(), pages);
  return pages * ::sysconf(_SC_PAGESIZE);
}

std::int64_t usable_memory_bytes() {
  const std::int64_t physical = std::int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
  const std::int64_t limit = cgroup_limit();
  return limit > 0 ? std::min(limit, physical) : physical;
}

}  // namespace tashika
