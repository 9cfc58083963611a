#include "base/error.h"
#include "base/terminal.h"
#include "checkpoint/generation_defaults.h"
#include "checkpoint/tokenizer_files.h"
#include "cli/common.h"
#include "cli/grammar_settings.h"
#include "cli/verb.h"
#include "decode/generation.h"

namespace tashika::cli {
namespace {

class Generate final : public Command {
 public:
  Generate() {
    generation_.n_predict = 128;
    generation_.sampling.temperature = 0;
  }

  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    tashika::cli::describe(o, ids_);
    o.toggle("--json", json_, "print {\"ids\":[…]}; a list of lists for several --ids");
    o.value("-b, --batch-size, -ub, --ubatch-size", "N", chunk_, "tokens of a prompt that one forward takes").range(1, 1 << 20);
    tashika::describe(o, generation_);
    tashika::cli::describe(o, grammar_);
    tashika::cli::describe(o, compute_);
  }

  int run(Context& context) override {
    const std::string& name = setting_.required();
    if (ids_.sequences.empty()) fail_with(ErrorKind::usage, "--ids is missing");
    if (!generation_.stop.empty()) fail_with(ErrorKind::usage, "--stop: generate knows ids only; use run");
    check(generation_.sampling);
    const std::optional<Grammar> grammar = grammar_.compile();
    const std::unique_ptr<Engine> engine = open_engine(name, compute_, context.log);
    const std::vector<std::int32_t> end = end_tokens(engine->checkpoint);
    std::optional<Tokenizer> tokenizer;
    if (grammar) {
      // A grammar is about text: here alone ids need their tokenizer.
      tokenizer.emplace(load_tokenizer(engine->checkpoint));
      generation_.grammar = grammar_start(*grammar, *tokenizer, engine->model->info().vocab, end);
    }
    std::vector<std::unique_ptr<Sequence>> sequences;
    std::vector<Sequence*> running;
    for (std::size_t i = 0; i < ids_.sequences.size(); ++i) {
      sequences.push_back(std::make_unique<Sequence>(*engine->model, *engine->rt, generation_, end, nullptr, static_cast<std::uint32_t>(i)));
      sequences.back()->prompt(ids_.sequences[i]);
      running.push_back(sequences.back().get());
    }
    Generator generator(*engine->model, *engine->rt, chunk_);
    std::vector<JsonArray> ids(sequences.size());
    while (generator.step(running)) {
      for (std::size_t i = 0; i < sequences.size(); ++i) {
        while (const std::optional<TokenEvent> event = Generator::take(*sequences[i])) ids[i].emplace_back(std::int64_t{event->id});
      }
    }
    log_memory(context.log);
    if (json_) {
      Json out;
      if (ids.size() == 1) {
        out.set("ids", std::move(ids[0]));
      } else {
        JsonArray lists;
        for (JsonArray& list : ids) lists.emplace_back(std::move(list));
        out.set("ids", std::move(lists));
      }
      write_stdout(dump_json(out) + "\n");
    } else {
      for (const JsonArray& list : ids) {
        std::string line;
        for (const Json& id : list) line += cat(line.empty() ? "" : ",", id.as_integer());
        write_stdout(line + "\n");
      }
    }
    for (const std::unique_ptr<Sequence>& s : sequences) {
      check_answer(*s, context.log);
      if (s->finished() == Finish::context) {
        fail_with(ErrorKind::limit, cat("the context of ", s->context(), " is full; use a larger -c or --on-overflow shift"));
      }
    }
    return 0;
  }

 private:
  ModelSetting setting_;
  ComputeSettings compute_;
  IdsSetting ids_;
  GenerationOptions generation_;
  GrammarSettings grammar_;
  std::int64_t chunk_ = 512;
  bool json_ = false;
};

}  // namespace

extern const Verb verb_generate;
const Verb verb_generate{
    "generate", "token ids in, new token ids out",
    "Continues token ids; what tools drive. Needs no tokenizer. Takes the likeliest token at each step unless --temp is\n"
    "given. The token that ends the text is part of the result. Several --ids run as one batch.",
    "  tashika generate MODEL --ids 1,5,9 -n 32 --json\n  tashika generate MODEL --ids 1,5,9 --ids 1,7 -n 8 --temp 0.8 --seed 1 --json\n",
    make_command<Generate>};

}  // namespace tashika::cli
