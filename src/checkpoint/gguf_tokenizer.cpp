#include "checkpoint/gguf_tokenizer.h"

#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/template_files.h"
#include "checkpoint/tokenizer_files.h"
#include "text/gguf_export.h"

namespace tashika {
namespace {

constexpr std::uint64_t max_bytes = 256 << 20;

std::optional<std::string> content(const Checkpoint& folder, std::string_view name) {
  const std::string path = join_path(folder.path, name);
  if (file_type(path) != FileType::regular) return std::nullopt;
  return read_file(path, max_bytes);
}

std::optional<Json> object(const Checkpoint& folder, std::string_view name) {
  const std::optional<std::string> text = content(folder, name);
  if (!text) return std::nullopt;
  const std::string path = join_path(folder.path, name);
  Json json = parse_json(*text, path);
  if (!json.is_object()) fail(path, ": expected an object, found ", json_type_name(json.type()));
  return json;
}

const Json* pointer(const std::optional<Json>& json) { return json ? &*json : nullptr; }

void add_vocab(GgufFields& fields, const GgufVocab& v) {
  const auto key = [](std::string_view name) { return cat("tokenizer.ggml.", name); };
  const auto views = [](const std::vector<std::string>& texts) { return std::vector<std::string_view>(texts.begin(), texts.end()); };
  fields.add_text(key("model"), v.model);
  fields.add_text(key("pre"), v.pre);
  fields.add_texts(key("tokens"), views(v.tokens));
  if (!v.scores.empty()) fields.add_array<float>(key("scores"), v.scores);
  fields.add_array<std::int32_t>(key("token_type"), v.types);
  if (!v.merges.empty()) fields.add_texts(key("merges"), views(v.merges));
  const auto id = [&](std::string_view name, std::optional<std::int64_t> value) {
    if (value) fields.add(key(name), static_cast<std::uint32_t>(*value));
  };
  id("bos_token_id", v.bos);
  id("eos_token_id", v.eos);
  id("unknown_token_id", v.unk);
  id("seperator_token_id", v.sep);  // the format's spelling
  id("padding_token_id", v.pad);
  id("cls_token_id", v.cls);
  id("mask_token_id", v.mask);
  const auto truth = [&](std::string_view name, std::optional<bool> value) {
    if (value) fields.add(key(name), *value);
  };
  truth("add_bos_token", v.add_bos);
  truth("add_eos_token", v.add_eos);
  truth("add_space_prefix", v.add_space_prefix);
  truth("remove_extra_whitespaces", v.remove_extra_whitespaces);
  truth("normalizer.lowercase", v.lowercase);
  truth("normalizer.strip_accents", v.strip_accents);
  if (!v.precompiled_charsmap.empty()) {
    fields.add_array<std::uint8_t>(key("precompiled_charsmap"),
                                   std::span(reinterpret_cast<const std::uint8_t*>(v.precompiled_charsmap.data()), v.precompiled_charsmap.size()));
  }
}

void add_templates(GgufFields& fields, const Checkpoint& folder) {
  std::vector<std::string> names;
  for (const TemplateSource& source : chat_templates(folder)) {
    if (source.name == "default") {
      fields.add_text("tokenizer.chat_template", source.source);
    } else {
      fields.add_text(cat("tokenizer.chat_template.", source.name), source.source);
      names.push_back(source.name);
    }
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  if (!names.empty()) fields.add_texts("tokenizer.chat_templates", views);
}

}  // namespace

void add_gguf_tokenizer(GgufFields& fields, const Checkpoint& folder, std::int64_t rows, const std::string& pre, std::vector<std::string>& notes) {
  if (tokenizer_kind(folder).empty()) {
    fields.add_text("tokenizer.ggml.model", "none");
    notes.push_back("the folder has no tokenizer, and so the file has none");
    return;
  }
  const std::optional<Json> tokenizer = object(folder, "tokenizer.json"), config = object(folder, "tokenizer_config.json"), added = object(folder, "added_tokens.json");
  const std::string pieces = content(folder, "tokenizer.model").value_or(std::string());
  const TokenizerFiles files{pointer(tokenizer), pieces, pointer(config), pointer(added)};
  const Tokenizer loaded = load_tokenizer(folder);
  GgufVocab vocab = gguf_vocab_of(files, loaded, rows, pre, folder.path);
  // Readers take customary ids for those that a file lacks.
  const auto from_config = [&](std::optional<std::int64_t>& id, std::string_view key) {
    const Json* value = &folder.meta.values[key];
    if (value->is_array() && !value->as_array().empty()) value = &value->as_array()[0];
    if (!id && value->is_integer() && value->as_integer() >= 0 && value->as_integer() < rows) id = value->as_integer();
  };
  from_config(vocab.bos, "bos_token_id");
  from_config(vocab.eos, "eos_token_id");
  add_vocab(fields, vocab);
  if (const std::string text = first_difference(loaded, vocab, folder.path); !text.empty()) {
    notes.push_back(cat("the file's vocabulary splits some texts otherwise than the folder's tokenizer: \"", printable(text, 60), "\""));
  }
  add_templates(fields, folder);
}

}  // namespace tashika
