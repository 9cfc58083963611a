// Messages for people and for log files. Results never go this way.
//
// A Log is a value that the program makes and hands down (a Runtime carries a pointer to it);
// nothing is global. Safe to use from several threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tashika {

enum class LogLevel { error, warn, info, debug };

class Log {
 public:
  // Lines at or above `level` go to stderr, and to `file` (appended; empty: none) with the time and
  // the level in front. Error when the file cannot be opened.
  explicit Log(LogLevel level = LogLevel::warn, const std::string& file = {}, LogLevel file_level = LogLevel::info);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  bool enabled(LogLevel level) const { return level <= level_ || level <= file_level_; }
  void write(LogLevel level, std::string_view line);
  // Writes a line with this text only the first time.
  void once(LogLevel level, std::string_view line);

  // Called before a line goes to the terminal, so that a progress bar can clear its own.
  void (*before_line)(void* context) = nullptr;
  void* before_context = nullptr;

 private:
  LogLevel level_, file_level_;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tashika
