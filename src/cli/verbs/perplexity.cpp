#include <cmath>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/terminal.h"
#include "checkpoint/tokenizer_files.h"
#include "cli/common.h"
#include "cli/figures.h"
#include "cli/progress_line.h"
#include "cli/verb.h"
#include "compress/quality.h"
#include "compress/text_chunks.h"

namespace tashika::cli {
namespace {

class Perplexity final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    o.positional("FILE", file_, "the text").completes(ValueHint::file);
    o.value("-f, --file", "FILE", file_, "the text, if not the second argument").completes(ValueHint::file);
    o.value("-c, --ctx-size", "N", context_, "tokens of a chunk; the second half of each counts").range(4, 1 << 20);
    o.value("--chunks", "N", chunks_, "chunks of the text; 0: all of it").range(0, 1 << 30);
    o.value("--kl-divergence", "BASE", base_, "measure what MODEL lost against this model (the unquantised one)").completes(ValueHint::model);
    o.toggle("--json", json_, "print one JSON object");
    tashika::cli::describe(o, compute_);
  }

  int run(Context& context) override {
    const std::string& name = setting_.required();
    if (!file_) fail_with(ErrorKind::usage, "perplexity takes MODEL and FILE");
    const std::string text = read_file(*file_, std::uint64_t{1} << 30);
    const auto engine = open_engine(name, compute_, context.log);
    const auto chunks = text_chunks(load_tokenizer(engine->checkpoint), text, context_, chunks_, *file_);
    std::unique_ptr<LanguageModel> base_model;
    std::unique_ptr<BaseDistributions> base;
    if (base_) {
      base_model = load_language_model(open_checkpoint(find_checkpoint(*base_)), *engine->rt);
      base = running_base(*base_model, *engine->rt, chunks);
    }
    Quality quality;
    {
      ProgressLine line;
      quality = measure_quality(*engine->model, *engine->rt, chunks, base.get(),
                                [&](std::int64_t chunk, std::int64_t all) { line.show(chunk, all, cat("chunk ", chunk + 1, " of ", all)); });
    }
    write_stdout(json_ ? dump_json(to_json(quality)) + "\n" : for_people(quality));
    return 0;
  }

 private:
  static Json to_json(const Quality& q) {
    Json out;
    out.set("perplexity", q.perplexity());
    out.set("perplexity_error", q.perplexity_error());
    out.set("nll", q.nll.mean);
    out.set("chunks", q.chunks);
    out.set("context", q.context);
    out.set("positions", q.positions);
    if (q.against) out.set("against", divergence_json(*q.against));
    return out;
  }

  static Json divergence_json(const Divergence& d) {
    Json out;
    const auto set = [&out](const std::string& key, const Estimate& e) {
      out.set(key, e.mean);
      out.set(key + "_error", e.error);
    };
    set("base_nll", d.base_nll);
    set("nll_difference", d.nll_difference);
    set("kld", d.kld);
    Json percentiles;
    for (const auto& [label, percent] : percentile_list) percentiles.set(label, double{d.kld_percentile(percent)});
    out.set("kld_percentiles", std::move(percentiles));
    set("same_top", d.same_top);
    set("p_change", d.p_change);
    out.set("p_change_rms", d.p_change_rms);
    return out;
  }

  static std::string for_people(const Quality& q) {
    std::string out;
    const auto line = [&out](std::string_view name, std::string_view value) { out += cat(left(name, 26), value, "\n"); };
    const auto estimate = [](const Estimate& e, int digits, double scale = 1.0) { return cat(fixed(e.mean * scale, digits), " ± ", fixed(e.error * scale, digits)); };
    line("perplexity", cat(fixed(q.perplexity(), 4), " ± ", fixed(q.perplexity_error(), 4), "  (", q.positions, " tokens of ", q.chunks, " chunks of ", q.context, ")"));
    if (!q.against) return out;
    const Divergence& d = *q.against;
    line("perplexity of the base", fixed(std::exp(d.base_nll.mean), 4));
    line("ln of their ratio", estimate(d.nll_difference, 6));
    line("mean KL divergence", estimate(d.kld, 6));
    for (const auto& [label, percent] : percentile_list) line(cat("  ", label), fixed(d.kld_percentile(percent), 6));
    line("same likeliest token", cat(estimate(d.same_top, 3, 100.0), " %"));
    line("change of the true token", cat(estimate(d.p_change, 3, 100.0), " %, RMS ", fixed(d.p_change_rms * 100.0, 3), " %"));
    return out;
  }

  static constexpr std::pair<std::string_view, double> percentile_list[] = {{"maximum", 100.0}, {"99.9 %", 99.9}, {"99 %", 99.0}, {"95 %", 95.0},
                                                                            {"90 %", 90.0},     {"median", 50.0}, {"10 %", 10.0}, {"5 %", 5.0},
                                                                            {"1 %", 1.0},       {"minimum", 0.0}};

  ModelSetting setting_;
  std::optional<std::string> file_, base_;
  std::int64_t context_ = 512, chunks_ = 0;
  ComputeSettings compute_;
  bool json_ = false;
};

}  // namespace

extern const Verb verb_perplexity;
const Verb verb_perplexity{
    "perplexity", "how well a model predicts a text, and what it lost against another",
    "Cuts the text into chunks and measures how likely the model finds their second halves, as llama.cpp's tool does.\n"
    "With --kl-divergence it is also compared with BASE, position by position: the divergence of their distributions,\n"
    "how often the likeliest token stays the same, and how the true token's probability changes.",
    "  tashika perplexity model-q4.gguf text.txt\n"
    "  tashika perplexity model-q4.gguf text.txt --kl-divergence model-f16.gguf\n",
    make_command<Perplexity>};

}  // namespace tashika::cli
