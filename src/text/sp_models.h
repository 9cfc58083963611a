// SentencePiece's own models over scores: BPE and Unigram, and the variants of them that llama.cpp
// runs on the vocabularies inside GGUF files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/charsmap.h"
#include "text/decoders.h"
#include "text/model.h"
#include "text/normalizers.h"

namespace tashika {

// Token types as SentencePiece and GGUF number them.
enum class PieceType : std::uint8_t { undefined = 0, normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct ScoredPiece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::normal;
};

struct ScoredConfig {
  std::vector<ScoredPiece> pieces;  // by id
  std::optional<TokenId> unk;
  bool byte_fallback = false;
  // llama.cpp's reading: every piece merges, unused ones too, and user-defined ones are nothing special
  // to BPE; Unigram sums in double precision.
  bool llama_cpp = false;
};

std::unique_ptr<const Model> make_scored_bpe(ScoredConfig config, std::string_view what);
std::unique_ptr<const Model> make_scored_unigram(ScoredConfig config, std::string_view what);

struct SpNormalizerConfig {
  CharsMap charsmap;
  bool add_dummy_prefix = true;
  bool dummy_prefix_first_only = false;  // only where the text starts, not after special tokens
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool whitespace_as_suffix = false;
  bool keep_invalid = false;  // bytes that are no UTF-8 stay
  std::vector<std::string> user_defined;  // taken as they are
};
std::unique_ptr<const Normalizer> make_sp_normalizer(SpNormalizerConfig config);

// Decoding by the kind of each piece.
struct PieceDecoderConfig {
  std::vector<ScoredPiece> pieces;
  bool byte_level = false;          // normal pieces are spelled in GPT-2's byte alphabet
  bool strip_first_space = false;   // one space at the start of the text goes …
  bool strip_all_spaces = false;    // … from every piece until there is text (remove_extra_whitespaces)
  bool replace_by_byte = true;      // invalid bytes of a run are U+FFFD each, else as Python replaces
  std::optional<std::string> unk_surface;  // what the unknown token decodes to; absent: itself
};
std::unique_ptr<const TokenDecoder> make_piece_decoder(PieceDecoderConfig config);

}  // namespace tashika
