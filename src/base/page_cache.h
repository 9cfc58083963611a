// Files and the system's page cache: what a mapping would have to wait for, and reading it ahead.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tashika {

// Bytes of the file that are not in memory; 0 when the system does not tell.
std::uint64_t uncached_bytes(const std::string& path);

// Reads the file through once, in order, so that touching its mappings later does not wait for the
// disk. Calls `progress` with the bytes read so far.
void read_through(const std::string& path, const std::function<void(std::uint64_t done)>& progress);

}  // namespace tashika
