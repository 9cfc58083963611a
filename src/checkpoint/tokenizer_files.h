// The tokenizer that lies beside or inside a checkpoint.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "text/tokenizer.h"

namespace tashika {

// tokenizer.json where there is one, else tokenizer.model (SentencePiece), else a World vocabulary; or the vocabulary of
// the GGUF file. Error that says what was looked for when there is none.
Tokenizer load_tokenizer(const Checkpoint& checkpoint);

// "tokenizer.json", "tokenizer.model", "GGUF vocabulary"; empty when there is none.
std::string tokenizer_kind(const Checkpoint& checkpoint);

}  // namespace tashika
