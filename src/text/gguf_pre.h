// The ways of splitting that tokenizer.ggml.pre names. Internal to gguf_vocab.cpp and gguf_export.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tashika {

struct GgufPre {
  std::vector<std::string_view> patterns;  // one after the other, each on the pieces of the former
  bool ignore_merges = false;              // a word that is a token is that token
  bool add_bos = false;                    // unless the file says otherwise
  bool byte_level = true;                  // false: tokens are text with U+2581 for spaces, unknown characters are bytes
};

const GgufPre* find_gguf_pre(std::string_view name);  // null when unknown

// The name of the byte-level way with these patterns; empty when there is none.
std::string_view find_gguf_pre_patterns(std::span<const std::string> patterns, bool ignore_merges);
std::string_view gguf_byte_level_pattern();  // of the byte-level pre-tokenizer's own splitting

// llama.cpp's converter knows tokenizers by the SHA-256 of the ids, written as a Python list, that they give this text.
std::string_view gguf_pre_text();
std::string_view find_gguf_pre_digest(std::string_view digest);  // empty when unknown

}  // namespace tashika
