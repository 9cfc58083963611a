#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/terminal.h"
#include "checkpoint/tokenizer_files.h"
#include "cli/common.h"
#include "cli/figures.h"
#include "cli/progress_line.h"
#include "cli/verb.h"
#include "compress/card.h"
#include "compress/importance.h"
#include "compress/quantize.h"
#include "compress/search.h"
#include "compress/text_chunks.h"
#include "registry/registry.h"

namespace tashika::cli {
namespace {

// Ctrl-C stops the runtime while this lives.
class CancelOnInterrupt {
 public:
  explicit CancelOnInterrupt(Runtime& rt) {
    on_interrupt([](void* self) { static_cast<Runtime*>(self)->cancel(); }, &rt);
  }
  ~CancelOnInterrupt() { on_interrupt(nullptr, nullptr); }
  CancelOnInterrupt(const CancelOnInterrupt&) = delete;
  CancelOnInterrupt& operator=(const CancelOnInterrupt&) = delete;
};

class Quantize final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    o.positional("OUT", out_, "the .gguf file to write").completes(ValueHint::file);
    o.value("--type", "T", type_, cat("what to write: ", mix_type_names()));
    o.group("Importance");
    o.value("--imatrix", "FILE", imatrix_, "how much each column matters: an importance matrix (imatrix.gguf or .dat), or a text like yours, on which IN is run to measure it").completes(ValueHint::file);
    o.value("--imatrix-save", "FILE", imatrix_save_, "write the measured matrix, as llama.cpp's tools read it").completes(ValueHint::file);
    o.value("-c, --ctx-size", "N", importance_.context, "tokens of a chunk of the text").range(2, 1 << 20);
    o.value("--chunks", "N", importance_.chunks, "chunks of the text; 0: all of it").range(0, 1 << 30);
    o.group("Quality");
    o.custom("--max-kld", "X", "instead of --type: search a small mix whose mean KL divergence from IN on --calibrate stays under X",
             [this](std::string_view text, std::string_view where) {
               const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), max_kld_);
               if (error != std::errc() || end != text.data() + text.size() || !(max_kld_ > 0 && max_kld_ < 1e6)) {
                 fail_with(ErrorKind::usage, cat(where, ": expected a number above zero, found ", printable(text)));
               }
             });
    o.value("--calibrate", "FILE", calibrate_, "a text like yours: measure on it what is lost, and write the figures into OUT (show prints them)").completes(ValueHint::file);
    o.value("--calibrate-chunks", "N", calibrate_chunks_, "chunks of that text; 0: all of it").range(0, 1 << 30);
    o.group("Choices");
    o.toggle("--pure", options_.pure, "every matrix in the one type, without the mix of types that a name like q4_k_m stands for");
    o.custom("--output-tensor-type", "T", "type of the head (output.weight)",
             [this](std::string_view text, std::string_view where) { options_.head = find_tensor_type(text, where); });
    o.custom("--token-embedding-type", "T", "type of the embedding (token_embd.weight)",
             [this](std::string_view text, std::string_view where) { options_.embedding = find_tensor_type(text, where); });
    o.value("--tensor-type", "PART=T", tensor_types_, "type of the matrices whose name contains PART; may be given several times");
    o.toggle("--allow-requantize", options_.allow_requantize, "quantise tensors again that are quantised already (error adds to error)");
    o.value("--tokenizer-pre", "NAME", tokenizer_pre_, "how a folder's byte-level tokenizer splits text, where that cannot be found out (tokenizer.ggml.pre)");
    o.group("");
    o.toggle("--dry-run", dry_run_, "print what would be written, and how large");
    o.toggle("--json", json_, "print one JSON object: the tensors with their types and sizes");
    tashika::cli::describe(o, compute_);
  }

  int run(Context& context) override {
    const std::string& name = setting_.required();
    const bool search = max_kld_ > 0;
    if (type_.empty() == !search) {
      fail_with(ErrorKind::usage, cat("say what to write with --type, or how much may be lost with --max-kld; known types: ", mix_type_names()));
    }
    if (search && !calibrate_) fail_with(ErrorKind::usage, "--max-kld needs --calibrate FILE, the text to measure on");
    if (!search) options_.type = find_mix_type(type_);
    if (!out_ && !dry_run_) fail_with(ErrorKind::usage, "quantize takes IN and OUT; --dry-run needs no OUT");
    for (const std::string& text : tensor_types_) {
      const std::size_t equals = text.rfind('=');
      if (equals == std::string::npos || equals == 0) fail_with(ErrorKind::usage, cat("--tensor-type: expected PART=T, found ", printable(text)));
      options_.tensor_types.emplace_back(text.substr(0, equals), find_tensor_type(text.substr(equals + 1), "--tensor-type"));
    }
    const Checkpoint checkpoint = open_checkpoint(find_checkpoint(name));
    if (out_ && *out_ == checkpoint.path) fail_with(ErrorKind::usage, cat(*out_, ": OUT is IN; name another file"));
    GgufForm form = gguf_form(checkpoint, tokenizer_pre_);
    for (const std::string& note : form.notes) context.log.write(LogLevel::warn, note);
    const std::unique_ptr<Runtime> rt = make_runtime(compute_.runtime());
    const CancelOnInterrupt cancel(*rt);
    Importance importance;
    if (imatrix_) {
      importance = is_importance_file(*imatrix_) ? read_importance(*imatrix_) : measure(checkpoint, *rt);
      options_.importance = &importance.columns;
      if (imatrix_save_) write_importance(importance, *imatrix_save_);
    }
    std::optional<Quality> quality;
    if (search) quality = search_types(context, checkpoint, form, *rt);
    QuantizePlan plan = plan_quantize(form, options_);
    if (search) options_.type = nearest_mix(plan);
    if (calibrate_ && !search) quality = measure_plan(checkpoint, form, plan, *rt);
    if (quality) {
      add_card(form.fields, *quality, card_facts(checkpoint));
      context.log.write(LogLevel::info, cat("mean KL divergence ", fixed(quality->against->kld.mean, 6), " ± ", fixed(quality->against->kld.error, 6),
                                            ", same likeliest token ", fixed(quality->against->same_top.mean * 100.0, 2), " %, perplexity ",
                                            fixed(quality->perplexity(), 4), " (", fixed(std::exp(quality->against->base_nll.mean), 4), ")"));
    }
    if (!plan.without_importance.empty()) {
      context.log.write(LogLevel::warn, cat("the importance matrix lacks ", plan.without_importance.size(), " tensors, ", printable(plan.without_importance[0]),
                                            plan.without_importance.size() > 1 ? " among them" : "", "; they are quantised without it"));
    }
    for (const std::string& narrowed : plan.narrowed) {
      context.log.write(LogLevel::debug, cat(narrowed, ": rows are no multiple of the type's block; a narrower type is taken"));
    }
    if (!plan.narrowed.empty()) {
      context.log.write(LogLevel::warn, cat(plan.narrowed.size(), " of ", plan.tensors.size(),
                                            " tensors have rows that are no multiple of the type's block and get a narrower type"));
    }
    if (!dry_run_) {
      if (imatrix_) describe_importance(importance, form.fields);
      const auto start = std::chrono::steady_clock::now();
      {
        ProgressLine line;
        write_quantized(form, plan, options_, *out_, *rt, [&](const QuantizeProgress& now) {
          line.show(now.done, now.total, cat(now.tensor, " of ", now.tensors, "  ", printable(now.name, 40)));
        });
      }
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      context.log.write(LogLevel::info, cat("wrote ", *out_, " in ", fixed(seconds, 1), " s"));
    }
    write_stdout(json_ ? dump_json(listing(plan)) + "\n" : dry_run_ ? table(plan) : summary(plan));
    return 0;
  }

 private:
  std::vector<std::vector<TokenId>> calibration(const Checkpoint& checkpoint) const {
    return text_chunks(load_tokenizer(checkpoint), read_file(*calibrate_, std::uint64_t{1} << 30), importance_.context, calibrate_chunks_, *calibrate_);
  }

  Quality search_types(Context& context, const Checkpoint& checkpoint, const GgufForm& form, Runtime& rt) {
    const auto chunks = calibration(checkpoint);
    const auto model = load_language_model(checkpoint, rt);
    SearchOptions options;
    options.max_kld = max_kld_;
    options.importance = options_.importance;
    SearchResult found;
    {
      ProgressLine line;
      options.progress = [&](std::string_view doing, std::int64_t done, std::int64_t total) { line.show(done, total, doing); };
      found = search_mix(checkpoint, form, *model, chunks, options, rt);
    }
    context.log.write(LogLevel::info, cat("searched with ", found.measurements, " measurements: ", human_bytes(found.bytes),
                                          found.uniform ? cat("; the smallest type that meets the limit alone is ", found.uniform->name, " with ",
                                                              human_bytes(found.uniform_bytes))
                                                        : std::string("; no type meets the limit alone")));
    options_.types = std::move(found.types);
    return std::move(found.quality);
  }

  Quality measure_plan(const Checkpoint& checkpoint, const GgufForm& form, const QuantizePlan& plan, Runtime& rt) const {
    const auto chunks = calibration(checkpoint);
    const auto model = load_language_model(checkpoint, rt);
    const std::vector<DType> types = plan.types();
    return measure_types(checkpoint, form, *model, chunks, types, options_.importance, rt);
  }

  CardFacts card_facts(const Checkpoint& checkpoint) const {
    CardFacts facts{std::string(file_name(checkpoint.path)), std::string(file_name(*calibrate_)), sha256_file(*calibrate_), std::nullopt};
    if (max_kld_ > 0) facts.max_kld = max_kld_;
    return facts;
  }

  Importance measure(const Checkpoint& checkpoint, Runtime& rt) {
    ProgressLine line;
    importance_.progress = [&](std::int64_t chunk, std::int64_t chunks) { line.show(chunk, chunks, cat("importance: chunk ", chunk + 1, " of ", chunks)); };
    return collect_importance(checkpoint, read_file(*imatrix_, std::uint64_t{1} << 30), std::string(file_name(*imatrix_)), importance_, rt);
  }

  void describe_importance(const Importance& importance, GgufFields& fields) const {
    fields.add_text("quantize.imatrix.file", file_name(*imatrix_));
    if (!importance.dataset.empty()) fields.add_text("quantize.imatrix.dataset", importance.dataset);
    fields.add("quantize.imatrix.entries_count", static_cast<std::uint32_t>(importance.columns.size()));
    if (importance.chunks > 0) fields.add("quantize.imatrix.chunks_count", static_cast<std::uint32_t>(importance.chunks));
  }

  Json listing(const QuantizePlan& plan) const {
    Json out;
    out.set("type", options_.type.name);
    if (out_) out.set("path", *out_);
    out.set("bytes_before", plan.bytes_before);
    out.set("bytes_after", plan.bytes_after);
    out.set("bits_per_weight", plan.bits_per_weight());
    JsonArray tensors;
    for (const PlannedTensor& tensor : plan.tensors) {
      Json row;
      row.set("name", tensor.info.name);
      row.set("shape", tensor.info.shape.str());
      row.set("from", tensor.from->name);
      row.set("to", tensor.info.dtype->name);
      row.set("bytes", tensor.bytes_after);
      tensors.push_back(std::move(row));
    }
    out.set("tensors", std::move(tensors));
    return out;
  }

  std::string summary(const QuantizePlan& plan) const {
    return cat(human_bytes(plan.bytes_before), " -> ", human_bytes(plan.bytes_after), ", ", fixed(plan.bits_per_weight(), 2), " bits a weight\n");
  }

  std::string table(const QuantizePlan& plan) const {
    std::size_t width = 0;
    for (const PlannedTensor& tensor : plan.tensors) width = std::max(width, tensor.info.name.size());
    std::string out;
    for (const PlannedTensor& tensor : plan.tensors) {
      out += cat(left(printable(tensor.info.name, 80), width + 2), left(tensor.info.shape.str(), 22), left(tensor.from->name, 8),
                 left(tensor.info.dtype->name, 8), right(human_bytes(tensor.bytes_after), 12), "\n");
    }
    return out + summary(plan);
  }

  ModelSetting setting_;
  std::optional<std::string> out_, imatrix_, imatrix_save_, calibrate_;
  double max_kld_ = 0;
  std::int64_t calibrate_chunks_ = 4;
  ImportanceOptions importance_;
  std::string type_, tokenizer_pre_;
  std::vector<std::string> tensor_types_;
  QuantizeOptions options_;
  ComputeSettings compute_;
  bool dry_run_ = false, json_ = false;
};

}  // namespace

extern const Verb verb_quantize;
const Verb verb_quantize{
    "quantize", "write a model as a smaller GGUF file",
    "Writes IN, a GGUF file or a Hugging Face folder, as the GGUF file OUT with weights of type T. Types mean what they mean to other programs: q4_k_m is a mix\n"
    "in which some tensors get more bits. The same input gives the same bytes with any number of threads.",
    "  tashika quantize model-f16.gguf model-q4.gguf --type q4_k_m\n"
    "  tashika quantize model-f16.gguf model-q2.gguf --type q2_k --imatrix text.txt   measured on your text\n"
    "  tashika quantize model-f16.gguf model.gguf --max-kld 0.01 --calibrate text.txt   as small as that allows\n"
    "  tashika quantize folder model.gguf --type bf16               a folder's weights as one file\n"
    "  tashika quantize model-f16.gguf --type q5_k_m --dry-run      what would be written\n",
    make_command<Quantize>};

}  // namespace tashika::cli
