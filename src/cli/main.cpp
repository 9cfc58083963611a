// The program: finds the verb, sets its options, turns errors into messages and exit codes.
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/terminal.h"
#include "cli/arguments.h"
#include "cli/help.h"

namespace tashika::cli {
namespace {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage: return 2;
    case ErrorKind::cancelled: return 130;
    default: return 1;
  }
}

[[noreturn]] void unknown_verb(const std::string& word) {
  std::vector<std::string> known;
  std::string list;
  for (const Verb* verb : verbs()) {
    known.emplace_back(verb->name);
    list += cat(list.empty() ? "" : ", ", verb->name);
  }
  const std::string near = nearest_word(word, known);
  fail_with(ErrorKind::usage, cat("unknown verb \"", word, "\"", near.empty() ? cat("; known: ", list) : cat("; did you mean ", near, "?")));
}

int dispatch(const std::vector<std::string>& arguments) {
  const bool colour = colour_on(stdout_is_terminal());
  if (arguments.empty()) {
    write_stderr(program_help(colour_on(stderr_is_terminal()), terminal_width()));
    return 2;
  }
  const std::string& word = arguments[0];
  if (word == "-h" || word == "--help" || (word == "help" && arguments.size() == 1)) {
    write_stdout(program_help(colour, terminal_width()));
    return 0;
  }
  if (word == "--version") {
    write_stdout(version_text());
    return 0;
  }
  if (word == "help") {
    const Verb* verb = find_verb(arguments[1]);
    if (verb == nullptr) unknown_verb(arguments[1]);
    write_stdout(verb_help(*verb, colour, terminal_width()));
    return 0;
  }
  const Verb* verb = find_verb(word);
  if (verb == nullptr) {
    if (word.starts_with("-")) fail_with(ErrorKind::usage, cat("unknown option ", word, "; the verb comes first"));
    unknown_verb(word);
  }
  const std::unique_ptr<Command> command = verb->make();
  LogSettings logging;
  Options options;
  command->describe(options);
  describe(options, logging);
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  try {
    if (parse_arguments(rest, options)) {
      write_stdout(verb_help(*verb, colour, terminal_width()));
      return 0;
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    throw Error(cat(error.message(), "\nusage: ", usage_line(*verb, options), "\n`tashika ", verb->name, " --help` lists the options"), ErrorKind::usage);
  }
  Log log(logging.level, logging.file, std::max(logging.level, LogLevel::info));
  Context context{log, options};
  try {
    return command->run(context);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled) log.write(LogLevel::error, error.message());
    return exit_code(error.kind());
  }
}

}  // namespace
}  // namespace tashika::cli

int main(int argc, char** argv) {
  using namespace tashika;
  const auto say = [](std::string_view message) { write_stderr(cat("error: ", message, "\n")); };
  try {
    on_interrupt(nullptr, nullptr);
    exit_on_lost_mapping();
    return cli::dispatch({argv + 1, argv + argc});
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled) say(error.message());
    return cli::exit_code(error.kind());
  } catch (const std::bad_alloc&) {
    say("out of memory");
  } catch (const std::exception& error) {
    say(cat("internal error: ", error.what()));
  }
  return 1;
}
