#include "checkpoint/tokenizer_files.h"

#include "base/error.h"
#include "base/file.h"
#include "io/gguf.h"

namespace tashika {
namespace {

constexpr std::uint64_t max_tokenizer_bytes = 256 << 20;
constexpr std::uint64_t max_config_bytes = 16 << 20;

bool has_file(const Checkpoint& c, std::string_view name) { return file_type(join_path(c.path, name)) == FileType::regular; }

std::optional<Json> tokenizer_config(const Checkpoint& c) {
  const std::string path = join_path(c.path, "tokenizer_config.json");
  if (file_type(path) != FileType::regular) return std::nullopt;
  Json json = parse_json(read_file(path, max_config_bytes), path);
  if (!json.is_object()) fail(path, ": expected an object, found ", json_type_name(json.type()));
  return json;
}

}  // namespace

std::string tokenizer_kind(const Checkpoint& c) {
  if (c.is_gguf()) return c.gguf->field("tokenizer.ggml.model") ? "GGUF vocabulary" : "";
  if (has_file(c, "tokenizer.json")) return "tokenizer.json";
  if (has_file(c, "tokenizer.model")) return "tokenizer.model";
  return "";
}

Tokenizer load_tokenizer(const Checkpoint& c) {
  if (c.is_gguf()) {
    fail(c.path, ": this GGUF file has no vocabulary (tokenizer.ggml.model)");
  }
  const std::optional<Json> config = tokenizer_config(c);
  const Json* settings = config ? &*config : nullptr;
  if (has_file(c, "tokenizer.json")) {
    const std::string path = join_path(c.path, "tokenizer.json");
    return tokenizer_from_json(parse_json(read_file(path, max_tokenizer_bytes), path), settings, path);
  }
  fail(c.path, ": there is no tokenizer.json and no tokenizer.model in this folder");
}

}  // namespace tashika
