// tokenizer.json on arbitrary bytes, and whatever it accepts on arbitrary text: "JSON \0 text". Streaming must
// give what decoding gives.

// links: text

#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "text/stream.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

using namespace tashika;

namespace {

void require(bool ok) {
  if (!ok) __builtin_trap();
}

void use(const Tokenizer& t, std::string_view text) {
  const Encoding full = t.encode_with_tokens(text);
  require(full.ids.size() == full.tokens.size());
  require(full.ids == t.encode(text));
  std::vector<TokenId> ids = t.encode(text, {.add_special = false, .special_as_text = true});
  for (const TokenId id : ids) require(t.has(id));
  ids.insert(ids.end(), full.ids.begin(), full.ids.end());
  std::erase_if(ids, [&](TokenId id) { return id >= t.id_limit(); });  // a template may name ids that no token has
  for (const bool skip : {false, true}) {
    const std::string exact = t.decode(ids, skip);
    require(utf8::is_valid(t.decode(ids, skip, DecodeErrors::replace)));
    StreamDecoder stream(t, skip);
    std::string streamed;
    for (const TokenId id : ids) streamed += stream.push(id);
    streamed += stream.finish();
    require(streamed == utf8::replace_invalid(exact));
  }
  for (TokenId id = 0; id < t.id_limit() && id < 8; ++id) t.token_bytes(id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = std::min(input.find('\0'), input.size());
  const std::string_view text = input.substr(std::min(zero + 1, input.size()));
  try {
    use(tokenizer_from_json(parse_json(input.substr(0, zero), "input"), nullptr, "input"), text.empty() ? "Hello  wörld 12" : text);
  } catch (const Error& error) {
    require(error.kind() != ErrorKind::internal);
  }
  return 0;
}
