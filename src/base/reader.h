// ByteReader: a bounded little-endian cursor over bytes from outside, and checked arithmetic for what they claim.
//
// Every error names the file, the field and the offset: "model.gguf: tensor count at byte 8: needs 8 bytes, 3 remain".
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace tashika {

static_assert(std::endian::native == std::endian::little,
              "file formats are read as they lie: little-endian hosts only");

// Null when the exact result does not fit.
inline std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t out;
  if (__builtin_add_overflow(a, b, &out)) return std::nullopt;
  return out;
}

inline std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t out;
  if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
  return out;
}

class ByteReader {
 public:
  // `what` names the source in messages. The bytes must outlive the reader and what it returns.
  ByteReader(std::span<const std::byte> bytes, std::string what) : bytes_(bytes), what_(std::move(what)) {}

  std::uint64_t offset() const { return offset_; }
  std::uint64_t remaining() const { return bytes_.size() - offset_; }
  const std::string& what() const { return what_; }

  template <typename T>
  requires std::is_arithmetic_v<T> T read(std::string_view field) {
    T value;
    std::memcpy(&value, take(sizeof(T), field).data(), sizeof(T));
    return value;
  }

  std::span<const std::byte> take(std::uint64_t count, std::string_view field) {
    if (count > remaining()) fail_at(offset_, field, cat("needs ", count, " bytes, ", remaining(), " remain"));
    const auto out = bytes_.subspan(offset_, static_cast<std::size_t>(count));
    offset_ += static_cast<std::size_t>(count);
    return out;
  }

  std::string_view take_text(std::uint64_t count, std::string_view field) {
    const auto bytes = take(count, field);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // `count` items of at least `each` bytes must still fit. Call before anything is sized by `count`.
  void expect_items(std::uint64_t count, std::uint64_t each, std::string_view field) const {
    if (each != 0 && count > remaining() / each) {
      fail_at(offset_, field,
              cat(count, " items of at least ", each, " bytes do not fit in the ", remaining(), " that remain"));
    }
  }

  [[noreturn]] void fail_at(std::uint64_t offset, std::string_view field, std::string_view problem) const {
    fail(what_, ": ", printable(field, 200), " at byte ", offset, ": ", problem);
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t offset_ = 0;
  std::string what_;
};

}  // namespace tashika
