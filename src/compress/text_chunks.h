// A text as chunks of tokens, as llama.cpp's tools cut it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace tashika {

// Chunks of exactly `context` tokens; what remains is left out. The whole text is encoded at once, with BOS where the tokenizer
// begins texts with it, and then the first token of every chunk is replaced by it. At most `most` chunks (0: all).
// Error(input) naming `what` when there is not one chunk.
std::vector<std::vector<TokenId>> text_chunks(const Tokenizer& tokenizer, std::string_view text, std::int64_t context, std::int64_t most,
                                              std::string_view what);

}  // namespace tashika
