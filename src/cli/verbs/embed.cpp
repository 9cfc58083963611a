#include "base/error.h"
#include "cli/common.h"
#include "cli/verb.h"

namespace tashika::cli {
namespace {

class Embed final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    o.positional("TEXT", texts_, "the texts").optional();
    o.toggle("--json", json_, "print {\"embeddings\":[[…],…]}");
    tashika::cli::describe(o, compute_);
  }

  int run(Context&) override {
    const std::string& name = setting_.required();
    if (texts_.empty()) fail_with(ErrorKind::usage, "TEXT is missing");
    const Checkpoint checkpoint = open_checkpoint(find_checkpoint(name));
    const ModelDef& def = model_of(checkpoint);
    fail(checkpoint.path, ": ", def.name, " is a language model, no encoder: it gives no embeddings of texts; `tashika hidden` writes its hidden states");
  }

 private:
  ModelSetting setting_;
  ComputeSettings compute_;
  std::vector<std::string> texts_;
  bool json_ = false;
};

}  // namespace

extern const Verb verb_embed;
const Verb verb_embed{"embed", "embeddings of texts, pooled and normalised", "For encoder models. Language models have no such embeddings and say so.",
                      "  tashika embed MODEL \"first text\" \"second text\" --json\n", make_command<Embed>};

}  // namespace tashika::cli
