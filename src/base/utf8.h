// UTF-8 one character at a time, strict: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tashika {

struct Utf8Char {
  char32_t code = 0xFFFD;  // U+FFFD when not valid
  int size = 1;            // bytes taken; for invalid input the maximal subpart (Unicode 3.9), at least 1
  bool valid = false;
};

// The character at byte `at` (at < text.size()).
inline Utf8Char decode_utf8(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return {first, 1, true};
  int extra = 0;
  char32_t code = 0;
  unsigned char low = 0x80, high = 0xBF;  // bounds of the second byte: Unicode table 3-7
  if (first >= 0xC2 && first <= 0xDF) {
    extra = 1, code = first & 0x1F;
  } else if (first >= 0xE0 && first <= 0xEF) {
    extra = 2, code = first & 0x0F;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    extra = 3, code = first & 0x07;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return {};
  }
  for (int i = 1; i <= extra; ++i) {
    if (at + i >= text.size()) return {0xFFFD, i, false};
    const unsigned char next = byte(at + i);
    if (next < low || next > high) return {0xFFFD, i, false};
    code = code << 6 | (next & 0x3F);
    low = 0x80, high = 0xBF;
  }
  return {code, extra + 1, true};
}

// Appends a code point (at most U+10FFFF).
inline void append_utf8(std::string& out, char32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// The offset of the first byte that is no UTF-8, or npos.
inline std::size_t find_invalid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    if (!c.valid) return i;
    i += c.size;
  }
  return std::string_view::npos;
}

}  // namespace tashika
