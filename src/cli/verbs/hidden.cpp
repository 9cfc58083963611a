#include <deque>
#include <optional>

#include "base/error.h"
#include "cli/common.h"
#include "cli/rows_file.h"
#include "cli/verb.h"
#include "decode/evaluate.h"

namespace tashika::cli {
namespace {

class Hidden final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    tashika::cli::describe(o, ids_);
    o.value("-o, --output", "FILE.npy", outputs_, "where the states go, one for each --ids").completes(ValueHint::file);
    o.value("--pooled", "FILE.npy", pooled_, "where the pooled output goes, a row for each --ids, of an encoder that has one").completes(ValueHint::file);
    o.value("--chunk", "N", chunk_, "tokens a forward; 0: 512").range(0, 1 << 20);
    tashika::cli::describe(o, compute_);
  }

  int run(Context& context) override {
    const std::string& name = setting_.required();
    if (ids_.sequences.empty()) fail_with(ErrorKind::usage, "--ids is missing");
    if (outputs_.size() != ids_.sequences.size()) {
      fail_with(ErrorKind::usage, cat(ids_.sequences.size(), " --ids need as many -o, found ", outputs_.size()));
    }
    if (pooled_.size() > 1) fail_with(ErrorKind::usage, "--pooled takes one file, with a row for each --ids");
    const std::unique_ptr<Engine> engine = open_engine(name, compute_, context.log, Take::encoders_too);
    if (engine->encoder) return encode(*engine);
    if (!pooled_.empty()) fail(engine->checkpoint.path, ": ", model_of(engine->checkpoint).name, " has no pooled output; only encoders have one");
    std::deque<RowsFile> files;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      files.emplace_back(outputs_[i], static_cast<std::int64_t>(ids_.sequences[i].size()));
    }
    evaluate_hidden(*engine->model, *engine->rt, ids_.sequences, {.chunk = chunk_},
                    [&](std::size_t i, std::int64_t, std::span<const float> rows, std::int64_t width) { files[i].append(rows, width); });
    for (RowsFile& file : files) file.finish();
    return 0;
  }

 private:
  int encode(Engine& engine) {
    Encoder& encoder = *engine.encoder;
    if (!pooled_.empty() && !encoder.has_pooled()) {
      fail(engine.checkpoint.path, ": this ", model_of(engine.checkpoint).name, " checkpoint has no pooled output");
    }
    const std::vector<std::span<const std::int32_t>> sequences(ids_.sequences.begin(), ids_.sequences.end());
    const Encoder::Output out = encoder.encode(*engine.rt, sequences, !pooled_.empty());
    const std::vector<float> hidden = out.hidden.to_host();
    std::span<const float> rest(hidden);
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const std::size_t count = sequences[i].size() * static_cast<std::size_t>(encoder.info().hidden);
      RowsFile file(outputs_[i], static_cast<std::int64_t>(sequences[i].size()));
      file.append(rest.first(count), encoder.info().hidden);
      file.finish();
      rest = rest.subspan(count);
    }
    if (!pooled_.empty()) {
      RowsFile file(pooled_[0], out.pooled.size(0));
      file.append(out.pooled.to_host(), out.pooled.size(1));
      file.finish();
    }
    return 0;
  }

  ModelSetting setting_;
  ComputeSettings compute_;
  IdsSetting ids_;
  std::vector<std::string> outputs_;
  std::vector<std::string> pooled_;
  std::int64_t chunk_ = 0;
};

}  // namespace

extern const Verb verb_hidden;
const Verb verb_hidden{"hidden", "write the last hidden states to a .npy file",
                       "Runs token ids through a model and writes float32 states [tokens, hidden] as transformers' last_hidden_state\n"
                       "has them: after the final norm where the model has one, before the head. Encoders also write their pooled\n"
                       "output: the pooler_output, or the text_embeds where the checkpoint has a projection.",
                       "  tashika hidden MODEL --ids 1,5,9 -o out.npy\n"
                       "  tashika hidden ENCODER --ids 101,7592,102 -o out.npy --pooled pooled.npy\n", make_command<Hidden>};

}  // namespace tashika::cli
