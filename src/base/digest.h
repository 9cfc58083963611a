// SHA-256 of bytes and files, as 64 lower-case hexadecimal digits.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace tashika {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::span<const std::byte> bytes);
  std::string finish();  // once; the object is spent

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string sha256(std::span<const std::byte> bytes);
// Reads through a mapping, in order, without holding the file in memory.
std::string sha256_file(const std::string& path);

}  // namespace tashika
