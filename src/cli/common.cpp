#include "cli/common.h"

#include <chrono>

#include "base/error.h"
#include "base/file.h"
#include "base/page_cache.h"
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

namespace {

std::vector<std::string> weight_files(const Checkpoint& c) {
  if (c.is_gguf()) return {c.path};
  std::vector<std::string> out;
  for (const std::string& name : list_directory(c.path)) {
    if (name.ends_with(".safetensors")) out.push_back(join_path(c.path, name));
  }
  return out;
}

// Weights are read from the mapped file where they lie. When much of a large file is still on the
// disk the first token would wait for it without a word: someone at a terminal is shown.
void read_ahead(const Checkpoint& c, Runtime& rt) {
  constexpr std::uint64_t worth_telling = 256 << 20;
  if (!stderr_is_terminal()) return;
  std::uint64_t absent = 0, total = 0;
  const std::vector<std::string> files = weight_files(c);
  for (const std::string& file : files) {
    absent += uncached_bytes(file);
    total += file_size(file);
  }
  if (absent < worth_telling || total > static_cast<std::uint64_t>(usable_memory_bytes()) / 10 * 8) return;
  std::uint64_t before = 0;
  for (const std::string& file : files) {
    read_through(file, [&](std::uint64_t done) {
      write_stderr(cat("\rreading ", human_bytes(static_cast<std::int64_t>(total)), " from the disk: ", 100 * (before + done) / total, " %\033[K"));
      rt.throw_if_cancelled();
    });
    before += file_size(file);
  }
  write_stderr("\r\033[K");
}

}  // namespace

std::unique_ptr<Engine> open_engine(const std::string& model, const ComputeSettings& compute, Log& log, Take take) {
  const auto start = std::chrono::steady_clock::now();
  auto engine = std::make_unique<Engine>();
  engine->rt = make_runtime(compute.runtime());
  engine->rt->log = &log;
  engine->checkpoint = open_checkpoint(find_checkpoint(model));
  on_interrupt([](void* rt) { static_cast<Runtime*>(rt)->cancel(); }, engine->rt.get());
  if (take == Take::encoders_too && model_of(engine->checkpoint).role == Role::encoder) {
    engine->encoder = load_encoder(engine->checkpoint, *engine->rt);
  } else {
    engine->model = load_language_model(engine->checkpoint, *engine->rt);
  }
  read_ahead(engine->checkpoint, *engine->rt);
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
