#include "checkpoint/tokenizer_files.h"

#include "base/error.h"
#include "base/file.h"
#include "io/gguf.h"
#include "text/gguf_vocab.h"
#include "text/world_vocab.h"

namespace tashika {
namespace {

constexpr std::uint64_t max_tokenizer_bytes = 256 << 20;
constexpr std::uint64_t max_config_bytes = 16 << 20;

bool has_file(const Checkpoint& c, std::string_view name) { return file_type(join_path(c.path, name)) == FileType::regular; }

// The World tokenizer's vocabulary in the folder, or beside a bare file; empty when there is none.
std::string world_file(const Checkpoint& c) {
  const std::string folder = file_type(c.path) == FileType::directory ? c.path : std::string(parent_path(c.path));
  if (file_type(folder) != FileType::directory) return {};
  for (const std::string& name : list_directory(folder)) {
    if (name.starts_with("rwkv_vocab") && name.ends_with(".txt")) return join_path(folder, name);
  }
  return {};
}

std::optional<Json> tokenizer_config(const Checkpoint& c) {
  const std::string path = join_path(c.path, "tokenizer_config.json");
  if (file_type(path) != FileType::regular) return std::nullopt;
  Json json = parse_json(read_file(path, max_config_bytes), path);
  if (!json.is_object()) fail(path, ": expected an object, found ", json_type_name(json.type()));
  return json;
}

std::optional<std::int64_t> integer(const Metadata& metadata, const std::string& key) {
  const Json* value = metadata.values.find(key);
  if (!value) return std::nullopt;
  if (!value->is_integer()) fail(key, ": expected an integer, found ", json_type_name(value->type()));
  return value->as_integer();
}
std::optional<bool> truth(const Metadata& metadata, const std::string& key) {
  const Json* value = metadata.values.find(key);
  if (!value) return std::nullopt;
  if (!value->is_bool()) fail(key, ": expected true or false, found ", json_type_name(value->type()));
  return value->as_bool();
}
std::string text(const Metadata& metadata, const std::string& key) {
  const Json* value = metadata.values.find(key);
  return value && value->is_string() ? value->as_string() : std::string{};
}

GgufVocab read_vocab(const Gguf& gguf, const std::string& what) {
  const Metadata metadata = gguf.metadata();
  const std::string prefix = "tokenizer.ggml.";
  GgufVocab v;
  v.model = text(metadata, prefix + "model");
  v.pre = text(metadata, prefix + "pre");
  if (const auto tokens = gguf.texts(prefix + "tokens")) v.tokens.assign(tokens->begin(), tokens->end());
  if (const auto merges = gguf.texts(prefix + "merges")) v.merges.assign(merges->begin(), merges->end());
  if (const GgufField* scores = gguf.field(prefix + "scores")) {
    if (scores->type == GgufType::float32 || scores->type == GgufType::float64) {
      v.scores = *gguf.floats(prefix + "scores");
    } else {
      const auto values = gguf.integers(prefix + "scores");
      for (const std::int64_t score : *values) v.scores.push_back(static_cast<float>(score));
    }
  }
  if (const auto types = gguf.integers(prefix + "token_type")) {
    for (const std::int64_t type : *types) v.types.push_back(type >= 0 && type <= 6 ? static_cast<std::int32_t>(type) : 0);
  }
  v.bos = integer(metadata, prefix + "bos_token_id");
  v.eos = integer(metadata, prefix + "eos_token_id");
  v.unk = integer(metadata, prefix + "unknown_token_id");
  v.sep = integer(metadata, prefix + "seperator_token_id");  // the format's spelling
  v.pad = integer(metadata, prefix + "padding_token_id");
  v.cls = integer(metadata, prefix + "cls_token_id");
  v.mask = integer(metadata, prefix + "mask_token_id");
  v.add_bos = truth(metadata, prefix + "add_bos_token");
  v.add_eos = truth(metadata, prefix + "add_eos_token");
  v.add_space_prefix = truth(metadata, prefix + "add_space_prefix");
  v.remove_extra_whitespaces = truth(metadata, prefix + "remove_extra_whitespaces");
  v.lowercase = truth(metadata, prefix + "normalizer.lowercase");
  v.strip_accents = truth(metadata, prefix + "normalizer.strip_accents");
  if (const GgufField* map = gguf.field(prefix + "precompiled_charsmap")) {
    if (!map->is_array || (map->type != GgufType::int8 && map->type != GgufType::uint8)) {
      fail(what, ": tokenizer.ggml.precompiled_charsmap is not an array of bytes");
    }
    v.precompiled_charsmap.assign(reinterpret_cast<const char*>(map->bytes.data()), map->bytes.size());
  }
  v.general_name = text(metadata, "general.name");
  v.architecture = text(metadata, "general.architecture");
  return v;
}

// A file may say "none".
bool has_vocabulary(const Checkpoint& c) {
  const Json& model = c.meta.values["tokenizer.ggml.model"];
  return !model.is_null() && model != Json("none");
}

}  // namespace

std::string tokenizer_kind(const Checkpoint& c) {
  if (c.is_gguf()) return has_vocabulary(c) ? "GGUF vocabulary" : "";
  if (has_file(c, "tokenizer.json")) return "tokenizer.json";
  if (has_file(c, "tokenizer.model")) return "tokenizer.model";
  return world_file(c).empty() ? "" : "World vocabulary";
}

Tokenizer load_tokenizer(const Checkpoint& c) {
  if (c.is_gguf()) {
    if (has_vocabulary(c)) return tokenizer_from_gguf(read_vocab(*c.gguf, c.path), c.path);
    fail(c.path, ": this GGUF file has no vocabulary (tokenizer.ggml.model)");
  }
  const std::optional<Json> config = tokenizer_config(c);
  const Json* settings = config ? &*config : nullptr;
  if (has_file(c, "tokenizer.json")) {
    const std::string path = join_path(c.path, "tokenizer.json");
    return tokenizer_from_json(parse_json(read_file(path, max_tokenizer_bytes), path), settings, path);
  }
  if (has_file(c, "tokenizer.model")) {
    const std::string path = join_path(c.path, "tokenizer.model");
    return tokenizer_from_sentencepiece(read_file(path, max_tokenizer_bytes), settings, path);
  }
  if (const std::string path = world_file(c); !path.empty()) return tokenizer_from_world(read_file(path, max_tokenizer_bytes), path);
  fail(c.path, ": there is no tokenizer.json, no tokenizer.model and no rwkv_vocab….txt in this folder");
}

}  // namespace tashika
