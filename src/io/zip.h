// The entries of a ZIP archive that are stored as they are: enough of the format for PyTorch's files.
//
// Read from the end: the end record (with its 64-bit form where there is one), the directory, then each entry's own
// header. Compressed or encrypted entries, archives in several parts and entries outside the file are errors.
//
// Source: PKWARE APPNOTE.TXT 6.3.9, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and 4.5.3
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tashika {

struct ZipEntry {
  std::string name;
  std::span<const std::byte> bytes;
};

// In the directory's order; the bytes are views. `what` names the file in messages.
std::vector<ZipEntry> read_zip(std::span<const std::byte> bytes, const std::string& what);

// The file starts as a ZIP archive does.
bool looks_like_zip(std::span<const std::byte> bytes);

}  // namespace tashika
