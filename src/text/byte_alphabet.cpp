#include "text/byte_alphabet.h"

#include "text/utf8.h"

namespace tashika {

ByteAlphabet::ByteAlphabet() {
  bytes_.fill(-1);
  char32_t next = 256;
  for (char32_t b = 0; b < 256; ++b) {
    const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    const char32_t c = printable ? b : next++;
    characters_[b] = utf8::encode(c);
    bytes_[c] = static_cast<std::int16_t>(b);
  }
}

const ByteAlphabet& ByteAlphabet::get() {
  static const ByteAlphabet alphabet;
  return alphabet;
}

std::string ByteAlphabet::encode(std::string_view bytes) const {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) out += characters_[static_cast<unsigned char>(c)];
  return out;
}

bool ByteAlphabet::decode(std::string_view text, std::string& out) const {
  std::string bytes;
  for (std::size_t at = 0; at < text.size();) {
    const utf8::Decoded c = utf8::decode(text, at);
    const int b = byte(c.code);
    if (b < 0) return false;
    bytes.push_back(static_cast<char>(b));
    at += c.size;
  }
  out += bytes;
  return true;
}

}  // namespace tashika
