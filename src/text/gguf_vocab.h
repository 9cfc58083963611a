// The vocabulary that a GGUF file carries under tokenizer.ggml.*, as plain data. checkpoint/ fills it in;
// tokenizer_from_gguf makes a Tokenizer of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tashika {

struct GgufVocab {
  std::string model;                 // tokenizer.ggml.model: gpt2, llama, bert, t5
  std::string pre;                   // tokenizer.ggml.pre, empty when absent
  std::vector<std::string> tokens;   // tokenizer.ggml.tokens
  std::vector<float> scores;         // tokenizer.ggml.scores: empty or one a token
  std::vector<std::int32_t> types;   // tokenizer.ggml.token_type: empty or one a token
  std::vector<std::string> merges;   // tokenizer.ggml.merges: "left right"
  std::optional<std::int64_t> bos, eos, unk, sep, pad, cls, mask;  // tokenizer.ggml.*_token_id
  std::optional<bool> add_bos, add_eos;                            // tokenizer.ggml.add_{bos,eos}_token
  std::optional<bool> add_space_prefix;                            // tokenizer.ggml.add_space_prefix
  std::optional<bool> remove_extra_whitespaces;                    // tokenizer.ggml.remove_extra_whitespaces
  std::optional<bool> lowercase, strip_accents;                    // tokenizer.ggml.normalizer.{lowercase,strip_accents}
  std::string precompiled_charsmap;                                // tokenizer.ggml.precompiled_charsmap, raw bytes
  std::string general_name, architecture;                          // general.name, general.architecture
};

// Whether `pre` names a way of splitting that is known here.
bool is_known_gguf_pre(std::string_view pre);

}  // namespace tashika
