// What a SentencePiece model file holds, as plain data.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/sp_models.h"

namespace tashika {

struct SpModel {
  std::vector<ScoredPiece> pieces;
  int model_type = 1;  // 1 Unigram, 2 BPE, 3 words, 4 characters
  bool byte_fallback = false, whitespace_as_suffix = false;
  std::string unk_piece = "<unk>", bos_piece = "<s>", eos_piece = "</s>", pad_piece = "<pad>";
  std::string unk_surface = " \xE2\x81\x87 ";
  std::string charsmap;
  bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
};

// Error naming `what` and the offset for bytes that are no such model, or one of a kind that is not supported.
SpModel read_sp_model(std::string_view bytes, std::string_view what);

}  // namespace tashika
