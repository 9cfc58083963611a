// Files: read-only mappings, bounded reads, saves that survive a crash, directory listings.
//
// Paths are plain byte strings. Every failure is Error(input) that starts with the path and ends with the reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tashika {

// A regular file mapped read-only. Nothing is read until it is touched. Tensors that view it hold the shared_ptr.
//
// A mapping cannot outlive a truncation of its file: pages that vanish raise SIGBUS when they are touched.
// check_unchanged() is called once everything about the file has been validated, so that a file which shrinks during
// loading is an error; later truncation is what exit_on_lost_mapping() is for.
class MappedFile {
 public:
  enum class Advice { normal, sequential, random, will_need };

  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  // A hint for the pages that hold [offset, offset + length); never an error.
  void advise(Advice advice, std::uint64_t offset, std::uint64_t length) const;
  // Throws when the file has become shorter than the mapping.
  void check_unchanged() const;

 private:
  MappedFile() = default;
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  int fd_ = -1;
};

// From now on a touch of mapped pages that no longer exist ends the process with a message on stderr and exit code 1
// instead of a signal. For programs (called once, by main), not for libraries.
void exit_on_lost_mapping();

// The whole of a file (or pipe). Throws when it holds more than `limit` bytes, before reading more.
std::string read_file(const std::string& path, std::uint64_t limit);

// A file that appears whole or not at all: written beside its final place under a temporary name, synced, renamed,
// and the directory synced. Without commit() the destructor removes the temporary file. After a failed write or sync
// the save has failed: nothing is retried, the old file stays.
class DurableFile {
 public:
  explicit DurableFile(std::string path);
  ~DurableFile();
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  void write_zeros(std::uint64_t count);
  std::uint64_t written() const { return written_; }
  void commit();

 private:
  [[noreturn]] void fail_save(const char* doing);
  void flush();
  std::string path_;
  std::string temporary_;
  std::vector<std::byte> buffer_;
  std::uint64_t written_ = 0;
  int fd_ = -1;
};

void write_file(const std::string& path, std::string_view text);

enum class FileType { none, regular, directory, other };
FileType file_type(const std::string& path);  // follows links; none when it cannot be seen
std::uint64_t file_size(const std::string& path);
// Names in a directory, sorted by byte, without "." and "..".
std::vector<std::string> list_directory(const std::string& path);
void make_directories(const std::string& path);

std::string join_path(std::string_view folder, std::string_view name);
std::string_view parent_path(std::string_view path);  // "." when there is none
std::string_view file_name(std::string_view path);

}  // namespace tashika
