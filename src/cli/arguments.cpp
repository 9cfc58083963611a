#include "cli/arguments.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/terminal.h"

namespace tashika::cli {
namespace {

bool is_number(std::string_view text) {
  return text.size() > 1 && text[0] == '-' && text.find_first_not_of("0123456789.,", 1) == std::string_view::npos;
}

bool looks_like_option(std::string_view word) {
  return word.size() > 1 && word[0] == '-' && word.find_first_of(" \t\n\r") == std::string_view::npos && !is_number(word);
}

std::string negated(std::string_view flag) {
  return flag.starts_with("--no-") ? cat("--", flag.substr(5)) : std::string();
}

[[noreturn]] void unknown_option(std::string_view word, const Options& options) {
  std::vector<std::string> known = {"--help"};
  for (const Option& o : options.all()) {
    for (const std::string& flag : o.flags) {
      known.push_back(flag);
      if (o.is_switch() && flag.starts_with("--")) known.push_back(cat("--no-", flag.substr(2)));
    }
  }
  const std::string near = nearest_word(word, known);
  // A text may begin with a dash; an argument that is MODEL alone does not.
  const bool takes_text = options.positionals().size() > 1;
  fail_with(ErrorKind::usage, cat("unknown option ", word, near.empty() ? "" : cat("; did you mean ", near, "?"),
                                  takes_text ? " (-- goes before a text that begins with a dash)" : ""));
}

}  // namespace

bool parse_arguments(std::span<const std::string> arguments, Options& options) {
  bool help = false;
  std::vector<std::string> words;
  bool ended = false;

  // Asking for help must not depend on the rest being right.
  for (const std::string& word : arguments) {
    if (word == "--") break;
    if (word == "-h" || word == "--help") help = true;
  }
  if (help) return true;

  for (Option& o : options.all()) {
    const std::string name = o.env();
    if (const std::string value = environment(name.c_str()); !value.empty()) {
      o.set(value, name);
      o.given = true;
    }
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (!ended && word == "--") {
      ended = true;
      continue;
    }
    const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    const std::string flag = word.substr(0, equals);
    Option* option = ended ? nullptr : options.find_flag(flag);
    if (option == nullptr && !ended) {
      if (Option* o = options.find_flag(negated(flag)); o != nullptr && o->is_switch()) {
        if (equals != std::string::npos) fail_with(ErrorKind::usage, cat(flag, ": takes no value"));
        o->set("off", flag);
        o->given = true;
        continue;
      }
    }
    if (option == nullptr) {
      if (!ended && looks_like_option(word)) unknown_option(flag, options);
      words.push_back(word);
      continue;
    }
    option->given = true;
    if (option->is_switch()) {
      option->set(equals != std::string::npos ? std::string_view(word).substr(equals + 1) : std::string_view("on"), flag);
    } else if (equals != std::string::npos) {
      option->set(std::string_view(word).substr(equals + 1), flag);
    } else if (i + 1 < arguments.size()) {
      option->set(arguments[++i], flag);
    } else {
      fail_with(ErrorKind::usage, cat(flag, ": needs a value ", option->placeholder));
    }
  }

  std::size_t at = 0;
  for (Positional& p : options.positionals()) {
    if (p.skip && p.skip()) continue;
    if (at == words.size() && p.required) fail_with(ErrorKind::usage, cat(p.placeholder, " is missing"));
    for (std::size_t n = 0; at < words.size() && (n == 0 || p.rest); ++n) p.set(words[at++]);
  }
  if (at < words.size()) fail_with(ErrorKind::usage, cat("unexpected argument \"", words[at], "\""));
  return false;
}

}  // namespace tashika::cli
