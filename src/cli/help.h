// Help, man pages and shell completions, all from the verbs' records and their options.
#pragma once

#include <string>
#include <string_view>

#include "cli/verb.h"

namespace tashika::cli {

struct Version {
  std::string_view number, commit, compiler;
};
Version version();
std::string version_text();  // what --version prints

std::string program_help(bool colour, int width);
std::string verb_help(const Verb& verb, bool colour, int width);
std::string man_page(const Verb* verb);  // null: of the program; roff
std::string completion_script(std::string_view shell);  // bash, zsh, fish; Error(usage) otherwise

// The options of a verb as main parses them: the verb's own and those that every verb has.
struct LogSettings {
  LogLevel level = LogLevel::warn;
  std::string file;
};
void describe(Options& options, LogSettings& logging);
const Verb* find_verb(std::string_view name);  // null when unknown
std::string usage_line(const Verb& verb, const Options& options);

}  // namespace tashika::cli
