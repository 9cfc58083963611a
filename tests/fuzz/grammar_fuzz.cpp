// Arbitrary schemas, patterns and GBNF, told apart by the first byte (s, r, g); a short text is then drawn from each that
// compiles. Whatever happens must be a text that the grammar takes, or an Error.

// links: text

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "text/grammar/grammar.h"

using namespace tashika;

namespace {

Grammar compile(char kind, std::string_view text) {
  if (kind == 's') return Grammar::json_schema(parse_json(text, "schema"));
  if (kind == 'r') return Grammar::regex(text);
  return Grammar::gbnf(text);
}

void walk(const Grammar& grammar, std::string_view choices) {
  static const GrammarVocabulary vocabulary([] {
    std::vector<std::string> tokens;
    for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
    return tokens;
  }());
  GrammarState state(grammar, vocabulary);
  TokenMask mask;
  for (std::size_t n = 0; n < 40 && !state.must_end(); ++n) {
    state.mask(mask);
    const std::size_t allowed = mask.count();
    if (allowed == 0) return;
    std::size_t pick = static_cast<unsigned char>(choices[n % choices.size()]) % allowed;
    std::int32_t id = 0;
    while (!mask[id] || pick-- > 0) ++id;
    state.accept(id);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 20000) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    walk(compile(text[0], text.substr(1)), text);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) __builtin_trap();
  }
  return 0;
}
