#include "base/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace tashika {

std::uint64_t uncached_bytes(const std::string& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t size = file->bytes().size();
  std::vector<unsigned char> resident((size + page - 1) / page);
  if (resident.empty()) return 0;
  auto* address = const_cast<std::byte*>(file->bytes().data());
  if (::mincore(address, size, resident.data()) != 0) return 0;
  std::uint64_t absent = 0;
  for (const unsigned char r : resident) absent += (r & 1) == 0 ? page : 0;
  return absent < size ? absent : size;
}

void read_through(const std::string& path, const std::function<void(std::uint64_t)>& progress) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path, ": ", std::strerror(errno));
  const std::unique_ptr<const int, void (*)(const int*)> closer(&fd, [](const int* f) { ::close(*f); });
  std::vector<char> buffer(8 << 20);
  std::uint64_t done = 0;
  while (true) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path, ": ", std::strerror(errno));
    if (n == 0) return;
    done += static_cast<std::uint64_t>(n);
    progress(done);
  }
}

}  // namespace tashika
