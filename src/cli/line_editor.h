// Lines typed at a terminal, with editing and a history that lasts.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tashika::cli {

class LineEditor {
 public:
  enum class Got {
    line,
    interrupted,  // Ctrl-C: the line is dropped
    end,          // Ctrl-D on an empty line
  };

  // `history_file`: loaded now, saved by the destructor; empty: none. Pasted text may hold newlines:
  // they do not end the line.
  explicit LineEditor(std::string history_file);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  Got read(std::string_view prompt, std::string& line);  // without its newline
  void remember(const std::string& entry);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// $XDG_STATE_HOME/tashika/history, or ~/.local/state/tashika/history; the folder is made. TASHIKA_HISTORY
// names another file; "none" keeps none.
std::string default_history_file();

}  // namespace tashika::cli
