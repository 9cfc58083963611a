#include "cli/line_editor.h"

#include <histedit.h>

#include <clocale>
#include <cstdio>
#include <cwchar>
#include <deque>

#include "base/error.h"
#include "base/file.h"
#include "base/terminal.h"
#include "base/utf8.h"

namespace tashika::cli {
namespace {

// What pasted newlines and tabs look like while a line is edited; both become themselves again.
constexpr wchar_t newline_mark = 0x2424, tab_mark = 0x2409;
constexpr std::string_view newline_text = "\xE2\x90\xA4", tab_text = "\xE2\x90\x89";
constexpr std::string_view paste_begin = "\033[200~", paste_end = "\033[201~";

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}

}  // namespace

struct LineEditor::Impl {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::string file, prompt;
  std::deque<unsigned char> queue;  // bytes read ahead of a paste mark that was none
  bool pasting = false;
  bool interrupted = false;
  unsigned seen = 0;  // Ctrl-Cs before this line

  static Impl& of(EditLine* editor) {
    void* data = nullptr;
    ::el_get(editor, EL_CLIENTDATA, &data);
    return *static_cast<Impl*>(data);
  }

  int next_byte(unsigned char& byte) {
    if (!queue.empty()) {
      byte = queue.front();
      queue.pop_front();
      return 1;
    }
    const int n = read_stdin_byte(byte, seen);
    if (n < 0) interrupted = true;
    return n;
  }

  // Reads on while what comes is `mark`, of which the first byte is there. True when all of it came.
  bool matches(std::string_view mark) {
    std::deque<unsigned char> taken;
    for (std::size_t i = 1; i < mark.size(); ++i) {
      unsigned char byte = 0;
      if (next_byte(byte) != 1) break;
      taken.push_back(byte);
      if (byte != static_cast<unsigned char>(mark[i])) break;
      if (i + 1 == mark.size()) return true;
    }
    queue.insert(queue.begin(), taken.begin(), taken.end());
    return false;
  }

  int read_char(wchar_t* out) {
    while (true) {
      unsigned char byte = 0;
      if (const int n = next_byte(byte); n != 1) return n;
      // Once the bytes of an escape sequence are queued they are handed on without another look.
      if (byte == 0x1B && queue.empty() && matches(pasting ? paste_end : paste_begin)) {
        pasting = !pasting;
        continue;
      }
      if (pasting && (byte == '\r' || byte == '\n')) {
        *out = newline_mark;
        return 1;
      }
      if (pasting && byte == '\t') {
        *out = tab_mark;
        return 1;
      }
      if (byte < 0x80) {
        *out = byte;
        return 1;
      }
      std::string text(1, static_cast<char>(byte));
      const int more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : byte >= 0xC0 ? 1 : 0;
      for (int i = 0; i < more; ++i) {
        if (const int n = next_byte(byte); n != 1) return n;
        text += static_cast<char>(byte);
      }
      const Utf8Char c = decode_utf8(text, 0);
      if (!c.valid) continue;  // no character: nothing to insert
      *out = static_cast<wchar_t>(c.code);
      return 1;
    }
  }
};

LineEditor::LineEditor(std::string history_file) : impl_(std::make_unique<Impl>()) {
  // libedit draws by the locale's characters; a terminal that is not UTF-8 is beyond saving.
  const char* locale = std::setlocale(LC_CTYPE, "");
  if (locale == nullptr || std::string_view(locale) == "C" || std::string_view(locale) == "POSIX") std::setlocale(LC_CTYPE, "C.UTF-8");
  Impl& i = *impl_;
  i.file = std::move(history_file);
  i.editor = ::el_init("tashika", stdin, stdout, stderr);
  i.history = ::history_init();
  if (i.editor == nullptr || i.history == nullptr) fail("the terminal cannot be used for line editing");
  HistEvent event;
  ::history(i.history, &event, H_SETSIZE, 1000);
  ::history(i.history, &event, H_SETUNIQUE, 1);
  if (!i.file.empty()) ::history(i.history, &event, H_LOAD, i.file.c_str());
  ::el_set(i.editor, EL_CLIENTDATA, &i);
  ::el_set(i.editor, EL_EDITOR, "emacs");
  ::el_set(i.editor, EL_SIGNAL, 0);
  ::el_set(i.editor, EL_HIST, ::history, i.history);
  ::el_set(i.editor, EL_PROMPT, +[](EditLine* e) { return Impl::of(e).prompt.data(); });
  ::el_set(i.editor, EL_GETCFN, +[](EditLine* e, wchar_t* out) { return Impl::of(e).read_char(out); });
  ::el_set(i.editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

LineEditor::~LineEditor() {
  HistEvent event;
  if (!impl_->file.empty()) ::history(impl_->history, &event, H_SAVE, impl_->file.c_str());
  ::history_end(impl_->history);
  ::el_end(impl_->editor);
}

LineEditor::Got LineEditor::read(std::string_view prompt, std::string& line) {
  Impl& i = *impl_;
  i.prompt = prompt;
  i.interrupted = false;
  i.seen = interrupts();
  i.queue.clear();
  i.pasting = false;
  ::el_resize(i.editor);
  // libedit draws the prompt before it takes the terminal: a Ctrl-D typed in between would be lost in line mode.
  ::el_set(i.editor, EL_PREP_TERM, 1);
  write_stdout("\033[?2004h");
  int count = 0;
  const char* text = ::el_gets(i.editor, &count);
  write_stdout("\033[?2004l");
  if (text == nullptr || count <= 0) {
    if (!i.interrupted) return Got::end;
    ::el_reset(i.editor);
    return Got::interrupted;
  }
  line.assign(text, static_cast<std::size_t>(count));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  replace_all(line, newline_text, "\n");
  replace_all(line, tab_text, "\t");
  return Got::line;
}

void LineEditor::remember(const std::string& entry) {
  std::string line = entry;
  replace_all(line, "\n", newline_text);
  replace_all(line, "\t", tab_text);
  HistEvent event;
  ::history(impl_->history, &event, H_ENTER, line.c_str());
}

std::string default_history_file() {
  if (const std::string given = environment("TASHIKA_HISTORY"); !given.empty()) return given == "none" ? "" : given;
  std::string state = environment("XDG_STATE_HOME");
  if (state.empty()) {
    const std::string home = environment("HOME");
    if (home.empty()) return {};
    state = join_path(home, ".local/state");
  }
  const std::string folder = join_path(state, "tashika");
  try {
    make_directories(folder);
  } catch (const Error&) {
    return {};  // no place for a history is no reason not to talk
  }
  return join_path(folder, "history");
}

}  // namespace tashika::cli
