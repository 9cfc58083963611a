#include "compress/text_chunks.h"

#include "base/error.h"

namespace tashika {

std::vector<std::vector<TokenId>> text_chunks(const Tokenizer& tokenizer, std::string_view text, std::int64_t context, std::int64_t most,
                                              std::string_view what) {
  if (context < 2) fail_with(ErrorKind::usage, cat("chunks of ", context, " tokens are too short"));
  std::vector<TokenId> ids = tokenizer.encode(text);
  const bool begins = tokenizer.adds_bos() && tokenizer.bos().has_value();
  if (tokenizer.adds_eos() && !ids.empty() && ids.back() == tokenizer.eos()) ids.pop_back();
  const auto length = static_cast<std::size_t>(context);
  if (ids.size() < length) {
    fail(what, ": the text has ", ids.size(), " tokens, less than one chunk of ", context, ": give more text or shorter chunks (-c)");
  }
  std::vector<std::vector<TokenId>> out;
  for (std::size_t at = 0; at + length <= ids.size(); at += length) {
    if (most > 0 && static_cast<std::int64_t>(out.size()) == most) break;
    out.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at), ids.begin() + static_cast<std::ptrdiff_t>(at + length));
    if (begins) out.back()[0] = *tokenizer.bos();
  }
  return out;
}

}  // namespace tashika
