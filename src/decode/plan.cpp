#include "decode/plan.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/terminal.h"
#include "nn/linear.h"

namespace tashika {
namespace {

// Pages come from the page cache in groups around the one that is touched.
constexpr std::int64_t fault_around = 64 << 10;

// Kernels' code, threads' stacks and tables that only computing brings in; measured, and the same for any model.
constexpr std::int64_t computing_bytes = 3 << 19;

// Bytes of the weights that `tokens` rows of an embedding leave untouched.
class Untouched final : public Visitor {
 public:
  explicit Untouched(std::int64_t tokens) : tokens_(tokens) {}
  void param(const std::string& name, Param& p) override {
    if (name.ends_with("lm_head.weight") && p.value.defined()) head_ = true;
  }
  void enter(const std::string&, Module& module) override {
    const auto* table = dynamic_cast<const Embedding*>(&module);
    if (table == nullptr || !table->weight.value.defined()) return;
    const std::int64_t size = table->weight.value.nbytes();
    bytes_ += size - std::min(size, tokens_ * fault_around);
  }
  // An embedding that is the head too is read whole.
  std::int64_t bytes() const { return head_ ? bytes_ : 0; }

 private:
  std::int64_t tokens_;
  std::int64_t bytes_ = 0;
  bool head_ = false;
};

}  // namespace

MemoryPlan plan_memory(const Checkpoint& checkpoint, const PlanOptions& options) {
  MemoryPlan plan;
  plan.program = resident_bytes() + computing_bytes;
  RuntimeOptions meta = options.runtime;
  meta.backend = "meta";
  Runtime rt("meta", nullptr, meta);
  const std::unique_ptr<LanguageModel> model = load_language_model(checkpoint, rt);
  const std::int64_t context = options.context > 0 ? options.context : model->info().context;
  if (context <= 0) fail_with(ErrorKind::usage, "this model states no context; give one with -c");

  for (const WeightInfo& info : checkpoint.weights->list()) plan.weights += info.dtype->block > 0 ? info.shape.numel() / info.dtype->block * info.dtype->bytes : 0;
  const std::int64_t loaded = rt.memory().live;
  plan.copies = std::max<std::int64_t>(0, loaded - plan.weights);
  Untouched untouched(context * options.batch);
  model->parts(untouched);
  plan.weights -= untouched.bytes();

  rt.reset_peak();
  const MemoryUse before = rt.memory();
  std::vector<std::unique_ptr<SequenceState>> states;
  for (std::int64_t i = 0; i < options.batch; ++i) states.push_back(model->new_state(rt));
  const std::vector<std::int32_t> tokens(static_cast<std::size_t>(std::min(context, options.chunk)), 0);
  for (std::int64_t at = 0; at < context; at += options.chunk) {
    const std::int64_t n = std::min(options.chunk, context - at);
    std::vector<Slice> slices;
    for (const auto& state : states) {
      slices.push_back({state.get(), std::span(tokens).first(static_cast<std::size_t>(n)), at + n == context ? 1 : 0});
    }
    if (at + n == context) {
      model->forward(rt, slices);
    } else {
      model->hidden(rt, slices);
    }
  }
  plan.cache = rt.memory().live - before.live;
  // The arena rounds sizes up, by a sixteenth on average.
  plan.work = (rt.memory().peak - before.live - plan.cache) / 16 * 17;
  return plan;
}

}  // namespace tashika
