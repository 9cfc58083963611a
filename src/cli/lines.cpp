#include "cli/lines.h"

#include "base/terminal.h"

namespace tashika::cli {

void for_each_line(const std::function<std::string(std::string_view, std::int64_t)>& answer) {
  std::string text, out;
  std::int64_t number = 0;
  bool more = true;
  try {
    while (more) {
      const std::size_t before = text.size();
      more = read_stdin_some(text);
      std::size_t at = 0;
      for (std::size_t end = text.find('\n', before); end != std::string::npos; end = text.find('\n', at)) {
        out += answer(std::string_view(text).substr(at, end - at), ++number);
        at = end + 1;
      }
      text.erase(0, at);
      if (!more && !text.empty()) out += answer(text, ++number);
      write_stdout(out);
      out.clear();
    }
  } catch (...) {
    write_stdout(out);  // what was answered before the bad line
    throw;
  }
}

}  // namespace tashika::cli
