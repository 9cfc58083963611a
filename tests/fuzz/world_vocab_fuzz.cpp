// The World vocabulary's reader on arbitrary bytes. What it accepts encodes its own file, where it has the bytes for
// that, and gives it back.

// links: text

#include <string_view>

#include "base/error.h"
#include "text/world_vocab.h"

using namespace tashika;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const Tokenizer tokenizer = tokenizer_from_world(text, "input");
    const std::vector<TokenId> ids = tokenizer.encode(text, {.special_as_text = true});
    if (tokenizer.decode(ids) != text) __builtin_trap();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) __builtin_trap();
  }
  unescape_world_token(text);
  return 0;
}
