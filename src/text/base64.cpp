#include "text/base64.h"

#include <cstdint>

#include "base/error.h"

namespace tashika {

std::string decode_base64(std::string_view text, std::string_view what) {
  std::size_t padding = 0;
  while (padding < 2 && !text.empty() && text.back() == '=') {
    text.remove_suffix(1);
    ++padding;
  }
  if ((text.size() + padding) % 4 != 0 || text.size() % 4 == 1) fail(what, ": base64 of a wrong length");
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int have = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    std::uint32_t v = 0;
    if (c >= 'A' && c <= 'Z') v = static_cast<std::uint32_t>(c - 'A');
    else if (c >= 'a' && c <= 'z') v = static_cast<std::uint32_t>(c - 'a') + 26;
    else if (c >= '0' && c <= '9') v = static_cast<std::uint32_t>(c - '0') + 52;
    else if (c == '+') v = 62;
    else if (c == '/') v = 63;
    else fail(what, ": not base64 at offset ", i);
    bits = (bits << 6) | v;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out.push_back(static_cast<char>((bits >> have) & 0xFF));
    }
  }
  return out;
}

}  // namespace tashika
