// Tokens made visible.
#pragma once

#include <span>
#include <string>

#include "text/tokenizer.h"

namespace tashika::cli {

// The text with its tokens in alternating colours (special ones marked), then the ids, then the
// special tokens by name. Without colour the tokens stand apart by "|".
std::string explain_tokens(const Tokenizer& tokenizer, std::span<const TokenId> ids, bool colour);

}  // namespace tashika::cli
