#include <optional>

#include "base/error.h"
#include "base/terminal.h"
#include "cli/common.h"
#include "cli/rows_file.h"
#include "cli/verb.h"
#include "decode/embed.h"
#include "registry/registry.h"

namespace tashika::cli {
namespace {

constexpr std::uint64_t max_text = std::uint64_t{1} << 30;

class Embed final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    o.positional("TEXT", texts_, "the texts; without any, the lines of standard input").optional();
    o.group("");
    o.toggle("--json", json_, "print {\"embeddings\":[[…],…],\"tokens\":[…]}");
    o.value("-o, --output", "FILE.npy", output_, "write float32 [texts, width] there instead").completes(ValueHint::file);
    o.value("--prompt-name", "NAME", options_.prompt_name, "the model's prompt of this name goes before every text");
    o.custom("--prompt", "TEXT", "this goes before every text", [this](std::string_view text, std::string_view) { options_.prompt = std::string(text); });
    o.custom("--pooling", "MODE", "cls, max, mean, mean_sqrt_len_tokens, weightedmean or lasttoken, whatever the model's files say",
             [this](std::string_view text, std::string_view where) {
               try {
                 options_.pooling = pooling_named(text, where);
               } catch (const Error& e) {
                 fail_with(ErrorKind::usage, e.what());
               }
             });
    o.choice("--normalize", "MODE", normalise_, {{"auto", Normalise::automatic}, {"always", Normalise::always}, {"never", Normalise::never}},
             "auto: as the model's files say, and where they say nothing, always");
    tashika::cli::describe(o, compute_);
  }

  int run(Context& context) override {
    const std::string& name = setting_.required();
    if (texts_.empty()) read_lines();
    if (normalise_ != Normalise::automatic) options_.normalise = normalise_ == Normalise::always;
    const std::unique_ptr<Runtime> rt = make_runtime(compute_.runtime());
    const Interruptible interruptible(*rt);
    const Embedder embedder(find_checkpoint(name), *rt);
    if (embedder.recipe().origin.empty()) {
      context.log.write(LogLevel::debug, cat(embedder.recipe().model_path, ": nothing says how to pool: ",
                                             embedder.recipe().pooling.empty() ? "the model's own pooled output" : "its default", ", normalised"));
    }
    const Embeddings found = embedder.embed(texts_, options_);
    if (found.cut > 0) context.log.write(LogLevel::warn, cat(found.cut, " of ", texts_.size(), " texts are longer than the model takes and were cut"));
    if (!output_.empty()) {
      RowsFile file(output_, static_cast<std::int64_t>(texts_.size()));
      file.append(found.values, found.width);
      file.finish();
    } else {
      print(found);
    }
    return 0;
  }

 private:
  enum class Normalise { automatic, always, never };

  // While it lives, Ctrl-C cancels the runtime.
  struct Interruptible {
    explicit Interruptible(Runtime& rt) { on_interrupt([](void* p) { static_cast<Runtime*>(p)->cancel(); }, &rt); }
    ~Interruptible() { on_interrupt(nullptr, nullptr); }
    Interruptible(const Interruptible&) = delete;
    Interruptible& operator=(const Interruptible&) = delete;
  };

  void read_lines() {
    const std::string all = stdin_is_terminal() ? std::string() : read_stdin(max_text);
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t end = std::min(all.find('\n', at), all.size());
      texts_.push_back(all.substr(at, end - at));
      at = end + 1;
    }
    if (texts_.empty()) fail_with(ErrorKind::usage, "TEXT is missing, and standard input has none");
  }

  void print(const Embeddings& found) const {
    std::string out = json_ ? "{\"embeddings\":[" : "";
    const auto width = static_cast<std::size_t>(found.width);
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      if (json_) out += i ? ",[" : "[";
      for (std::size_t d = 0; d < width; ++d) {
        if (d > 0) out += json_ ? "," : " ";
        out += dump_json(Json(static_cast<double>(found.values[i * width + d])));
      }
      out += json_ ? "]" : "\n";
    }
    if (json_) {
      out += "],\"tokens\":[";
      for (std::size_t i = 0; i < found.tokens.size(); ++i) out += cat(i ? "," : "", found.tokens[i]);
      out += "]}\n";
    }
    write_stdout(out);
  }

  ModelSetting setting_;
  ComputeSettings compute_;
  std::vector<std::string> texts_;
  std::string output_;
  EmbedOptions options_;
  Normalise normalise_ = Normalise::automatic;
  bool json_ = false;
};

}  // namespace

extern const Verb verb_embed;
const Verb verb_embed{"embed", "embeddings of texts, pooled and normalised",
                      "One vector a text, a line each. How the states of the tokens become one vector is read from the files beside the\n"
                      "model (modules.json and the folders it names, as sentence-transformers writes them) or from a GGUF file's pooling\n"
                      "type. Without either, encoders give their mean, CLIP its projected text and language models their last token, of\n"
                      "length one. Texts longer than the model takes are cut, with a warning.",
                      "  tashika embed MODEL \"first text\" \"second text\" --json\n"
                      "  tashika embed MODEL -o vectors.npy < lines.txt\n"
                      "  tashika embed MODEL --prompt-name query \"a question\"\n",
                      make_command<Embed>};

}  // namespace tashika::cli
