// UTF-8 as bytes: decoding of text known to be valid, and the repair of text that is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tashika::utf8 {

// Length of the character that starts with `lead`, 1 for a byte that starts none.
inline std::size_t length(char lead) {
  const auto b = static_cast<unsigned char>(lead);
  return b < 0x80 ? 1 : b < 0xC0 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : b < 0xF8 ? 4 : 1;
}

// The character at text[at] and its length; the text must be valid UTF-8 there.
struct Decoded {
  char32_t code;
  std::size_t size;
};
inline Decoded decode(std::string_view text, std::size_t at) {
  const auto b0 = static_cast<unsigned char>(text[at]);
  if (b0 < 0x80) return {b0, 1};
  const auto next = [&](std::size_t i) -> char32_t { return static_cast<unsigned char>(text[at + i]) & 0x3F; };
  if (b0 < 0xE0) return {(char32_t(b0 & 0x1F) << 6) | next(1), 2};
  if (b0 < 0xF0) return {(char32_t(b0 & 0x0F) << 12) | (next(1) << 6) | next(2), 3};
  return {(char32_t(b0 & 0x07) << 18) | (next(1) << 12) | (next(2) << 6) | next(3), 4};
}

// Start of the character before `at` (at > 0).
inline std::size_t previous(std::string_view text, std::size_t at) {
  do {
    --at;
  } while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

void append(std::string& out, char32_t code);
std::string encode(char32_t code);
std::u32string to_u32(std::string_view valid);

// Length of the longest prefix at `at` that is a valid character, or that could become one if more
// bytes came (`complete` false), or is no character at all (`valid` false): the "maximal subpart"
// of the Unicode standard, which Python's errors="replace" turns into one U+FFFD.
struct Scanned {
  std::size_t size;  // at least 1
  bool valid;
  bool truncated;  // the text ended inside a character that was right so far
};
Scanned scan(std::string_view text, std::size_t at);

bool is_valid(std::string_view text);
std::size_t count(std::string_view valid);  // characters

// Every maximal invalid subpart becomes U+FFFD (Python's errors="replace", Rust's from_utf8_lossy).
std::string replace_invalid(std::string_view text);
// Every invalid byte becomes U+FFFD (SentencePiece, llama.cpp).
std::string replace_invalid_bytes(std::string_view text);

// Bytes at the end of `text` that begin a character and do not finish it: 0 to 3.
std::size_t incomplete_tail(std::string_view text);

}  // namespace tashika::utf8
