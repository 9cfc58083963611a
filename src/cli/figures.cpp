#include "cli/figures.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace tashika::cli {
namespace {

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string fixed(double value, int digits) {
  char buffer[400];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, digits);
  return {buffer, end.ptr};
}

std::string human_bytes(std::int64_t bytes) {
  const auto v = static_cast<double>(bytes);
  if (bytes >= std::int64_t{1} << 30) return cat(fixed(v / (1 << 30), 2), " GiB");
  if (bytes >= 1 << 20) return cat(fixed(v / (1 << 20), 2), " MiB");
  if (bytes >= 1 << 10) return cat(fixed(v / (1 << 10), 2), " KiB");
  return cat(bytes, " B");
}

std::string human_count(std::int64_t count) {
  const auto v = static_cast<double>(count);
  if (v >= 1e9) return cat(fixed(v / 1e9, 2), " B");
  if (v >= 1e6) return cat(fixed(v / 1e6, 2), " M");
  if (v >= 1e3) return cat(fixed(v / 1e3, 2), " K");
  return cat(count);
}

std::string left(std::string_view text, std::size_t width) {
  const std::size_t n = columns(text);
  return cat(text, std::string(n < width ? width - n : 0, ' '));
}

std::string right(std::string_view text, std::size_t width) {
  const std::size_t n = columns(text);
  return cat(std::string(n < width ? width - n : 0, ' '), text);
}

}  // namespace tashika::cli
