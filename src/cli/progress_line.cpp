#include "cli/progress_line.h"

#include <string>

#include "base/error.h"
#include "base/terminal.h"

namespace tashika::cli {

ProgressLine::ProgressLine() : on_(stderr_is_terminal()) {}

ProgressLine::~ProgressLine() {
  if (shown_) write_stderr("\r\033[K");
}

void ProgressLine::show(std::int64_t done, std::int64_t total, std::string_view what) {
  if (!on_) return;
  const auto time = std::chrono::steady_clock::now();
  if (shown_ && time - last_ < std::chrono::milliseconds(100)) return;
  last_ = time;
  shown_ = true;
  const auto percent = static_cast<int>(total > 0 ? done * 100 / total : 100);
  constexpr int width = 24;
  std::string bar;
  for (int i = 0; i < width; ++i) bar += i * 100 < percent * width ? "█" : "░";
  write_stderr(cat("\r", bar, " ", percent, " %  ", what, "\033[K"));
}

}  // namespace tashika::cli
