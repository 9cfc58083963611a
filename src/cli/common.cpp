#include "cli/common.h"

#include <chrono>

#include "base/error.h"
#include "base/terminal.h"
#include "base/thread_pool.h"
#include "cli/figures.h"
#include "registry/registry.h"

namespace tashika::cli {

RuntimeOptions ComputeSettings::runtime() const { return {.backend = device, .threads = threads, .compute = compute}; }

void describe(Options& o, ComputeSettings& s) {
  o.group("Computing");
  o.value("-t, --threads", "N", s.threads, "threads; 0: the cores that this process may use").range(0, 4096);
  o.choice("--compute", "MODE", s.compute, {{"auto", ComputeMode::fast}, {"f32", ComputeMode::exact}},
           "auto: the fast path; f32: weights widened, all arithmetic in f32");
  Option& device = o.value("--device, -dev", "NAME", s.device, "cpu: fast kernels; ref: the plain reference");
  device.choices = {"cpu", "ref"};
  device.set = [&s](std::string_view text, std::string_view where) {
    if (text != "cpu" && text != "ref") fail_with(ErrorKind::usage, cat(where, ": \"", text, "\" is none of cpu, ref"));
    s.device = text;
  };
}

void describe(Options& o, ModelSetting& s) {
  Positional& model = o.positional("MODEL", s.model, "folder, .gguf file, org/name[:quant] or built-in name");
  model.optional().completes(ValueHint::model);
  model.skip = [&s] { return s.by_flag; };
  o.group("Model");
  const auto set = [&s](std::string_view text, std::string_view where) {
    s.model = text;
    s.by_flag = where.starts_with("-");
  };
  o.custom("-m, --model", "MODEL", "the model, instead of the argument", set).completes(ValueHint::model);
  o.custom("-hf, --hf-repo", "ORG/NAME", "the model by its hub id, org/name[:quant]", set);
}

const std::string& ModelSetting::required() const {
  if (model.empty()) fail_with(ErrorKind::usage, "MODEL is missing");
  return model;
}

void log_memory(Log& log) {
  if (log.enabled(LogLevel::debug)) log.write(LogLevel::debug, cat("peak resident memory ", human_bytes(peak_resident_bytes())));
}

Engine::~Engine() { on_interrupt(nullptr, nullptr); }

std::unique_ptr<Engine> open_engine(const std::string& model, const ComputeSettings& compute, Log& log) {
  const auto start = std::chrono::steady_clock::now();
  auto engine = std::make_unique<Engine>();
  engine->rt = make_runtime(compute.runtime());
  engine->checkpoint = open_checkpoint(find_checkpoint(model));
  on_interrupt([](void* rt) { static_cast<Runtime*>(rt)->cancel(); }, engine->rt.get());
  engine->model = load_language_model(engine->checkpoint, *engine->rt);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  log.write(LogLevel::debug, cat("loaded ", engine->checkpoint.path, " in ", static_cast<int>(seconds.count() * 1000), " ms, device ",
                                 engine->rt->name(), ", ", engine->rt->pool().threads(), " threads"));
  return engine;
}

void describe(Options& o, IdsSetting& s) {
  o.custom("--ids", "ID,ID,…", "token ids of a sequence; given several times: one batch",
           [&s](std::string_view text, std::string_view where) {
             std::vector<std::int32_t> ids;
             for (const std::int64_t id : parse_id_list(text, where)) ids.push_back(static_cast<std::int32_t>(id));
             s.sequences.push_back(std::move(ids));
           }).repeats = true;
}

}  // namespace tashika::cli
