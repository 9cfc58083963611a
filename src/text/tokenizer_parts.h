// What a Tokenizer is made of. The factories fill it in; nothing else outside text/ needs it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "text/added_tokens.h"
#include "text/decoders.h"
#include "text/model.h"
#include "text/normalizers.h"
#include "text/post_processor.h"
#include "text/pre_tokenizers.h"
#include "text/tokenizer.h"

namespace tashika {

// How text that is no valid UTF-8 is read.
// (Python's way, a U+FFFD for every bad byte, or as it is.)
enum class InvalidText { replace, replace_bytes, keep };

struct TokenizerParts {
  AddedTokens added;
  std::unique_ptr<const Normalizer> normalizer;        // may be null
  std::unique_ptr<const PreTokenizer> pre_tokenizer;   // may be null
  std::unique_ptr<const Model> model;                  // never null
  std::unique_ptr<const PostProcessor> post_processor; // may be null
  DecoderChain decoder;
  InvalidText invalid_text = InvalidText::replace;
  std::string name;  // of the model, when it is not model->name()

  std::optional<TokenId> bos, eos, unk, pad;
  bool adds_bos = false, adds_eos = false;
};

// Works out adds_bos and adds_eos from what the post-processor does to an empty text.
void read_policy(TokenizerParts& parts);

}  // namespace tashika
