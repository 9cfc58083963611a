// Tokenizer: text to token ids and back, exact to the library that a model's tokenizer file was
// written for.
//
// Built by one of the factories below: from tokenizer.json (reference: the `tokenizers` library),
// from SentencePiece's tokenizer.model (reference: `sentencepiece`), or from the vocabulary inside a
// GGUF file (reference: llama.cpp). A Tokenizer is immutable and may be used by many threads.
//
// Text that is no valid UTF-8 is repaired first as the reference's users would have to: tokenizer.json
// as Python's errors="replace" does, SentencePiece by U+FFFD for every bad byte. Decoding gives exact
// bytes, whatever they are.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tashika {

class Json;
struct GgufVocab;
struct TokenizerParts;

using TokenId = std::int32_t;

struct EncodeOptions {
  bool add_special = true;       // BOS, EOS and whatever else the post-processor adds
  bool special_as_text = false;  // special tokens written in the text are plain text (added tokens that are not special still match)
};

struct Encoding {
  std::vector<TokenId> ids;
  std::vector<std::string> tokens;  // the reference's token strings, one an id
};

enum class DecodeErrors {
  exact,    // the very bytes
  replace,  // U+FFFD where the bytes are no UTF-8, in number and place as the reference does
};

// What a token is, for listings and samplers.
struct TokenKind {
  bool special = false;  // skipped by skip_special; never made from text under special_as_text
  bool added = false;    // matched in the text before the model runs
  bool byte = false;     // stands for one byte (<0x0A>)
  bool unknown = false;  // the unknown token
};

class Tokenizer {
 public:
  explicit Tokenizer(std::unique_ptr<const TokenizerParts> parts);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Throws Error when the model meets an unknown character and has no unknown token, or when a
  // pattern of the file backtracks without bound.
  std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}) const;
  Encoding encode_with_tokens(std::string_view text, EncodeOptions options = {}) const;

  // A prompt that a chat template has rendered: the text may already begin with BOS. The file's
  // policy decides, once and on ids: BOS comes first if the policy wants one, and never twice. EOS
  // is not appended.
  std::vector<TokenId> encode_prompt(std::string_view text) const;

  // Ids that no token has within id_limit() give nothing, as in the reference; an id outside
  // [0, id_limit()) throws Error.
  std::string decode(std::span<const TokenId> ids, bool skip_special = false, DecodeErrors errors = DecodeErrors::exact) const;

  TokenId id_limit() const;                  // largest id + 1
  std::size_t vocab_size() const;            // tokens that exist
  bool has(TokenId id) const;
  std::string token(TokenId id) const;       // as the vocabulary spells it; empty when none
  std::string token_bytes(TokenId id) const; // what it stands for in the middle of a text
  std::optional<TokenId> id(std::string_view token) const;
  TokenKind kind(TokenId id) const;

  // Policy, as data. Absent: the file names none.
  std::optional<TokenId> bos() const;
  std::optional<TokenId> eos() const;
  std::optional<TokenId> unk() const;
  std::optional<TokenId> pad() const;
  bool adds_bos() const;  // add_special puts BOS first
  bool adds_eos() const;  // add_special puts EOS last
  std::string_view model_name() const;  // "BPE", "Unigram", "WordPiece", "WordLevel", …

  const TokenizerParts& parts() const { return *parts_; }

 private:
  std::unique_ptr<const TokenizerParts> parts_;
};

// `config`: tokenizer_config.json where there is one (names of BOS, EOS, …), else null. `what` names
// the file in errors.
Tokenizer tokenizer_from_json(const Json& tokenizer, const Json* config, std::string_view what);

// `config` as above: `legacy`, `add_bos_token`, `add_eos_token`, `added_tokens_decoder` are obeyed.
Tokenizer tokenizer_from_sentencepiece(std::string_view model_bytes, const Json* config, std::string_view what);

Tokenizer tokenizer_from_gguf(GgufVocab vocab, std::string_view what);

}  // namespace tashika
