// GPT-2's alphabet: every byte as a printable character, so that a byte-level vocabulary is text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tashika {

class ByteAlphabet {
 public:
  static const ByteAlphabet& get();
  std::string_view character(unsigned char byte) const { return characters_[byte]; }
  int byte(char32_t c) const { return c < bytes_.size() ? bytes_[c] : -1; }  // -1: none

  std::string encode(std::string_view bytes) const;
  // The bytes of a token, or false when a character is outside the alphabet (`out` unchanged).
  bool decode(std::string_view valid_utf8, std::string& out) const;

 private:
  ByteAlphabet();
  std::array<std::string, 256> characters_;
  std::array<std::int16_t, 0x144> bytes_;
};

}  // namespace tashika
