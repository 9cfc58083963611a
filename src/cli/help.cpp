#include "cli/help.h"

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace tashika::cli {
namespace {

constexpr std::string_view about_program =
    "Tashika runs open language models on this machine. MODEL is a Hugging Face folder, a .gguf file,\n"
    "org/name[:quant] in the local Hugging Face cache, or the name of the built-in model.";

constexpr std::string_view program_examples =
    "  tashika run \"Tell me a story.\"                 one answer from the built-in model\n"
    "  tashika run MODEL                              chat in the terminal\n"
    "  cat notes.txt | tashika run MODEL -p \"Sum up:\"  piped text is appended to the prompt\n"
    "  tashika show MODEL -c 8192                     what it is, and the memory it needs\n"
    "  tashika bench MODEL -p 512 -n 128              tokens per second\n";

struct Paint {
  bool on;
  std::string bold(std::string_view text) const { return on ? cat("\033[1m", text, "\033[0m") : std::string(text); }
};

// Columns a text takes; the help is ASCII but for a few characters.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

void wrap(std::string& out, std::string_view text, std::size_t indent, std::size_t width) {
  std::size_t column = indent;
  bool first = true;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    if (!first && column + 1 + columns(word) > width) {
      out += cat("\n", std::string(indent, ' '));
      column = indent;
      first = true;
    }
    if (!first) out += ' ', ++column;
    out += word;
    column += columns(word);
    first = false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out += '\n';
}

// "-n, --n-predict N", or "--no-special" for a switch that is on.
std::string spelled(const Option& o) {
  std::string out;
  for (const std::string& flag : o.flags) {
    const bool negate = o.is_switch() && o.on_by_default;
    if (negate && !flag.starts_with("--")) continue;
    out += cat(out.empty() ? "" : ", ", negate ? cat("--no-", flag.substr(2)) : flag);
  }
  return o.is_switch() ? out : cat(out, " ", o.choices.empty() ? o.placeholder : [&] {
    std::string list;
    for (const std::string& c : o.choices) list += cat(list.empty() ? "" : "|", c);
    return list;
  }());
}

void entry(std::string& out, std::string_view left, std::string_view text, std::size_t width) {
  constexpr std::size_t column = 30;
  out += cat("  ", left);
  if (columns(left) + 4 > column) {
    out += cat("\n", std::string(column, ' '));
  } else {
    out += std::string(column - 2 - columns(left), ' ');
  }
  wrap(out, text, column, width);
}

std::string described(const Option& o) {
  return o.is_switch() || o.fallback.empty() ? o.help : cat(o.help, " [", o.fallback, "]");
}

void append_options(std::string& out, const Options& options, Paint paint, std::size_t width) {
  std::vector<std::string> groups;
  for (const Option& o : options.all()) {
    if (std::ranges::find(groups, o.group) == groups.end()) groups.push_back(o.group);
  }
  for (const std::string& group : groups) {
    out += cat("\n", paint.bold(group.empty() ? "Options" : group), "\n");
    for (const Option& o : options.all()) {
      if (o.group == group) entry(out, spelled(o), described(o), width);
    }
  }
}

// The options of a verb, alive together with the command that holds their fields.
struct Described {
  explicit Described(const Verb& verb) : command(verb.make()) {
    command->describe(options);
    tashika::cli::describe(options, logging);
  }
  std::unique_ptr<Command> command;
  LogSettings logging;
  Options options;
};

std::string roff(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    line_start = c == '\n';
  }
  return out;
}

std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::vector<std::string> visible_flags(const Option& o) {
  std::vector<std::string> out;
  for (const std::string& flag : o.flags) {
    if (o.is_switch() && o.on_by_default) {
      if (flag.starts_with("--")) out.push_back(cat("--no-", flag.substr(2)));
    } else {
      out.push_back(flag);
    }
  }
  return out;
}

std::string bash_completion() {
  std::string names, cases;
  for (const Verb* verb : verbs()) {
    const Described d(*verb);
    names += cat(names.empty() ? "" : " ", verb->name);
    std::string flags = "--help";
    std::string values;
    for (const Option& o : d.options.all()) {
      std::string pattern;
      for (const std::string& flag : visible_flags(o)) {
        flags += cat(" ", flag);
        pattern += cat(pattern.empty() ? "" : "|", flag);
      }
      if (o.is_switch()) continue;
      std::string action = "return";
      if (!o.choices.empty()) {
        std::string list;
        for (const std::string& c : o.choices) list += cat(list.empty() ? "" : " ", c);
        action = cat("COMPREPLY=($(compgen -W ", shell_quoted(list), " -- \"$cur\")); return");
      } else if (o.hint == ValueHint::file || o.hint == ValueHint::model || o.hint == ValueHint::folder) {
        action = "COMPREPLY=($(compgen -f -- \"$cur\")); return";
      }
      values += cat("        ", pattern, ") ", action, " ;;\n");
    }
    cases += cat("    ", verb->name, ")\n      case \"$prev\" in\n", values, "      esac\n      flags=", shell_quoted(flags), " ;;\n");
  }
  return cat("# bash completion for tashika; source this file or put it into /usr/share/bash-completion/completions/tashika\n"
             "_tashika() {\n  local cur prev verb flags\n  cur=${COMP_WORDS[COMP_CWORD]}\n  prev=${COMP_WORDS[COMP_CWORD-1]}\n"
             "  verb=${COMP_WORDS[1]}\n  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W ",
             shell_quoted(cat(names, " --help --version")), " -- \"$cur\"))\n    return\n  fi\n  case \"$verb\" in\n", cases,
             "  esac\n  if [ \"${cur:0:1}\" = - ]; then\n    COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\"))\n  else\n"
             "    COMPREPLY=($(compgen -f -- \"$cur\"))\n  fi\n}\ncomplete -o filenames -F _tashika tashika\n");
}

std::string zsh_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_completion() {
  std::string list, cases;
  for (const Verb* verb : verbs()) {
    const Described d(*verb);
    list += cat("    ", shell_quoted(cat(verb->name, ":", verb->summary)), "\n");
    std::string specs;
    for (const Option& o : d.options.all()) {
      for (const std::string& flag : visible_flags(o)) {
        std::string spec = cat(o.repeats ? "*" : "", flag, "[", zsh_escape(o.help), "]");
        if (!o.is_switch()) {
          spec += cat(":", zsh_escape(o.placeholder), ":");
          if (!o.choices.empty()) {
            spec += "(";
            for (std::size_t i = 0; i < o.choices.size(); ++i) spec += cat(i ? " " : "", o.choices[i]);
            spec += ")";
          } else if (o.hint != ValueHint::none) {
            spec += "_files";
          }
        }
        specs += cat("      ", shell_quoted(spec), " \\\n");
      }
    }
    cases += cat("    ", verb->name, ")\n      _arguments \\\n", specs, "      '*:file:_files' ;;\n");
  }
  return cat("#compdef tashika\n_tashika() {\n  local -a names\n  names=(\n", list,
             "  )\n  if (( CURRENT == 2 )); then\n    _describe verb names\n    return\n  fi\n  local verb=$words[2]\n"
             "  shift words\n  (( CURRENT-- ))\n  case $verb in\n", cases, "  esac\n}\n_tashika \"$@\"\n");
}

std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string fish_completion() {
  std::string out = "# fish completion for tashika; put it into ~/.config/fish/completions/tashika.fish\n";
  for (const Verb* verb : verbs()) {
    out += cat("complete -c tashika -n __fish_use_subcommand -f -a ", verb->name, " -d ", fish_quoted(verb->summary), "\n");
  }
  for (const Verb* verb : verbs()) {
    const Described d(*verb);
    for (const Option& o : d.options.all()) {
      out += cat("complete -c tashika -n '__fish_seen_subcommand_from ", verb->name, "'");
      for (const std::string& flag : visible_flags(o)) {
        if (flag.starts_with("--")) {
          out += cat(" -l ", flag.substr(2));
        } else {
          out += cat(flag.size() == 2 ? " -s " : " -o ", flag.substr(1));
        }
      }
      if (!o.is_switch()) out += o.hint == ValueHint::none ? " -x" : " -r";
      if (!o.choices.empty()) {
        std::string list;
        for (const std::string& c : o.choices) list += cat(list.empty() ? "" : " ", c);
        out += cat(" -a ", fish_quoted(list));
      }
      out += cat(" -d ", fish_quoted(o.help), "\n");
    }
  }
  return out;
}

}  // namespace

void describe(Options& o, LogSettings& s) {
  o.group("Messages");
  o.choice("--log", "LEVEL", s.level,
           {{"error", LogLevel::error}, {"warn", LogLevel::warn}, {"info", LogLevel::info}, {"debug", LogLevel::debug}},
           "what is told on stderr");
  o.value("--log-file", "FILE", s.file, "append messages to this file too").completes(ValueHint::file);
}

const Verb* find_verb(std::string_view name) {
  for (const Verb* verb : verbs()) {
    if (verb->name == name) return verb;
  }
  return nullptr;
}

std::string usage_line(const Verb& verb, const Options& options) {
  std::string out = cat("tashika ", verb.name);
  for (const Positional& p : options.positionals()) {
    const std::string word = p.rest ? cat(p.placeholder, "…") : p.placeholder;
    out += p.required ? cat(" ", word) : cat(" [", word, "]");
  }
  return out + " [options]";
}

std::string program_help(bool colour, int width) {
  const Paint paint{colour};
  std::string out = cat(paint.bold("Usage"), "\n  tashika VERB [MODEL] [options]\n\n", about_program, "\n\n", paint.bold("Verbs"), "\n");
  for (const Verb* verb : verbs()) entry(out, verb->name, verb->summary, static_cast<std::size_t>(std::clamp(width, 60, 110)));
  out += cat("\n", paint.bold("Examples"), "\n", program_examples, "\n`tashika VERB --help` tells more of a verb. Every option has a twin in the environment: --top-k is TASHIKA_TOP_K.\n"
             "Exit codes: 0 fine, 1 failed, 2 wrong usage, 130 interrupted.\n");
  return out;
}

std::string verb_help(const Verb& verb, bool colour, int width) {
  const Described d(verb);
  const Paint paint{colour};
  const auto columns_wide = static_cast<std::size_t>(std::clamp(width, 60, 110));
  std::string out = cat(paint.bold("Usage"), "\n  ", usage_line(verb, d.options), "\n\n", verb.about.empty() ? verb.summary : verb.about, "\n");
  if (!d.options.positionals().empty()) {
    out += cat("\n", paint.bold("Arguments"), "\n");
    for (const Positional& p : d.options.positionals()) entry(out, p.placeholder, p.help, columns_wide);
  }
  append_options(out, d.options, paint, columns_wide);
  if (!verb.examples.empty()) out += cat("\n", paint.bold("Examples"), "\n", verb.examples);
  return out;
}

std::string man_page(const Verb* verb) {
  const std::string title = verb ? cat("tashika-", verb->name) : "tashika";
  std::string upper = title;
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  std::string out = cat(".TH ", upper, " 1 \"\" \"tashika ", version().number, "\" \"User Commands\"\n.SH NAME\n", roff(title), " \\- ",
                        roff(verb ? verb->summary : std::string_view("run open language models on this machine")), "\n.SH SYNOPSIS\n");
  if (verb == nullptr) {
    out += cat(".B tashika\n.I VERB\n[MODEL] [options]\n.SH DESCRIPTION\n", roff(about_program), "\n.SH VERBS\n");
    for (const Verb* v : verbs()) out += cat(".TP\n.B ", v->name, "\n", roff(v->summary), "\n");
    out += cat(".SH EXAMPLES\n.nf\n", roff(program_examples), ".fi\n");
  } else {
    const Described d(*verb);
    out += cat(roff(usage_line(*verb, d.options)), "\n.SH DESCRIPTION\n", roff(verb->about.empty() ? verb->summary : verb->about), "\n");
    for (const Positional& p : d.options.positionals()) out += cat(".TP\n.I ", roff(p.placeholder), "\n", roff(p.help), "\n");
    out += ".SH OPTIONS\n";
    std::string group = "\n";
    for (const Option& o : d.options.all()) {
      if (o.group != group) {
        group = o.group;
        if (!group.empty()) out += cat(".SS ", group, "\n");
      }
      out += cat(".TP\n.B ", roff(spelled(o)), "\n", roff(described(o)), " (", o.env(), ")\n");
    }
    if (!verb->examples.empty()) out += cat(".SH EXAMPLES\n.nf\n", roff(verb->examples), ".fi\n");
  }
  return out + ".SH EXIT STATUS\n0 fine, 1 failed, 2 wrong usage, 130 interrupted.\n";
}

std::string completion_script(std::string_view shell) {
  if (shell == "bash") return bash_completion();
  if (shell == "zsh") return zsh_completion();
  if (shell == "fish") return fish_completion();
  fail_with(ErrorKind::usage, cat("unknown shell \"", shell, "\"; known: bash, zsh, fish"));
}

}  // namespace tashika::cli
