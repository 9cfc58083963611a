#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/terminal.h"
#include "base/thread_pool.h"
#include "checkpoint/inventory.h"
#include "cli/common.h"
#include "cli/figures.h"
#include "cli/verb.h"
#include "decode/bench.h"
#include "registry/registry.h"

namespace tashika::cli {
namespace {

class Bench final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    o.group("Tests");
    o.value("-p, --n-prompt", "N", bench_.prompt, "tokens of prompt to read; several by commas; 0: skip").range(0, 1 << 24);
    o.value("-n, --n-gen", "N", bench_.generate, "tokens to generate; several by commas; 0: skip").range(0, 1 << 24);
    o.value("-d, --n-depth", "N", bench_.depth, "positions that the context holds before the test; several by commas").range(0, 1 << 24);
    o.value("--batch", "N", bench_.batch, "sequences at once; several by commas; tokens/s are of all").range(1, 1024);
    o.value("-r, --repetitions", "N", bench_.repeats, "times that each test is repeated").range(1, 1000);
    o.value("-b, --batch-size, -ub, --ubatch-size", "N", bench_.chunk, "tokens of a prompt that one forward takes").range(1, 1 << 20);
    o.toggle("--profile", profile_, "tell after the tests where the time went, by kernel");
    o.toggle("--json", json_, "print {\"threads\":T,\"results\":[…]}");
    tashika::cli::describe(o, compute_);
  }

  int run(Context& context) override {
    const std::unique_ptr<Engine> engine = open_engine(setting_.required(), compute_, context.log);
    std::optional<Profiling> profiling;
    if (profile_) profiling.emplace(*engine->rt);
    const int threads = engine->rt->pool().threads();
    const std::int64_t params = count_parameters(*engine->model), bytes = weight_bytes(engine->checkpoint);
    JsonArray results;
    const std::string name(model_of(engine->checkpoint).name);
    if (!json_) write_stdout(cat(head, "\n", rule, "\n"));
    run_bench(*engine->model, *engine->rt, bench_, [&](const BenchResult& r) {
      if (!json_) {
        write_stdout(cat("| ", left(cat(name, " ", main_type(engine->checkpoint)), 30), " | ", right(human_bytes(bytes), 10), " | ",
                         right(human_count(params), 10), " | ", left(engine->rt->name(), 10), " | ", right(cat(threads), 7), " | ",
                         right(r.test, 15), " | ", right(cat(fixed(r.tokens_per_s, 2), " ± ", fixed(r.sd, 2)), 20), " |\n"));
      }
      Json row;
      row.set("test", r.test);
      row.set("tokens", r.tokens);
      row.set("tokens_per_s", r.tokens_per_s);
      row.set("sd", r.sd);
      results.push_back(std::move(row));
    });
    const std::vector<KernelTime> kernels = profiling ? profiling->rows() : std::vector<KernelTime>();
    if (json_) {
      Json out;
      out.set("model", name);
      out.set("type", main_type(engine->checkpoint));
      out.set("params", params);
      out.set("bytes", bytes);
      out.set("device", engine->rt->name());
      out.set("isa", instruction_set(*engine->rt));
      out.set("threads", threads);
      out.set("repetitions", bench_.repeats);
      out.set("results", std::move(results));
      if (profile_) out.set("profile", profile_json(kernels));
      write_stdout(dump_json(out) + "\n");
    } else if (profile_) {
      write_stdout(profile_table(kernels));
    }
    return 0;
  }

 private:
  static constexpr std::string_view head =
      "| model                          |       size |     params | backend    | threads |            test |                  t/s |";
  static constexpr std::string_view rule =
      "| ------------------------------ | ---------: | ---------: | ---------- | ------: | --------------: | -------------------: |";

  static std::string profile_table(const std::vector<KernelTime>& kernels) {
    double total = 0;
    for (const KernelTime& r : kernels) total += r.seconds;
    std::string out = "\n| kernel                           |    calls |       ms |     % |   GB/s |  GFLOP/s |\n"
                      "| -------------------------------- | -------: | -------: | ----: | -----: | -------: |\n";
    for (const KernelTime& r : kernels) {
      const double s = std::max(r.seconds, 1e-12);
      out += cat("| ", left(r.name, 32), " | ", right(cat(r.calls), 8), " | ", right(fixed(r.seconds * 1e3, 1), 8), " | ",
                 right(fixed(100 * r.seconds / std::max(total, 1e-12), 1), 5), " | ", right(fixed(static_cast<double>(r.bytes) / s * 1e-9, 1), 6),
                 " | ", right(r.flops > 0 ? fixed(r.flops / s * 1e-9, 1) : "", 8), " |\n");
    }
    return out;
  }

  static Json profile_json(const std::vector<KernelTime>& kernels) {
    JsonArray rows;
    for (const KernelTime& r : kernels) {
      Json row;
      row.set("kernel", r.name);
      row.set("calls", r.calls);
      row.set("seconds", r.seconds);
      row.set("bytes", r.bytes);
      row.set("flops", r.flops);
      rows.push_back(std::move(row));
    }
    return rows;
  }

  ModelSetting setting_;
  ComputeSettings compute_;
  BenchOptions bench_;
  bool profile_ = false, json_ = false;
};

}  // namespace

extern const Verb verb_bench;
const Verb verb_bench{"bench", "tokens per second, measured",
                      "Measures reading a prompt (pp) and generating (tg), each test once to warm up and then repeated; ± is the\n"
                      "standard deviation over the repeats. tg128@d8192 generates behind 8192 positions, tg128@b4 four sequences at once.",
                      "  tashika bench MODEL -p 512 -n 128 -t 8\n  tashika bench MODEL -p 0 -n 64 -d 0,8192 --batch 1,4\n  tashika bench MODEL --profile\n",
                      make_command<Bench>};

}  // namespace tashika::cli
