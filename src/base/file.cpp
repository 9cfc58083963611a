#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace tashika {

namespace {

std::string reason(int error) {
  return std::generic_category().message(error);
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

int open_retrying(const char* path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = ::open(path, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// Async-signal-safe: only write(2) and _exit(2).
void lost_mapping(int signal, siginfo_t* info, void*) {
  if (info->si_code != BUS_ADRERR) {  // not about vanished pages: let the default action happen on return
    ::signal(signal, SIG_DFL);
    return;
  }
  constexpr char text[] =
      "error: a mapped file lost pages while in use: it was truncated or replaced in place, or its disk failed\n";
  [[maybe_unused]] const auto n = ::write(STDERR_FILENO, text, sizeof text - 1);
  ::_exit(1);
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: a FIFO in the place of a model must not hang the program; it has no effect on regular files.
  Descriptor fd(open_retrying(path.c_str(), O_RDONLY | O_NONBLOCK));
  if (fd.get() < 0) fail(path, ": cannot open: ", reason(errno));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) fail(path, ": cannot stat: ", reason(errno));
  if (S_ISDIR(status.st_mode)) fail(path, ": is a directory, not a file");
  if (!S_ISREG(status.st_mode)) fail(path, ": is not a regular file");
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  file->size_ = static_cast<std::size_t>(status.st_size);
  if (file->size_ > 0) {
    void* data = ::mmap(nullptr, file->size_, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (data == MAP_FAILED) fail(path, ": cannot map ", file->size_, " bytes: ", reason(errno));
    file->data_ = static_cast<const std::byte*>(data);
  }
  file->fd_ = fd.release();
  return file;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
  if (fd_ >= 0) ::close(fd_);
}

void MappedFile::advise(Advice advice, std::uint64_t offset, std::uint64_t length) const {
  if (!data_ || offset >= size_) return;
  const std::uint64_t page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t begin = offset / page * page;
  const std::uint64_t end = offset + std::min<std::uint64_t>(length, size_ - offset);
  int value = MADV_NORMAL;
  switch (advice) {
    case Advice::normal:
      break;
    case Advice::sequential:
      value = MADV_SEQUENTIAL;
      break;
    case Advice::random:
      value = MADV_RANDOM;
      break;
    case Advice::will_need:
      value = MADV_WILLNEED;
      break;
  }
  ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, value);
}

void MappedFile::check_unchanged() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) fail(path_, ": cannot stat: ", reason(errno));
  if (static_cast<std::uint64_t>(status.st_size) < size_) {
    fail(path_, ": was truncated from ", size_, " to ", static_cast<std::int64_t>(status.st_size),
         " bytes while it was being loaded");
  }
}

void exit_on_lost_mapping() {
  struct sigaction action {};
  action.sa_sigaction = lost_mapping;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

std::string read_file(const std::string& path, std::uint64_t limit) {
  const Descriptor fd(open_retrying(path.c_str(), O_RDONLY));
  if (fd.get() < 0) fail(path, ": cannot open: ", reason(errno));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) fail(path, ": cannot stat: ", reason(errno));
  if (S_ISDIR(status.st_mode)) fail(path, ": is a directory, not a file");
  const auto too_large = [&] { fail(path, ": is larger than ", limit, " bytes, the limit for this kind of file"); };
  std::string out;
  if (S_ISREG(status.st_mode)) {
    if (static_cast<std::uint64_t>(status.st_size) > limit) too_large();
    out.reserve(static_cast<std::size_t>(status.st_size) + 1);
  }
  constexpr std::size_t chunk = 1 << 16;
  while (true) {
    const std::size_t had = out.size();
    // One byte beyond the limit tells a file that is exactly as large from one that is larger.
    const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(chunk, limit - had + 1));
    out.resize(had + want);
    const ssize_t got = ::read(fd.get(), out.data() + had, want);
    if (got < 0 && errno == EINTR) {
      out.resize(had);
      continue;
    }
    if (got < 0) fail(path, ": cannot read: ", reason(errno));
    out.resize(had + static_cast<std::size_t>(got));
    if (out.size() > limit) too_large();
    if (got == 0) return out;
  }
}

DurableFile::DurableFile(std::string path) : path_(std::move(path)) {
  // Beside the final place: a rename must not cross file systems.
  for (int attempt = 0; attempt < 100 && fd_ < 0; ++attempt) {
    temporary_ = cat(path_, ".tmp-", static_cast<std::int64_t>(::getpid()), "-", attempt);
    fd_ = open_retrying(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd_ < 0 && errno != EEXIST) break;
  }
  if (fd_ < 0) fail(path_, ": cannot save: cannot create ", temporary_, ": ", reason(errno));
  buffer_.reserve(1 << 18);
}

DurableFile::~DurableFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void DurableFile::fail_save(const char* doing) {
  fail(path_, ": cannot save: ", doing, " failed: ", reason(errno), "; the file was left as it was");
}

void DurableFile::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t n = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_save("write");
    done += static_cast<std::size_t>(n);
  }
  buffer_.clear();
}

void DurableFile::write(std::span<const std::byte> bytes) {
  written_ += bytes.size();
  while (!bytes.empty()) {
    const std::size_t n = std::min(bytes.size(), buffer_.capacity() - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    bytes = bytes.subspan(n);
    if (buffer_.size() == buffer_.capacity()) flush();
  }
}

void DurableFile::write_zeros(std::uint64_t count) {
  constexpr std::byte zeros[256]{};
  for (; count > 0; count -= std::min<std::uint64_t>(count, sizeof zeros)) {
    write(std::span(zeros).first(static_cast<std::size_t>(std::min<std::uint64_t>(count, sizeof zeros))));
  }
}

void DurableFile::commit() {
  flush();
  if (::fsync(fd_) != 0) fail_save("fsync");
  if (::close(std::exchange(fd_, -1)) != 0) fail_save("close");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_save("rename");
  temporary_.clear();
  const std::string folder(parent_path(path_));
  const Descriptor directory(open_retrying(folder.c_str(), O_RDONLY | O_DIRECTORY));
  // EINVAL: a file system whose directories cannot be synced; the rename is as durable as it gets there.
  if (directory.get() < 0 || (::fsync(directory.get()) != 0 && errno != EINVAL)) {
    fail(path_, ": saved, but its directory could not be synced: ", reason(errno));
  }
}

void write_file(const std::string& path, std::string_view text) {
  DurableFile file(path);
  file.write(text);
  file.commit();
}

FileType file_type(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return FileType::none;
  if (S_ISREG(status.st_mode)) return FileType::regular;
  return S_ISDIR(status.st_mode) ? FileType::directory : FileType::other;
}

std::uint64_t file_size(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail(path, ": cannot stat: ", reason(errno));
  return static_cast<std::uint64_t>(status.st_size);
}

std::vector<std::string> list_directory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (!directory) fail(path, ": cannot list: ", reason(errno));
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (!entry) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) fail(path, ": cannot list: ", reason(errno));
  std::sort(names.begin(), names.end());
  return names;
}

void make_directories(const std::string& path) {
  if (file_type(path) == FileType::directory) return;
  const std::string parent(parent_path(path));
  if (parent != path && parent != ".") make_directories(parent);
  if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) fail(path, ": cannot create directory: ", reason(errno));
}

std::string join_path(std::string_view folder, std::string_view name) {
  if (folder.empty()) return std::string(name);
  return cat(folder, folder.back() == '/' ? "" : "/", name);
}

std::string_view parent_path(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? path.substr(0, 1) : path.substr(0, slash);
}

std::string_view file_name(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

}  // namespace tashika
