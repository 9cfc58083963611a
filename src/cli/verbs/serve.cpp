#include "base/error.h"
#include "base/terminal.h"
#include "checkpoint/checkpoint.h"
#include "cli/common.h"
#include "cli/figures.h"
#include "cli/verb.h"
#include "registry/registry.h"
#include "serve/server.h"

namespace tashika::cli {
namespace {

// "8G", "512M", "1.5GiB" or bytes.
std::int64_t parse_size(std::string_view text, std::string_view where) {
  const std::size_t end = text.find_first_not_of("0123456789.");
  const double number = parse_number(text.substr(0, end), where);
  const std::string_view unit = end == std::string_view::npos ? "" : text.substr(end);
  double scale = 0;
  for (const auto& [name, factor] : {std::pair{"", 0}, {"B", 0}, {"K", 10}, {"M", 20}, {"G", 30}, {"T", 40}}) {
    const std::string plain(name);
    if (unit == plain || (factor > 0 && (unit == plain + "B" || unit == plain + "iB"))) scale = static_cast<double>(std::int64_t{1} << factor);
  }
  if (scale == 0 || number * scale < 1 || number * scale > 1e15) fail_with(ErrorKind::usage, cat(where, ": \"", text, "\" is no size; write 8G or 512M"));
  return static_cast<std::int64_t>(number * scale);
}

class Serve final : public Command {
 public:
  void describe(Options& o) override {
    o.positional("MODEL", models_, "folders, .gguf files, org/name[:quant] or built-in names; the first is loaded at once, the others when asked for")
        .optional()
        .completes(ValueHint::model);
    o.group("Server");
    o.value("-m, --model", "MODEL", more_, "a model, beside the arguments; may be given several times").completes(ValueHint::model);
    o.value("--host", "ADDRESS", serve_.host, "where to listen; beyond loopback a key is needed");
    o.value("--port", "N", serve_.port, "0: a free one").range(0, 65535);
    o.value("--api-key-file", "FILE", key_file_, "API keys, one a line; then every request needs one").completes(ValueHint::file);
    o.value("--allow-host", "NAME", serve_.allowed_hosts, "answer to this Host too; may be given several times");
    o.toggle("--insecure", serve_.insecure, "listen beyond loopback without a key");
    o.value("-c, --ctx-size", "N", serve_.context, "positions that one sequence may hold; 0: what the model was made for").range(0, 1e9);
    o.value("-np, --parallel", "N", serve_.sequences, "sequences that run at once; more wait").range(1, 4096);
    o.custom("--max-memory", "SIZE", "memory for models and sequences together: 8G, 512M; without it nine tenths of the machine's",
             [this](std::string_view text, std::string_view where) { serve_.memory = parse_size(text, where); });
    o.value("-b, --batch-size, -ub, --ubatch-size", "N", serve_.chunk, "prompt tokens of one forward at most").range(1, 1 << 20);
    tashika::cli::describe(o, compute_);
  }

  int run(Context& context) override {
    models_.insert(models_.end(), more_.begin(), more_.end());
    if (models_.empty()) models_.emplace_back(default_model);
    if (key_file_) serve_.keys = serve::read_keys(*key_file_);
    std::vector<serve::ModelEntry> entries;
    for (const std::string& name : models_) {
      const std::string path = find_checkpoint(name);
      std::string id = serve::model_id(path);
      for (const serve::ModelEntry& other : entries) {
        if (other.id == id) fail("two models would have the id \"", id, "\": ", other.path, " and ", path);
      }
      entries.push_back({std::move(id), path});
    }
    const std::unique_ptr<Runtime> rt = make_runtime(compute_.runtime());
    rt->log = &context.log;
    serve::Server server(serve_, std::move(entries), *rt, context.log);
    const int port = server.listen();
    write_stderr(cat("listening on http://", serve_.host.find(':') == std::string::npos ? serve_.host : cat("[", serve_.host, "]"), ":", port, "\n"));
    return server.run(true) ? 0 : 1;
  }

 private:
  std::vector<std::string> models_, more_;
  std::optional<std::string> key_file_;
  serve::ServeOptions serve_;
  ComputeSettings compute_;
};

}  // namespace

extern const Verb verb_serve;
const Verb verb_serve{
    "serve", "serve models over HTTP",
    "Answers the requests of OpenAI's clients (/v1/chat/completions, /v1/completions, /v1/models) at http://127.0.0.1:8080,\n"
    "many at once: they share each forward, and what they compute does not depend on it. A model's id is its file's or\n"
    "folder's name without .gguf. SIGTERM lets the running answers finish; a second one stops at once.",
    "  tashika serve                                  the built-in model\n"
    "  tashika serve MODEL -c 8192 -np 16             16 sequences at once, each of 8192 positions\n"
    "  tashika serve MODEL --host 0.0.0.0 --api-key-file keys.txt\n",
    make_command<Serve>};

}  // namespace tashika::cli
