#include "cli/answer.h"

#include <algorithm>

#include "base/error.h"
#include "base/terminal.h"
#include "cli/figures.h"

namespace tashika::cli {
namespace {

// One line of stderr that is written over and leaves nothing behind.
class PromptProgress {
 public:
  explicit PromptProgress(Conversation& conversation) : conversation_(conversation), on_(stderr_is_terminal() && stdout_is_terminal()) {
    if (!on_) return;
    conversation_.generator().on_progress = [](void* self, std::int64_t pending) { static_cast<PromptProgress*>(self)->show(pending); };
    conversation_.generator().progress_context = this;
  }
  ~PromptProgress() {
    clear();
    conversation_.generator().on_progress = nullptr;
  }
  void clear() {
    if (shown_) write_stderr("\r\033[K");
    shown_ = false;
  }

 private:
  void show(std::int64_t pending) {
    const std::int64_t total = conversation_.stats().prompt_tokens;
    if (pending == 0) return clear();
    write_stderr(cat("\rreading the prompt: ", total - pending, " of ", total, " tokens\033[K"));
    shown_ = true;
  }
  Conversation& conversation_;
  bool on_;
  bool shown_ = false;
};

std::string rate(std::int64_t tokens, double seconds) { return seconds > 0 && tokens > 0 ? cat(" at ", fixed(static_cast<double>(tokens) / seconds, 1), " tokens/s") : ""; }

}  // namespace

void stream_answer(Conversation& conversation, Log& log) {
  PromptProgress progress(conversation);
  std::int64_t dropped = 0;
  while (const std::optional<TokenEvent> event = conversation.next()) {
    progress.clear();
    if (conversation.sequence().dropped() > dropped) {
      dropped = conversation.sequence().dropped();
      log.write(LogLevel::warn, cat("the context is full: ", dropped, " of the oldest tokens were dropped so far"));
    }
    if (!event->text.empty()) write_stdout(event->text);
  }
  if (log.enabled(LogLevel::debug)) log.write(LogLevel::debug, cat(stats_line(conversation.stats()), "; ended by ", finish_name(conversation.stats().finish)));
}

std::string stats_line(const AnswerStats& s) {
  std::string out = cat("prompt ", s.prompt_tokens, " tokens");
  if (s.kept_tokens > 0) out += cat(" (", s.kept_tokens, " kept)");
  out += rate(s.prompt_tokens - s.kept_tokens, s.prompt_seconds);
  out += cat(", answer ", s.answer_tokens, " tokens", rate(s.answer_tokens - 1, s.answer_seconds));
  return out;
}

std::string overflow_note(const Conversation& conversation) {
  if (conversation.stats().finish != Finish::context) return {};
  return cat("the context of ", conversation.sequence().context(), " positions is full and the answer ends here; use a larger -c, or --on-overflow shift");
}

}  // namespace tashika::cli
