#include "base/error.h"
#include "base/terminal.h"
#include "cli/help.h"
#include "cli/verb.h"

namespace tashika::cli {
namespace {

class Completion final : public Command {
 public:
  void describe(Options& o) override {
    o.positional("SHELL", what_, "bash, zsh or fish; man for a manual page");
    o.positional("VERB", verb_, "of which verb the manual page is; without it of the program");
  }

  int run(Context&) override {
    if (what_ != "man") {
      if (verb_) fail_with(ErrorKind::usage, cat("unexpected argument \"", *verb_, "\""));
      write_stdout(completion_script(what_));
      return 0;
    }
    const Verb* verb = verb_ ? find_verb(*verb_) : nullptr;
    if (verb_ && verb == nullptr) fail_with(ErrorKind::usage, cat("unknown verb \"", *verb_, "\""));
    write_stdout(man_page(verb));
    return 0;
  }

 private:
  std::string what_;
  std::optional<std::string> verb_;
};

}  // namespace

extern const Verb verb_completion;
const Verb verb_completion{"completion", "shell completions and manual pages", "Prints a completion script for a shell, or a manual page in roff.",
                           "  source <(tashika completion bash)\n  tashika completion zsh > ~/.zfunc/_tashika\n"
                           "  tashika completion fish > ~/.config/fish/completions/tashika.fish\n  tashika completion man run | man -l -\n",
                           make_command<Completion>};

}  // namespace tashika::cli
