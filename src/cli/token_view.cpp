#include "cli/token_view.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace tashika::cli {

std::string explain_tokens(const Tokenizer& tokenizer, std::span<const TokenId> ids, bool colour) {
  std::string out;
  std::vector<TokenId> special;
  bool even = false;
  for (const TokenId id : ids) {
    const bool is_special = tokenizer.kind(id).special;
    if (is_special && std::ranges::find(special, id) == special.end()) special.push_back(id);
    std::string text = is_special ? tokenizer.token(id) : tokenizer.token_bytes(id);
    if (text.empty()) text = tokenizer.token(id);
    if (!colour) {
      out += cat(out.empty() || out.back() == '\n' ? "" : "|", text);
      continue;
    }
    const std::string_view paint = is_special ? "\033[1;35m" : even ? "\033[30;46m" : "\033[30;43m";
    // A colour is ended before the line is: backgrounds would run to the right margin.
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      if (end > 0) out += cat(paint, text.substr(0, end), "\033[0m");
      if (end == text.size()) break;
      out += cat("\033[2m\\n\033[0m\n");
      text.erase(0, end + 1);
    }
    if (!is_special) even = !even;
  }
  out += cat("\n\n", ids.size(), " tokens: [");
  for (std::size_t i = 0; i < ids.size(); ++i) out += cat(i ? "," : "", ids[i]);
  out += "]\n";
  std::ranges::sort(special);
  for (const TokenId id : special) out += cat("special ", id, " ", dump_json(Json(tokenizer.token(id))), "\n");
  return out;
}

}  // namespace tashika::cli
