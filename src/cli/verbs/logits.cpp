#include <deque>

#include "base/error.h"
#include "cli/common.h"
#include "cli/rows_file.h"
#include "cli/verb.h"
#include "decode/evaluate.h"

namespace tashika::cli {
namespace {

class Logits final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    tashika::cli::describe(o, ids_);
    o.value("-o, --output", "FILE.npy", outputs_, "where the logits go, one for each --ids").completes(ValueHint::file);
    o.value("--chunk", "N", chunk_, "tokens a forward; 0: 512").range(0, 1 << 20);
    tashika::cli::describe(o, compute_);
  }

  int run(Context& context) override {
    const std::string& name = setting_.required();
    if (ids_.sequences.empty()) fail_with(ErrorKind::usage, "--ids is missing");
    if (outputs_.size() != ids_.sequences.size()) {
      fail_with(ErrorKind::usage, cat(ids_.sequences.size(), " --ids need as many -o, found ", outputs_.size()));
    }
    const std::unique_ptr<Engine> engine = open_engine(name, compute_, context.log);
    std::deque<RowsFile> files;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      files.emplace_back(outputs_[i], static_cast<std::int64_t>(ids_.sequences[i].size()));
    }
    evaluate_logits(*engine->model, *engine->rt, ids_.sequences, {.chunk = chunk_},
                    [&](std::size_t i, std::int64_t, std::span<const float> rows, std::int64_t width) { files[i].append(rows, width); });
    for (RowsFile& file : files) file.finish();
    return 0;
  }

 private:
  ModelSetting setting_;
  ComputeSettings compute_;
  IdsSetting ids_;
  std::vector<std::string> outputs_;
  std::int64_t chunk_ = 0;
};

}  // namespace

extern const Verb verb_logits;
const Verb verb_logits{
    "logits", "write the logits of every position to a .npy file",
    "Runs token ids through a model and writes float32 logits [tokens, vocabulary], every position. Needs no\n"
    "tokenizer. Several --ids with as many -o run as one batch; the numbers are the same as one by one, and the\n"
    "same for any --chunk and any number of threads.",
    "  tashika logits MODEL --ids 1,5,9 -o out.npy\n  tashika logits MODEL --ids 1,5,9 -o out.npy --compute f32   # the checking mode\n",
    make_command<Logits>};

}  // namespace tashika::cli
