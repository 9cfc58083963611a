#include "train/metrics.h"

#include <array>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace tashika {
namespace {

// CRC-32C (Castagnoli), reflected.
std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? c >> 1 ^ 0x82f63b78u : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  std::uint32_t c = ~0u;
  for (const char b : bytes) c = table[(c ^ static_cast<unsigned char>(b)) & 0xff] ^ c >> 8;
  return ~c;
}

std::uint32_t masked(std::uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

template <typename T>
std::string raw(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

// Protocol buffers: a field's key is its number and wire type; 0 varint, 1 eight bytes, 2 bytes with their length, 5 four.
std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7) out.push_back(static_cast<char>(value | 128));
  out.push_back(static_cast<char>(value));
  return out;
}
std::string field(int number, int type, const std::string& payload) {
  return varint(static_cast<std::uint64_t>(number << 3 | type)) + (type == 2 ? varint(payload.size()) : std::string()) + payload;
}

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace

MetricsFile::MetricsFile(std::string path, std::uint64_t keep) : file_(std::move(path), keep) {}

void MetricsFile::append(const Json& line) { file_.write(dump_json(line) + "\n"); }

EventFile::EventFile(const std::string& folder, std::int64_t first_step)
    : file_(join_path(folder, cat("events.out.tfevents.", static_cast<std::int64_t>(now()), ".step", first_step))) {
  record(field(1, 1, raw(now())) + field(3, 2, "brain.Event:2"));
}

void EventFile::record(const std::string& message) {
  const std::string length = raw(static_cast<std::uint64_t>(message.size()));
  file_.write(length + raw(masked(crc32c(length))) + message + raw(masked(crc32c(message))));
}

void EventFile::append(std::int64_t step, const std::vector<std::pair<std::string_view, double>>& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars) {
    summary += field(1, 2, field(1, 2, std::string(tag)) + field(2, 5, raw(static_cast<float>(value))));
  }
  record(field(1, 1, raw(now())) + field(2, 0, varint(static_cast<std::uint64_t>(step))) + field(5, 2, summary));
}

}  // namespace tashika
