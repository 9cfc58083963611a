// The tokenizer and the chat templates of a Hugging Face folder as a GGUF file's pairs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "io/gguf_write.h"

namespace tashika {

// `rows`: of the embedding. `pre`: as in gguf_vocab_of. Appends to `notes` what people should know: that there is no
// tokenizer, or a text that the written vocabulary splits otherwise than the folder's files do.
void add_gguf_tokenizer(GgufFields& fields, const Checkpoint& folder, std::int64_t rows, const std::string& pre, std::vector<std::string>& notes);

}  // namespace tashika
