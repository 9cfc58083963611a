// The ways of splitting that tokenizer.ggml.pre names. Internal to gguf_vocab.cpp.
#pragma once

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

}  // namespace tashika
