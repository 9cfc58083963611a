#include "base/error.h"

#include <utility>

#include "base/utf8.h"

namespace tashika {

Error::Error(std::string message, ErrorKind kind) : message_(std::move(message)), kind_(kind) {}

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    const auto size = static_cast<std::size_t>(c.size);
    if (i + size > limit) return out + "…";
    const bool control = c.code < 0x20 || (c.code >= 0x7f && c.code < 0xa0) || c.code == 0x2028 || c.code == 0x2029 ||
                         (c.code >= 0x202a && c.code <= 0x202e) || (c.code >= 0x2066 && c.code <= 0x2069);
    if (c.valid && !control) {
      out.append(text.substr(i, size));
    } else {
      for (std::size_t k = i; k < i + size; ++k) {
        const auto byte = static_cast<unsigned char>(text[k]);
        out += "\\x";
        out += "0123456789abcdef"[byte >> 4];
        out += "0123456789abcdef"[byte & 15];
      }
    }
    i += size;
  }
  return out;
}

void fail_with(ErrorKind kind, std::string message) {
  throw Error(std::move(message), kind);
}

void check(bool ok, const char* what) {
  if (!ok) fail_with(ErrorKind::internal, cat("internal error: ", what));
}

}  // namespace tashika
