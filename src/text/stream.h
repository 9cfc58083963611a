// StreamDecoder: text from tokens as they come, never half a character.
#pragma once

#include <memory>
#include <string>

#include "text/tokenizer.h"

namespace tashika {

class Decoding;

// The texts of all push() calls and of finish(), one after the other, are
// Tokenizer::decode(all ids, skip_special, DecodeErrors::exact) with invalid UTF-8 replaced by U+FFFD.
// Ids that no token has give nothing. The tokenizer must outlive the decoder.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = false);
  ~StreamDecoder();
  StreamDecoder(StreamDecoder&&) noexcept;
  StreamDecoder& operator=(StreamDecoder&&) noexcept;

  std::string push(TokenId id);  // valid UTF-8, often empty
  std::string finish();          // what was held back; the decoder is then spent

 private:
  std::string take(bool all);
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::unique_ptr<std::string> held_;  // bytes not handed out yet
  std::unique_ptr<Decoding> decoding_;
};

}  // namespace tashika
