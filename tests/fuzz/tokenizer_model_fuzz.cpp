// SentencePiece's tokenizer.model on arbitrary bytes, and whatever it accepts on text: the last byte says how many
// bytes before it are the text.

// links: text

#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "text/stream.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

using namespace tashika;

namespace {

void require(bool ok) {
  if (!ok) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  std::string_view text;
  if (!input.empty()) {
    const std::size_t wanted = std::min<std::size_t>(static_cast<unsigned char>(input.back()), input.size() - 1);
    text = input.substr(input.size() - 1 - wanted, wanted);
    input.remove_suffix(wanted + 1);
  }
  try {
    const Tokenizer t = tokenizer_from_sentencepiece(input, nullptr, "input");
    for (const bool as_text : {false, true}) {
      const std::vector<TokenId> ids = t.encode(text, {.add_special = !as_text, .special_as_text = as_text});
      for (const TokenId id : ids) require(t.has(id));
      const std::string exact = t.decode(ids, as_text);
      require(utf8::is_valid(t.decode(ids, as_text, DecodeErrors::replace)));
      StreamDecoder stream(t, as_text);
      std::string streamed;
      for (const TokenId id : ids) streamed += stream.push(id);
      streamed += stream.finish();
      require(streamed == utf8::replace_invalid(exact));
    }
  } catch (const Error& error) {
    require(error.kind() != ErrorKind::internal);
  }
  return 0;
}
