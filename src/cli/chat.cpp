#include "cli/chat.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/terminal.h"
#include "base/thread_pool.h"
#include "checkpoint/inventory.h"
#include "cli/answer.h"
#include "cli/figures.h"
#include "cli/line_editor.h"
#include "cli/token_view.h"
#include "registry/registry.h"

namespace tashika::cli {
namespace {

constexpr std::uint64_t max_saved = 256 << 20;

std::string trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return std::string(text);
}

class Chat {
 public:
  Chat(Engine& engine, const Tokenizer& tokenizer, Conversation& conversation, ChatSettings& settings, const std::string& sampling_source, Log& log)
      : engine_(engine), tokenizer_(tokenizer), conversation_(conversation), settings_(settings), sampling_source_(sampling_source), log_(log),
        editor_(default_history_file()) {}

  void loop() {
    const bool colour = colour_on(stdout_is_terminal());
    say(cat(file_name(engine_.checkpoint.path), ". /help lists the commands, \"\"\" begins and ends several lines, Ctrl-D leaves."));
    while (!left_) {
      std::string text;
      const LineEditor::Got got = read_message(text);
      if (got == LineEditor::Got::end) {
        write_stdout("\n");
        return;
      }
      if (got == LineEditor::Got::interrupted) {
        write_stdout("\n");
        if (++interrupts_ == 2) say("Ctrl-D or /exit leaves.");
        continue;
      }
      interrupts_ = 0;
      if (trimmed(text).empty()) continue;
      editor_.remember(text);
      try {
        if (text[0] == '/' && text.find('\n') == std::string::npos) {
          command(text);
        } else {
          answer(text);
        }
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::internal) throw;
        write_stderr(cat(colour ? "\033[31m" : "", "error: ", error.message(), colour ? "\033[0m\n" : "\n"));
      }
    }
  }

 private:
  struct Entry {
    std::string_view name, arguments, help;
    void (Chat::*run)(const std::string& arguments);
  };

  static std::span<const Entry> commands() {
    static constexpr Entry table[] = {
        {"/help", "", "this list", &Chat::help},
        {"/clear", "", "forget the conversation, keep the settings", &Chat::clear},
        {"/save", "FILE", "write the conversation to a JSON file", &Chat::save},
        {"/load", "FILE", "go on with a conversation from a file", &Chat::load},
        {"/set", "[NAME [VALUE]]", "set an option (temp, top_k, seed, system, stats …); without VALUE show it", &Chat::set},
        {"/show", "", "the model, the context used, the sampling", &Chat::show},
        {"/prompt", "", "the exact prompt text of the conversation, and its tokens", &Chat::prompt},
        {"/exit", "", "leave (also /quit, /bye, Ctrl-D)", &Chat::exit},
    };
    return table;
  }

  void say(std::string_view text) { write_stdout(cat(text, "\n")); }

  // One line, or from """ to """.
  LineEditor::Got read_message(std::string& text) {
    LineEditor::Got got = editor_.read(">>> ", text);
    if (got != LineEditor::Got::line || !text.starts_with("\"\"\"")) return got;
    std::string whole = text.substr(3);
    while (true) {
      if (const std::size_t end = whole.find("\"\"\""); end != std::string::npos) {
        text = whole.substr(0, end);
        if (text.ends_with('\n')) text.pop_back();
        return LineEditor::Got::line;
      }
      if (!whole.empty()) whole += '\n';
      std::string line;
      got = editor_.read("... ", line);
      if (got == LineEditor::Got::end) return LineEditor::Got::interrupted;
      if (got != LineEditor::Got::line) return got;
      whole += line;
    }
  }

  void answer(const std::string& text) {
    engine_.rt->clear_cancel();
    conversation_.ask(text);
    try {
      stream_answer(conversation_, log_);
      say("");
    } catch (const Error& error) {
      conversation_.stop();
      if (error.kind() != ErrorKind::cancelled) throw;
      engine_.rt->clear_cancel();
      say("\n(stopped)");
    }
    if (const std::string note = overflow_note(conversation_); !note.empty()) say(note);
    if (settings_.stats) write_stderr(cat(stats_line(conversation_.stats()), "\n"));
    say("");
  }

  void command(const std::string& text) {
    const std::size_t space = text.find(' ');
    std::string name = text.substr(0, space);
    if (name == "/quit" || name == "/bye") name = "/exit";
    if (name == "/?") name = "/help";
    const std::string arguments = space == std::string::npos ? "" : trimmed(std::string_view(text).substr(space));
    std::vector<std::string> known;
    for (const Entry& entry : commands()) {
      if (entry.name == name) return (this->*entry.run)(arguments);
      known.emplace_back(entry.name);
    }
    const std::string near = nearest_word(name, known);
    say(cat("there is no command ", name, near.empty() ? "; /help lists them" : cat("; did you mean ", near, "?")));
  }

  void help(const std::string&) {
    for (const Entry& entry : commands()) say(cat("  ", left(cat(entry.name, entry.arguments.empty() ? "" : " ", entry.arguments), 22), entry.help));
    say("  Ctrl-C stops an answer. The arrow keys recall earlier lines.");
    say("  \"\"\" begins and ends a message of several lines.");
  }

  void clear(const std::string&) {
    conversation_.clear();
    say("The conversation is forgotten.");
  }

  void save(const std::string& file) {
    if (file.empty()) fail_with(ErrorKind::usage, "/save needs a file name");
    Json out;
    out.set("model", engine_.checkpoint.path);
    out.set("messages", conversation_.messages());
    write_file(file, dump_json(out, JsonStyle::python, 2) + "\n");
    say(cat("Saved ", conversation_.messages().size(), " messages to ", file, "."));
  }

  void load(const std::string& file) {
    if (file.empty()) fail_with(ErrorKind::usage, "/load needs a file name");
    const Json in = parse_json(read_file(file, max_saved), file);
    const Json& messages = in.is_array() ? in : in["messages"];
    if (!messages.is_array()) fail(file, ": expected an object with the list \"messages\"");
    conversation_.set_messages(messages.as_array());
    settings_.system = !messages.as_array().empty() && messages.as_array()[0]["role"] == Json("system") ? messages.as_array()[0]["content"].as_string() : "";
    say(cat("Loaded ", messages.as_array().size(), " messages from ", file, "."));
  }

  void set(const std::string& arguments) {
    const std::size_t space = arguments.find_first_of(" =");
    const std::string name = arguments.substr(0, space);
    Options options;
    describe(options, settings_);
    if (name.empty()) {
      for (const Option& o : options.all()) {
        const std::string value = o.is_switch() ? (o.on_by_default ? "on" : "off") : o.fallback;
        const auto room = static_cast<std::size_t>(std::max(terminal_width() - 38, 20));
        if (!o.repeats) say(cat("  ", left(o.name(), 20), left(value, 12), "  ", o.help.size() > room ? o.help.substr(0, room - 1) + "…" : o.help));
      }
      return;
    }
    Option* option = options.find_name(name);
    if (option == nullptr) {
      std::vector<std::string> known;
      for (const Option& o : options.all()) known.push_back(o.name());
      const std::string near = nearest_word(name, known);
      fail_with(ErrorKind::usage, cat("there is no setting ", name, near.empty() ? "; /set lists them" : cat("; did you mean ", near, "?")));
    }
    if (space == std::string::npos) {
      say(cat("  ", name, " is ", option->is_switch() ? (option->on_by_default ? "on" : "off") : option->fallback.empty() ? "not set" : option->fallback));
      return;
    }
    ChatSettings before = settings_;
    try {
      option->set(trimmed(std::string_view(arguments).substr(space + 1)), name);
      conversation_.configure(settings_.generation);
    } catch (...) {
      settings_ = std::move(before);
      throw;
    }
    conversation_.set_system(settings_.system);
  }

  void show(const std::string&) {
    const Checkpoint& c = engine_.checkpoint;
    const std::int64_t context = conversation_.sequence().context();
    say(cat("  model      ", c.path));
    say(cat("  family     ", model_of(c).name, ", ", human_count(count_parameters(*engine_.model)), " parameters, ", main_type(c), ", ",
            human_bytes(weight_bytes(c))));
    say(cat("  context    ", conversation_.sequence().state().length(), " of ", context > 0 ? cat(context) : std::string("unlimited"), " positions used, ",
            human_bytes(conversation_.sequence().state().bytes())));
    say(cat("  messages   ", conversation_.messages().size()));
    const SamplingOptions& s = settings_.generation.sampling;
    say(cat("  sampling   temp ", s.temperature, ", top_k ", s.top_k, ", top_p ", s.top_p, ", min_p ", s.min_p, ", repeat_penalty ", s.repeat_penalty,
            ", seed ", conversation_.sequence().seed(), sampling_source_.empty() ? "" : cat(" (defaults from ", file_name(sampling_source_), ")")));
    say(cat("  computing  ", engine_.rt->name(), ", ", instruction_set(*engine_.rt), ", ", engine_.rt->pool().threads(), " threads"));
  }

  void prompt(const std::string&) {
    if (conversation_.messages().empty()) return say("There is no message yet.");
    write_stdout(conversation_.prompt_text());
    say("\n");
    write_stdout(explain_tokens(tokenizer_, conversation_.prompt_tokens(), colour_on(stdout_is_terminal())));
  }

  void exit(const std::string&) { left_ = true; }

  Engine& engine_;
  const Tokenizer& tokenizer_;
  Conversation& conversation_;
  ChatSettings& settings_;
  const std::string& sampling_source_;
  Log& log_;
  LineEditor editor_;
  int interrupts_ = 0;
  bool left_ = false;
};

}  // namespace

void describe(Options& o, ChatSettings& s) {
  describe(o, s.generation);
  o.group("Chat");
  o.value("-sys, --system", "TEXT", s.system, "what the model is told first, as the system");
  o.toggle("--stats", s.stats, "tell tokens per second on stderr after each answer");
}

void chat(Engine& engine, const Tokenizer& tokenizer, Conversation& conversation, ChatSettings& settings, const std::string& sampling_source, Log& log) {
  Chat(engine, tokenizer, conversation, settings, sampling_source, log).loop();
}

}  // namespace tashika::cli
