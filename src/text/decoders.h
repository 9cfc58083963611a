// Decoders: tokens back to text, as a chain of stages that work token by token, so that decoding a
// whole sequence and streaming it are the same thing.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "text/json_fields.h"
#include "text/tokenizer.h"

namespace tashika {

// The state of one decoding.
class DecodeRun {
 public:
  virtual ~DecodeRun() = default;
  // A token, or the next part of a token when `continued`.
  virtual void push(std::string text, bool continued) = 0;
  virtual void finish() = 0;
};
using TextSink = std::function<void(std::string_view)>;

struct DecodeContext {
  bool exact;       // bytes stay what they are; else invalid UTF-8 becomes U+FFFD as in the reference
  bool boundaries;  // what follows asks where tokens begin and end
};

class TokenDecoder {
 public:
  virtual ~TokenDecoder() = default;
  // A run that hands its output to `next`, which outlives it, as does the decoder.
  virtual std::unique_ptr<DecodeRun> start(DecodeRun& next, const DecodeContext& context) const = 0;
  virtual bool joins() const { return false; }        // its output is one token, in parts
  virtual bool takes_parts() const { return false; }  // it need not see a token whole
};

// `fields` null: the reference joins the tokens with spaces.
using DecoderChain = std::vector<std::unique_ptr<const TokenDecoder>>;
DecoderChain make_decoder(const Fields* fields);

// Parts for tokenizers that come without a tokenizer.json.
std::unique_ptr<const TokenDecoder> byte_level_decoder();
std::unique_ptr<const TokenDecoder> plain_decoder();  // tokens one after the other

// One decoding through a chain: push tokens, text comes out at `sink`.
class Decoding {
 public:
  Decoding(const DecoderChain& chain, bool exact, TextSink sink);
  ~Decoding();
  void push(std::string token);
  void finish();

 private:
  std::vector<std::unique_ptr<DecodeRun>> runs_;  // last stage first
};

}  // namespace tashika
