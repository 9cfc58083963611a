#include <algorithm>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/terminal.h"
#include "checkpoint/generation_defaults.h"
#include "checkpoint/inventory.h"
#include "checkpoint/template_files.h"
#include "checkpoint/tokenizer_files.h"
#include "cli/common.h"
#include "cli/figures.h"
#include "cli/verb.h"
#include "compress/card.h"
#include "decode/plan.h"

namespace tashika::cli {
namespace {

class Show final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    o.group("");
    o.value("-c, --ctx-size", "N", context_, "positions that the memory is told for; 0: what the model was made for").range(0, 1e9);
    o.value("-b, --batch-size, -ub, --ubatch-size", "N", chunk_, "tokens of a prompt that one forward takes").range(1, 1 << 20);
    o.toggle("--digests", digests_, "SHA-256 of the files (reads them all); --json has them unless --no-digests");
    o.toggle("--json", json_, "print one JSON object");
    tashika::cli::describe(o, compute_);
  }

  int run(Context& context) override {
    const Checkpoint c = open_checkpoint(find_checkpoint(setting_.required()));
    Json out;
    out.set("path", c.path);
    out.set("format", c.is_gguf() ? "gguf" : "huggingface");
    if (!c.meta.values.is_null()) describe_model(c, out);
    describe_text(c, out);
    if (const Json card = read_card(c.meta.values); card.is_object()) out.set("quality", card);
    if (digests_ || (json_ && !context.options.find_name("digests")->given)) out.set("digests", file_digests(c));
    write_stdout(json_ ? dump_json(out) + "\n" : for_people(out));
    return 0;
  }

 private:
  void describe_model(const Checkpoint& c, Json& out) {
    const std::string arch = architecture(c.meta);
    if (!c.weights) {
      out.set("architecture", arch);
      return;
    }
    const ModelDef& def = model_of(c);
    out.set("architecture", arch);
    out.set("family", def.name);
    Runtime meta("meta", nullptr, {.backend = "meta", .compute = compute_.compute});
    std::unique_ptr<LanguageModel> model;
    std::unique_ptr<Encoder> encoder;
    if (def.role == Role::encoder) encoder = load_encoder(c, meta);
    else model = load_language_model(c, meta);
    out.set("role", encoder ? "encoder" : "language model");
    out.set("parameters", encoder ? count_parameters(*encoder) : count_parameters(*model));
    out.set("bytes", weight_bytes(c));
    Json types;
    for (const TypeShare& share : type_shares(c)) {
      Json row;
      row.set("tensors", share.tensors);
      row.set("parameters", share.params);
      row.set("bytes", share.bytes);
      types.set(share.name, std::move(row));
    }
    out.set("dtypes", std::move(types));
    const LanguageModelInfo info = encoder ? LanguageModelInfo{encoder->info().vocab, encoder->info().hidden, encoder->info().layers, encoder->info().context}
                                           : model->info();
    out.set("layers", info.layers);
    out.set("hidden", info.hidden);
    out.set("vocab", info.vocab);
    out.set("context", info.context);
    out.set("state", def.state);
    if (encoder) return;  // no cache: what it needs is its weights and the texts of one call
    if (info.context <= 0 && context_ == 0) return;
    PlanOptions plan_options;
    plan_options.runtime = compute_.runtime();
    plan_options.context = context_;
    plan_options.chunk = chunk_;
    const MemoryPlan plan = plan_memory(c, plan_options);
    Json memory;
    memory.set("context", context_ > 0 ? context_ : info.context);
    memory.set("weights", plan.weights);
    memory.set("copies", plan.copies);
    memory.set("cache", plan.cache);
    memory.set("work", plan.work);
    memory.set("program", plan.program);
    memory.set("total", plan.total());
    memory.set("available", usable_memory_bytes());
    out.set("memory", std::move(memory));
  }

  static void describe_text(const Checkpoint& c, Json& out) {
    Json tokenizer;
    if (const std::string kind = tokenizer_kind(c); !kind.empty()) {
      const Tokenizer t = load_tokenizer(c);
      tokenizer.set("source", kind);
      tokenizer.set("model", t.model_name());
      tokenizer.set("tokens", t.vocab_size());
      tokenizer.set("adds_bos", t.adds_bos());
      const auto named = [&](const char* key, std::optional<TokenId> id) {
        if (!id) return;
        Json row;
        row.set("id", std::int64_t{*id});
        row.set("text", t.token(*id));
        tokenizer.set(key, std::move(row));
      };
      named("bos", t.bos());
      named("eos", t.eos());
    }
    out.set("tokenizer", std::move(tokenizer));
    JsonArray ends;
    for (const std::int32_t id : end_tokens(c)) ends.emplace_back(std::int64_t{id});
    out.set("end_tokens", std::move(ends));
    JsonArray templates;
    for (const TemplateSource& t : chat_templates(c)) {
      Json row;
      row.set("name", t.name);
      row.set("source", file_name(t.origin));
      row.set("sha256", sha256(std::as_bytes(std::span(t.source.data(), t.source.size()))));
      templates.push_back(std::move(row));
    }
    out.set("chat_templates", std::move(templates));
    const SamplingDefaults defaults = sampling_defaults(c);
    Json sampling = defaults.values;
    if (!sampling.is_null()) sampling.set("source", file_name(defaults.source));
    out.set("sampling", std::move(sampling));
  }

  static Json file_digests(const Checkpoint& c) {
    Json out;
    if (c.is_gguf()) {
      out.set(file_name(c.path), sha256_file(c.path));
      return out;
    }
    for (const std::string& name : list_directory(c.path)) {
      const bool counts = name.ends_with(".safetensors") || name.ends_with(".json") || name.ends_with(".jinja") || name == "tokenizer.model";
      const std::string path = join_path(c.path, name);
      if (counts && file_type(path) == FileType::regular) out.set(name, sha256_file(path));
    }
    return out;
  }

  static std::string for_people(const Json& j) {
    std::string out;
    const auto line = [&](std::string_view name, std::string_view text) { out += cat(left(name, 14), text, "\n"); };
    line("model", j["path"].as_string());
    if (j["architecture"].is_string()) {
      line("architecture", cat(j["architecture"].as_string(), j["family"].is_string() ? cat(" (family ", j["family"].as_string(), ")") : std::string(", no weights")));
    }
    if (j["parameters"].is_integer()) {
      line("parameters", cat(human_count(j["parameters"].as_integer()), ", ", human_bytes(j["bytes"].as_integer()), ": ", j["layers"].as_integer(),
                             " layers, width ", j["hidden"].as_integer(), ", ", j["vocab"].as_integer(), " tokens"));
      std::string types;
      for (const auto& [name, row] : j["dtypes"].as_object().entries()) {
        types += cat(types.empty() ? "" : ", ", name, " ", human_bytes(row["bytes"].as_integer()), " (", row["tensors"].as_integer(), ")");
      }
      line("types", types);
      line("context", cat(j["context"].as_integer() > 0 ? cat(j["context"].as_integer(), " positions") : std::string("no limit stated"), ", ",
                          j["role"] == Json("encoder") ? std::string("an encoder") : j["state"].as_string()));
    }
    if (const Json& m = j["memory"]; m.is_object()) {
      const std::int64_t total = m["total"].as_integer();
      line("memory", cat(human_bytes(total), " at ", m["context"].as_integer(), " positions: weights ", human_bytes(m["weights"].as_integer() + m["copies"].as_integer()),
                         ", cache ", human_bytes(m["cache"].as_integer()), ", work ", human_bytes(m["work"].as_integer()), ", program ",
                         human_bytes(m["program"].as_integer())));
      if (total > m["available"].as_integer()) {
        line("", cat("more than the ", human_bytes(m["available"].as_integer()), " of this machine: use a shorter context (-c) or a smaller file"));
      }
    }
    if (const Json& t = j["tokenizer"]; t.is_object()) {
      line("tokenizer", cat(t["model"].as_string(), " from ", t["source"].as_string(), ", ", t["tokens"].as_integer(), " tokens",
                            t["adds_bos"].as_bool() ? ", adds BOS" : ""));
    } else {
      line("tokenizer", "none");
    }
    std::string ends;
    for (const Json& id : j["end_tokens"].as_array()) ends += cat(ends.empty() ? "" : ", ", id.as_integer());
    line("ends at", ends.empty() ? "no token named" : ends);
    std::string templates;
    for (const Json& t : j["chat_templates"].as_array()) templates += cat(templates.empty() ? "" : ", ", t["name"].as_string(), " (", t["source"].as_string(), ")");
    line("chat template", templates.empty() ? "none" : templates);
    if (j["sampling"].is_object()) {
      std::string text;
      for (const auto& [name, value] : j["sampling"].as_object().entries()) {
        if (name != "source") text += cat(text.empty() ? "" : ", ", name, " ", dump_json(value));
      }
      line("sampling", cat(text, " (", j["sampling"]["source"].as_string(), ")"));
    }
    if (const Json& card = j["quality"]; card.is_object()) {
      const auto number = [&](const char* key, int digits) { return card[key].is_number() ? fixed(card[key].as_double(), digits) : std::string("?"); };
      const auto text = [&](const char* key) { return card[key].is_string() ? printable(card[key].as_string()) : std::string("?"); };
      line("quality", cat("mean KL divergence ", number("kld_mean", 6), " from ", text("base"), " on ", text("calibration"),
                          card["kld_limit"].is_number() ? cat(" (limit ", number("kld_limit", 6), ")") : std::string()));
      line("", cat("median ", number("kld_median", 6), ", 95 % ", number("kld_95", 6), ", 99 % ", number("kld_99", 6), ", maximum ", number("kld_max", 6)));
      line("", cat("same likeliest token ", card["same_top"].is_number() ? fixed(card["same_top"].as_double() * 100.0, 2) : std::string("?"), " %, perplexity ",
                   number("perplexity", 4), " (", number("base_perplexity", 4), ")"));
    }
    if (j["digests"].is_object()) {
      for (const auto& [name, digest] : j["digests"].as_object().entries()) line("sha256", cat(digest.as_string(), "  ", name));
    }
    return out;
  }

  ModelSetting setting_;
  ComputeSettings compute_;
  std::int64_t context_ = 0, chunk_ = 512;
  bool digests_ = false, json_ = false;
};

}  // namespace

extern const Verb verb_show;
const Verb verb_show{"show", "what a model is, and the memory it needs",
                     "Tells the architecture, size and types of a model, the memory that it needs at a context (worked out before\n"
                     "anything is loaded), its tokenizer, chat templates, recommended sampling, and digests on request.",
                     "  tashika show MODEL\n  tashika show MODEL -c 32768\n  tashika show MODEL --json\n", make_command<Show>};

}  // namespace tashika::cli
