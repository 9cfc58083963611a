// The World tokenizer: at every place of the text the longest token that fits, over bytes.
//
// Its vocabulary is a text file with a token a line: the id, the token as a Python literal (a text 'the' or bytes b'\xe4'),
// and its length in bytes. Id 0 ends a text and has no line. Reference: the class TRIE_TOKENIZER of the package `rwkv`.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/model.h"
#include "text/tokenizer.h"

namespace tashika {

// A vocabulary of byte strings, matched greedily. Tokens are spelled in the byte alphabet, as byte-level BPE does.
std::unique_ptr<const Model> make_longest_match(std::vector<std::pair<std::string, TokenId>> tokens, std::string_view what);

Tokenizer tokenizer_from_world(std::string_view file, std::string_view what);

// A token as GGUF files of this kind spell it: printable ASCII, other bytes as \n, \t, \r or \xNN.
std::string unescape_world_token(std::string_view text);

}  // namespace tashika
