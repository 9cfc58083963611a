#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/terminal.h"
#include "cli/common.h"
#include "cli/figures.h"
#include "cli/verb.h"
#include "registry/registry.h"
#include "train/accumulation.h"
#include "train/trainer.h"

namespace tashika::cli {
namespace {

std::string duration(double seconds) {
  const auto s = static_cast<std::int64_t>(std::llround(seconds));
  const auto two = [](std::int64_t n) { return cat(n < 10 ? "0" : "", n); };
  return s >= 3600 ? cat(s / 3600, ":", two(s / 60 % 60), ":", two(s % 60)) : cat(s / 60, ":", two(s % 60));
}

class Train final : public Command {
 public:
  void describe(Options& o) override {
    o.positional("RECIPE", recipe_, "the YAML file that says what to train, on what and how").completes(ValueHint::file);
    o.group("Training");
    o.toggle("--resume", resume_, "go on from the newest checkpoint in output.dir; from the start when there is none");
    o.toggle("--plan", plan_, "run one step without changing anything; print memory and the estimated time");
    o.toggle("--verify-accum", verify_, "show, in f32, that the next step's loss and gradients do not depend on its micro-batches");
    o.toggle("--json", json_, "print results of --plan and --verify-accum as JSON");
    tashika::cli::describe(o, compute_);
  }

  int run(Context& context) override {
    Recipe recipe = load_recipe(recipe_);
    if (verify_) recipe.train.dtype = TrainType::f32;  // what is shown is the sum, not the rounding of bf16
    RuntimeOptions options = compute_.runtime();
    if (recipe.train.dtype == TrainType::f32) options.compute = ComputeMode::exact;
    const std::unique_ptr<Runtime> rt = make_runtime(options);
    on_interrupt([](void* r) { static_cast<Runtime*>(r)->cancel(); }, rt.get());
    struct Release {
      ~Release() { on_interrupt(nullptr, nullptr); }
    } release;
    Trainer trainer(recipe, *rt, [&](std::string_view text) { context.log.write(LogLevel::warn, text); });
    if (verify_) return verify(trainer);
    if (plan_) return plan(recipe, trainer, *rt);
    if (resume_ && trainer.resume()) context.log.write(LogLevel::warn, cat("going on after step ", trainer.progress().step));
    const auto begin = std::chrono::steady_clock::now();
    const std::int64_t first = trainer.progress().step;
    trainer.run([&](const StepRecord& r) {
      if (!r.skipped.empty()) context.log.write(LogLevel::warn, cat("step ", r.step, " skipped: ", r.skipped));
      if (r.step % recipe.output.log_every != 0 && r.step != recipe.train.steps) return;
      const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      const double left_s = elapsed / static_cast<double>(r.step - first) * static_cast<double>(recipe.train.steps - r.step);
      std::string line = cat("step ", r.step, "/", recipe.train.steps, "  loss ", fixed(r.loss, 4), "  grad norm ", fixed(r.grad_norm, 3), "  ",
                             fixed(r.tokens_per_s, 0), " tokens/s  ", human_bytes(resident_bytes()), "  left ", duration(left_s));
      if (r.validation_loss >= 0) line += cat("  validation ", fixed(r.validation_loss, 4));
      if (stderr_is_terminal()) write_stderr(cat("\r", line, "\033[K", r.step == recipe.train.steps ? "\n" : ""));
      else context.log.write(LogLevel::info, line);
    });
    return 0;
  }

 private:
  int verify(Trainer& trainer) const {
    const AccumulationReport report = verify_accumulation(trainer);
    if (json_) {
      Json out;
      out.set("rows", report.rows);
      out.set("targets", report.targets);
      out.set("loss", report.loss);
      out.set("grad_norm", report.grad_norm);
      JsonArray splits;
      for (const SplitResult& s : report.splits) {
        Json row;
        row.set("split", s.split);
        row.set("loss", s.loss);
        row.set("loss_difference", s.loss_difference);
        row.set("gradient_difference", s.gradient_difference);
        splits.push_back(std::move(row));
      }
      out.set("splits", std::move(splits));
      out.set("holds", report.holds);
      write_stdout(dump_json(out) + "\n");
    } else {
      std::string text = cat(report.rows, " rows, ", report.targets, " targets; as one micro-batch: loss ", report.loss, ", gradient norm ", report.grad_norm, "\n\n",
                             "| micro-batches                        |         loss | |loss − whole| | gradients, relative |\n",
                             "| ------------------------------------ | -----------: | -------------: | ------------------: |\n");
      for (const SplitResult& s : report.splits) {
        text += cat("| ", left(s.split, 36), " | ", right(fixed(s.loss, 8), 12), " | ", right(short_number(s.loss_difference), 14), " | ",
                    right(short_number(s.gradient_difference), 19), " |\n");
      }
      write_stdout(text + (report.holds ? "\nThe same whatever the split: losses within 1e-6, gradients within 1e-5.\n"
                                        : "\nNot within bounds: losses 1e-6, gradients 1e-5.\n"));
    }
    return report.holds ? 0 : 1;
  }
  static std::string short_number(double value) {
    if (value == 0) return "0";
    const double power = std::pow(10.0, std::floor(std::log10(value)));
    return cat(std::round(value / power * 10) / 10 * power);
  }

  int plan(const Recipe& recipe, Trainer& trainer, Runtime& rt) const {
    const std::vector<MicroBatch> batches = trainer.next_batches();
    rt.reset_peak();
    const auto begin = std::chrono::steady_clock::now();
    trainer.gradients(batches);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::int64_t tokens = 0;
    for (const MicroBatch& batch : batches) tokens += batch.tokens();
    const std::int64_t trained = trainer.trained_elements(), state = trained * (recipe.train.ema > 0 ? 16 : 12);
    const double total = seconds * static_cast<double>(recipe.train.steps);
    if (json_) {
      Json out;
      out.set("parameters", trainer.all_elements());
      out.set("trained", trained);
      out.set("optimiser_bytes", state);
      out.set("peak_bytes", rt.memory().peak);
      out.set("usable_bytes", usable_memory_bytes());
      out.set("tokens_per_step", tokens);
      out.set("seconds_per_step", seconds);
      out.set("seconds", total);
      write_stdout(dump_json(out) + "\n");
      return 0;
    }
    write_stdout(cat("parameters          ", human_count(trainer.all_elements()), ", trained ", human_count(trained), "\n",
                     "masters and moments ", human_bytes(state), "\n",
                     "peak of tensors     ", human_bytes(rt.memory().peak), " of ", human_bytes(usable_memory_bytes()), " usable\n",
                     "a step              ", batches.size(), " micro-batches, ", tokens, " tokens, ", fixed(seconds, 2), " s (the first one, measured)\n",
                     recipe.train.steps, " steps take about ", duration(total), "\n"));
    return 0;
  }

  std::string recipe_;
  bool resume_ = false, plan_ = false, verify_ = false, json_ = false;
  ComputeSettings compute_;
};

}  // namespace

extern const Verb verb_train;
const Verb verb_train{"train", "train a model as a recipe says",
                      "Trains a language model from a checkpoint or from scratch, whole or by low-rank adapters, and writes a Hugging\n"
                      "Face folder to output.dir: config.json, model.safetensors (or PEFT's adapter files), metrics.jsonl with a line a\n"
                      "step, report.html and TensorBoard's event files. The recipe's keys are in docs/training.md.",
                      "  tashika train recipe.yaml\n  tashika train recipe.yaml --resume\n  tashika train recipe.yaml --plan\n"
                      "  tashika train recipe.yaml --verify-accum\n",
                      make_command<Train>};

}  // namespace tashika::cli
