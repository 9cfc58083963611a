// The way out: a tokenizer's files as the vocabulary that a GGUF file carries, as llama.cpp's converter writes it.
//
//   SentencePiece BPE  "llama": pieces with their scores and kinds; without tokenizer.model the scores are the merges' ranks
//   byte-level BPE     "gpt2": tokens and merges; how text is split is known by name only (`pre`), found by the digest of a
//                      test text's ids or by the patterns themselves
//   Unigram            "t5": pieces with scores, and the normalizer's character map
//   WordPiece          "bert": words' beginnings marked instead of their continuations
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "text/gguf_vocab.h"
#include "text/tokenizer.h"

namespace tashika {

struct TokenizerFiles {
  const Json* tokenizer = nullptr;  // tokenizer.json
  std::string_view sentencepiece;   // tokenizer.model
  const Json* config = nullptr;     // tokenizer_config.json
  const Json* added = nullptr;      // added_tokens.json
};

// `loaded`: the tokenizer that the files give. `rows`: of the embedding; ids beyond the vocabulary become unused entries.
// `pre`: how a byte-level vocabulary splits, empty: to be found out. Error(input) that says what to do for a kind that GGUF
// has no name for, and for ids beyond `rows`.
GgufVocab gguf_vocab_of(const TokenizerFiles& files, const Tokenizer& loaded, std::int64_t rows, std::string pre, std::string_view what);

// The first of a few texts that the vocabulary gives other ids than the tokenizer; empty when there is none.
std::string first_difference(const Tokenizer& loaded, const GgufVocab& vocab, std::string_view what);

}  // namespace tashika
