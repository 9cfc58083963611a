// A verb of the command line: one file in verbs/, one record named after it.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/log.h"
#include "base/options.h"

namespace tashika::cli {

// What main gives a command: where messages go, and the options as they were set.
struct Context {
  Log& log;
  Options& options;
};

// One run of a verb: its options are its members.
class Command {
 public:
  virtual ~Command() = default;
  virtual void describe(Options& options) = 0;
  // Called once all options are set; returns the exit code. Errors are thrown: Error(usage) only for
  // what is wrong before a model is opened.
  virtual int run(Context& context) = 0;
};

struct Verb {
  std::string_view name;
  std::string_view summary;   // one line
  std::string_view about;     // paragraphs of the help
  std::string_view examples;  // lines "command\n    what it does" are printed as they are
  std::unique_ptr<Command> (*make)();
};

std::span<const Verb* const> verbs();  // generated from the listing of verbs/

template <typename C>
std::unique_ptr<Command> make_command() {
  return std::make_unique<C>();
}

}  // namespace tashika::cli
