#include "base/error.h"
#include "base/file.h"
#include "base/terminal.h"
#include "checkpoint/template_files.h"
#include "checkpoint/tokenizer_files.h"
#include "cli/common.h"
#include "cli/token_view.h"
#include "cli/verb.h"
#include "decode/chat.h"

namespace tashika::cli {
namespace {

constexpr std::uint64_t max_file = 256 << 20;

class Render final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    o.group("");
    o.value("--messages", "FILE.json", messages_, "the messages, a JSON array; - is standard input").completes(ValueHint::file);
    o.value("--tools", "FILE.json", tools_, "tools, a JSON array").completes(ValueHint::file);
    o.toggle("--generation-prompt", generation_prompt_, "do not end with what opens the answer");
    o.custom("--set", "NAME=JSON", "set a variable of the template, any of them; may be given several times",
             [this](std::string_view text, std::string_view where) { set_variable(text, where); }).repeats = true;
    o.value("--template", "FILE.jinja", template_, "this template instead of the model's").completes(ValueHint::file);
    o.toggle("--explain", explain_, "show the tokens in colours, and their ids");
  }

  int run(Context&) override {
    const std::string& name = setting_.required();
    if (messages_.empty()) fail_with(ErrorKind::usage, "--messages is missing");
    const Checkpoint checkpoint = open_checkpoint(find_checkpoint(name));
    const Json messages = messages_ == "-" ? parse_json(read_stdin(max_file), "standard input") : parse_json(read_file(messages_, max_file), messages_);
    if (!messages.is_array()) fail(messages_, ": expected a JSON array of messages, found ", json_type_name(messages.type()));
    PromptFormat format;
    format.special_tokens = special_tokens(checkpoint);
    format.variables = variables_;
    if (!tools_.empty()) {
      format.tools = parse_json(read_file(tools_, max_file), tools_);
      if (!format.tools.is_array() && !format.tools.is_null()) fail(tools_, ": expected a JSON array of tools, found ", json_type_name(format.tools.type()));
    }
    const Json* set_tools = variables_.find("tools");  // --set wins over --tools
    const bool has_tools = set_tools ? !set_tools->is_null() : !format.tools.is_null();
    if (template_.empty()) {
      const std::vector<TemplateSource> sources = chat_templates(checkpoint);
      const TemplateSource& chosen = choose_template(sources, has_tools, checkpoint.path);
      format.chat.emplace(chosen.source, chosen.origin);
    } else {
      format.chat.emplace(read_file(template_, max_file), template_);
    }
    const std::string text = format.render(messages, generation_prompt_);
    if (explain_) {
      const Tokenizer tokenizer = load_tokenizer(checkpoint);
      write_stdout(explain_tokens(tokenizer, tokenizer.encode_prompt(text), colour_on(stdout_is_terminal())));
      return 0;
    }
    write_stdout(text);
    if (stdout_is_terminal() && !text.ends_with('\n')) write_stdout("\n");
    return 0;
  }

 private:
  void set_variable(std::string_view text, std::string_view where) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) fail_with(ErrorKind::usage, cat(where, ": expected NAME=JSON, found \"", text, "\""));
    try {
      variables_[text.substr(0, equals)] = parse_json(text.substr(equals + 1), text.substr(0, equals));
    } catch (const Error& error) {
      fail_with(ErrorKind::usage, cat(where, " ", error.message(), " (a text needs quotes: NAME='\"text\"')"));
    }
  }

  ModelSetting setting_;
  std::string messages_, tools_, template_;
  JsonObject variables_;
  bool generation_prompt_ = true, explain_ = false;
};

}  // namespace

extern const Verb verb_render;
const Verb verb_render{"render", "the prompt text that the chat template gives",
                       "Prints exactly what the model's chat template makes of messages, nothing else. A template that raises an error\n"
                       "fails with its message; there is no fallback.",
                       "  tashika render MODEL --messages chat.json\n  tashika render MODEL --messages chat.json --tools tools.json --set enable_thinking=false\n"
                       "  tashika render MODEL --messages chat.json --explain\n",
                       make_command<Render>};

}  // namespace tashika::cli
