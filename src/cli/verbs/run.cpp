#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/terminal.h"
#include "checkpoint/generation_defaults.h"
#include "checkpoint/template_files.h"
#include "checkpoint/tokenizer_files.h"
#include "cli/answer.h"
#include "cli/chat.h"
#include "cli/common.h"
#include "cli/grammar_settings.h"
#include "cli/verb.h"
#include "decode/infill.h"

namespace tashika::cli {
namespace {

constexpr std::uint64_t max_prompt = 256 << 20;

class Run final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    o.positional("PROMPT", argument_, "what to answer; without it (and without piped input) an interactive chat");
    o.positional("SUFFIX", suffix_, "with --fim: what stands behind the wanted text");
    o.group("Prompt");
    o.value("-p, --prompt", "TEXT", prompt_, "the prompt, whatever it looks like");
    o.value("-f, --file", "FILE", file_, "the prompt from a file").completes(ValueHint::file);
    o.toggle("--raw", raw_, "complete the text as it is, without the chat template");
    o.toggle("--fim", fim_, "fill in the middle: MODEL --fim PREFIX SUFFIX gives what belongs between them");
    o.value("--fim-order", "psm|spm", fim_order_, "prefix or suffix first, as the model was trained");
    o.value("--template, --chat-template-file", "FILE.jinja", template_, "this chat template instead of the model's").completes(ValueHint::file);
    o.value("-b, --batch-size, -ub, --ubatch-size", "N", chunk_, "tokens of a prompt that one forward takes").range(1, 1 << 20);
    tashika::cli::describe(o, grammar_);
    tashika::cli::describe(o, chat_);
    tashika::cli::describe(o, compute_);
  }

  int run(Context& context) override {
    if (fim_) return infill(context);
    if (suffix_) fail_with(ErrorKind::usage, cat("unexpected argument \"", *suffix_, "\": only --fim takes a PREFIX and a SUFFIX"));
    tell_model_from_prompt();
    const std::optional<std::string> prompt = whole_prompt();
    if (!prompt && !stdin_is_terminal()) fail_with(ErrorKind::usage, "nothing to answer: standard input is empty; give a PROMPT or -p");
    check(chat_.generation.sampling);
    const std::optional<Grammar> grammar = grammar_.compile();
    const std::unique_ptr<Engine> engine = open_engine(setting_.model.empty() ? std::string(default_model) : setting_.model, compute_, context.log);
    const Tokenizer tokenizer = load_tokenizer(engine->checkpoint);
    const PromptFormat format = prompt_format(engine->checkpoint, prompt.has_value(), context.log);
    const std::string source = apply_defaults(engine->checkpoint, context);
    std::vector<std::int32_t> ends = end_tokens(engine->checkpoint);
    if (const std::optional<TokenId> eos = tokenizer.eos(); eos && !std::ranges::binary_search(ends, *eos)) ends.insert(std::ranges::upper_bound(ends, *eos), *eos);
    const std::int64_t limit = engine->model->info().context;
    if (limit > 0 && chat_.generation.context > limit) {
      context.log.write(LogLevel::warn, cat("-c ", chat_.generation.context, " is more than the ", limit, " positions that this model was made for"));
    }
    if (grammar) chat_.generation.grammar = grammar_start(*grammar, tokenizer, engine->model->info().vocab, ends);
    Conversation conversation(*engine->model, *engine->rt, tokenizer, format, ends, chat_.generation, chunk_);
    conversation.set_system(chat_.system);
    if (!prompt) {
      chat(*engine, tokenizer, conversation, chat_, source, context.log);
      return 0;
    }
    conversation.ask(*prompt);
    context.log.write(LogLevel::debug, cat("seed ", conversation.sequence().seed()));
    stream_answer(conversation, context.log);
    log_memory(context.log);
    if (stdout_is_terminal()) write_stdout("\n");
    check_answer(conversation.sequence(), context.log);
    if (chat_.stats) write_stderr(cat(stats_line(conversation.stats()), "\n"));
    if (const std::string note = overflow_note(conversation); !note.empty()) fail_with(ErrorKind::limit, note);
    return 0;
  }

 private:
  // A single positional with white space is a prompt for the built-in model.
  void tell_model_from_prompt() {
    const bool spaced = setting_.model.find_first_of(" \t\n\r") != std::string::npos;
    if (setting_.by_flag || !spaced || argument_ || file_type(setting_.model) != FileType::none) return;
    argument_ = setting_.model;
    setting_.model.clear();
  }

  int infill(Context& context) {
    if (setting_.model.empty() || !argument_ || !suffix_ || prompt_ || file_) {
      fail_with(ErrorKind::usage, "--fim takes a MODEL, a PREFIX and a SUFFIX: tashika run MODEL --fim PREFIX SUFFIX");
    }
    if (fim_order_ != "psm" && fim_order_ != "spm") fail_with(ErrorKind::usage, cat("--fim-order: \"", fim_order_, "\" is neither psm nor spm"));
    check(chat_.generation.sampling);
    const std::optional<Grammar> grammar = grammar_.compile();
    const std::unique_ptr<Engine> engine = open_engine(setting_.model, compute_, context.log);
    const Tokenizer tokenizer = load_tokenizer(engine->checkpoint);
    const Infill marks = need_infill(tokenizer, engine->checkpoint.meta.values);
    apply_defaults(engine->checkpoint, context);
    std::vector<std::int32_t> ends = end_tokens(engine->checkpoint);
    ends.insert(ends.end(), marks.ends.begin(), marks.ends.end());
    if (const std::optional<TokenId> eos = tokenizer.eos()) ends.push_back(*eos);
    std::ranges::sort(ends);
    ends.erase(std::ranges::unique(ends).begin(), ends.end());
    if (grammar) chat_.generation.grammar = grammar_start(*grammar, tokenizer, engine->model->info().vocab, ends);
    Sequence sequence(*engine->model, *engine->rt, chat_.generation, ends, &tokenizer);
    sequence.prompt(infill_prompt(tokenizer, marks, *argument_, *suffix_, fim_order_ == "spm" ? InfillOrder::spm : InfillOrder::psm));
    Generator generator(*engine->model, *engine->rt, chunk_);
    while (const std::optional<TokenEvent> event = generator.next(sequence)) {
      if (!event->text.empty()) write_stdout(event->text);
    }
    log_memory(context.log);
    if (stdout_is_terminal()) write_stdout("\n");
    check_answer(sequence, context.log);
    if (sequence.finished() == Finish::context) fail_with(ErrorKind::limit, cat("the context of ", sequence.context(), " positions is full; use a larger -c"));
    return 0;
  }

  // -p, the argument, the file and piped input, in this order, those that there are.
  std::optional<std::string> whole_prompt() const {
    if (prompt_ && argument_) fail_with(ErrorKind::usage, "give the prompt once: as the argument or by -p");
    std::optional<std::string> out = prompt_ ? prompt_ : argument_;
    const auto append = [&](std::string text) {
      if (!out) {
        out = std::move(text);
        return;
      }
      const bool gap = !out->empty() && out->back() != '\n' && out->back() != ' ';
      *out += cat(gap ? "\n" : "", text);
    };
    if (file_) append(read_file(*file_, max_prompt));
    if (!stdin_is_terminal()) {
      std::string piped = read_stdin(max_prompt);
      if (!piped.empty()) append(std::move(piped));
    }
    return out;
  }

  PromptFormat prompt_format(const Checkpoint& checkpoint, bool one_answer, Log& log) const {
    PromptFormat format;
    if (raw_) return format;
    format.special_tokens = special_tokens(checkpoint);
    if (template_) {
      format.chat.emplace(read_file(*template_, max_prompt), *template_);
      return format;
    }
    const std::vector<TemplateSource> sources = chat_templates(checkpoint);
    if (sources.empty() && one_answer) {
      // Said aloud: completing is what a base model does, but no silent stand-in for a chat.
      log.write(LogLevel::warn, "this model has no chat template: the text is completed as it is (--raw says so)");
      return format;
    }
    const TemplateSource& chosen = choose_template(sources, false, checkpoint.path);
    format.chat.emplace(chosen.source, chosen.origin);
    return format;
  }

  // The sampling that the model's makers recommend, where the user says nothing. Returns its source.
  static std::string apply_defaults(const Checkpoint& checkpoint, Context& context) {
    const SamplingDefaults defaults = sampling_defaults(checkpoint);
    if (!defaults.values.is_object()) return {};
    std::string told;
    for (const auto& [name, value] : defaults.values.as_object().entries()) {
      Option* option = context.options.find_name(name);
      if (option == nullptr || option->given) continue;
      try {
        option->set_json(value, name);
      } catch (const Error& error) {
        fail(defaults.source, ": ", error.message());
      }
      told += cat(told.empty() ? "" : ", ", name, " ", dump_json(value));
    }
    context.log.write(LogLevel::info, told.empty() ? cat("sampling as given, not as in ", defaults.source) : cat("sampling: ", told, " from ", defaults.source));
    return told.empty() ? "" : defaults.source;
  }

  ModelSetting setting_;
  ComputeSettings compute_;
  ChatSettings chat_;
  GrammarSettings grammar_;
  std::optional<std::string> argument_, suffix_, prompt_, file_, template_;
  std::string fim_order_ = "psm";
  std::int64_t chunk_ = 512;
  bool raw_ = false, fim_ = false;
};

}  // namespace

extern const Verb verb_run;
const Verb verb_run{
    "run", "answer a prompt, or chat in the terminal",
    "Answers a prompt, streaming; piped input is appended to it. Without a prompt it is an interactive chat. A single\n"
    "argument without white space is a MODEL, one with white space a prompt for the built-in model. The model's chat\n"
    "template is used; --raw completes plain text. Sampling follows the model's generation_config.json or GGUF metadata\n"
    "unless options say otherwise.",
    "  tashika run \"Why is the sky blue?\"             the built-in model\n"
    "  tashika run MODEL \"Why is the sky blue?\"       one answer\n"
    "  tashika run MODEL                              chat; /help lists its commands\n"
    "  git diff | tashika run MODEL -p \"Review this:\"  piped input behind the prompt\n"
    "  tashika run MODEL --fim 'def f(' '): pass'     what belongs between the two (code models)\n"
    "  tashika run MODEL --raw -p \"Once upon a time\" -n 64 --temp 0\n",
    make_command<Run>};

}  // namespace tashika::cli
