#include "text/utf8.h"

namespace tashika::utf8 {

void append(std::string& out, char32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (code >> 6)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (code >> 12)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (code >> 18)));
    out.push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

std::string encode(char32_t code) {
  std::string out;
  append(out, code);
  return out;
}

std::u32string to_u32(std::string_view valid) {
  std::u32string out;
  for (std::size_t at = 0; at < valid.size();) {
    const Decoded c = decode(valid, at);
    out.push_back(c.code);
    at += c.size;
  }
  return out;
}

Scanned scan(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char b0 = byte(0);
  if (b0 < 0x80) return {1, true, false};
  std::size_t need = 0;
  unsigned char low = 0x80, high = 0xBF;  // bounds of the second byte (table 3-7 of the standard)
  if (b0 >= 0xC2 && b0 <= 0xDF) {
    need = 1;
  } else if (b0 >= 0xE0 && b0 <= 0xEF) {
    need = 2;
    if (b0 == 0xE0) low = 0xA0;
    if (b0 == 0xED) high = 0x9F;
  } else if (b0 >= 0xF0 && b0 <= 0xF4) {
    need = 3;
    if (b0 == 0xF0) low = 0x90;
    if (b0 == 0xF4) high = 0x8F;
  } else {
    return {1, false, false};
  }
  for (std::size_t i = 1; i <= need; ++i) {
    if (at + i >= text.size()) return {i, false, true};
    const unsigned char b = byte(i);
    if (b < low || b > high) return {i, false, false};
    low = 0x80;
    high = 0xBF;
  }
  return {need + 1, true, false};
}

bool is_valid(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Scanned s = scan(text, at);
    if (!s.valid) return false;
    at += s.size;
  }
  return true;
}

std::size_t count(std::string_view valid) {
  std::size_t n = 0;
  for (const char c : valid) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return n;
}

std::string replace_invalid(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Scanned s = scan(text, at);
    if (s.valid) {
      out.append(text.substr(at, s.size));
    } else {
      out.append("\xEF\xBF\xBD");
    }
    at += s.size;
  }
  return out;
}

std::string replace_invalid_bytes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Scanned s = scan(text, at);
    if (s.valid) {
      out.append(text.substr(at, s.size));
      at += s.size;
    } else {
      out.append("\xEF\xBF\xBD");
      ++at;
    }
  }
  return out;
}

std::size_t incomplete_tail(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const std::size_t at = text.size() - back;
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    const Scanned s = scan(text, at);
    return s.truncated && at + s.size == text.size() ? s.size : 0;
  }
  return 0;
}

}  // namespace tashika::utf8
