// A bar on the terminal for work that takes a while.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace tashika::cli {

// One line of stderr that is written over and leaves nothing behind; nothing where stderr is no terminal.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void show(std::int64_t done, std::int64_t total, std::string_view what);

 private:
  bool on_, shown_ = false;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace tashika::cli
