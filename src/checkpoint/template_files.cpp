#include "checkpoint/template_files.h"

#include "base/error.h"
#include "base/file.h"
#include "io/gguf.h"

namespace tashika {
namespace {

constexpr std::uint64_t max_file = 16 << 20;

bool is_file(const std::string& path) { return file_type(path) == FileType::regular; }

Json read_object(const std::string& path) {
  if (!is_file(path)) return {};
  Json json = parse_json(read_file(path, max_file), path);
  if (!json.is_object()) fail(path, ": expected an object, found ", json_type_name(json.type()));
  return json;
}

// `chat_template` of a JSON file: a string, or a list of {name, template}.
void add_field(std::vector<TemplateSource>& out, const Json& value, const std::string& origin) {
  if (value.is_null()) return;
  if (value.is_string()) {
    out.push_back({"default", value.as_string(), origin});
    return;
  }
  if (!value.is_array()) fail(origin, ": chat_template: expected a string or a list, found ", json_type_name(value.type()));
  for (const Json& item : value.as_array()) {
    if (!item["name"].is_string() || !item["template"].is_string()) fail(origin, ": chat_template: expected entries {\"name\", \"template\"}");
    out.push_back({item["name"].as_string(), item["template"].as_string(), origin});
  }
}

std::vector<TemplateSource> folder_templates(const std::string& folder) {
  std::vector<TemplateSource> out;
  const std::string main = join_path(folder, "chat_template.jinja");
  if (is_file(main)) out.push_back({"default", read_file(main, max_file), main});
  const std::string more = join_path(folder, "additional_chat_templates");
  if (file_type(more) == FileType::directory) {
    for (const std::string& name : list_directory(more)) {
      const std::string path = join_path(more, name);
      if (name.ends_with(".jinja") && is_file(path)) out.push_back({name.substr(0, name.size() - 6), read_file(path, max_file), path});
    }
  }
  if (!out.empty()) return out;
  for (const char* name : {"tokenizer_config.json", "chat_template.json"}) {
    const std::string path = join_path(folder, name);
    add_field(out, read_object(path)["chat_template"], path);
    if (!out.empty()) break;
  }
  return out;
}

std::string text_of(const GgufField& field, const std::string& path) {
  if (field.is_array || field.type != GgufType::text) fail(path, ": ", field.key, ": expected a text");
  return std::string(reinterpret_cast<const char*>(field.bytes.data()) + 8, field.bytes.size() - 8);  // behind its length
}

std::vector<TemplateSource> gguf_templates(const Gguf& file, const std::string& path) {
  constexpr std::string_view key = "tokenizer.chat_template";
  std::vector<TemplateSource> out;
  for (const GgufField& field : file.fields()) {
    if (field.key == key) out.push_back({"default", text_of(field, path), path});
    if (field.key.starts_with(key) && field.key.size() > key.size() + 1 && field.key[key.size()] == '.') {
      out.push_back({std::string(field.key.substr(key.size() + 1)), text_of(field, path), path});
    }
  }
  return out;
}

// A token as tokenizer_config.json writes it: text, or {"content": text}.
const Json& token_text(const Json& value) { return value.is_object() ? value["content"] : value; }

}  // namespace

std::vector<TemplateSource> chat_templates(const Checkpoint& c) {
  return c.is_gguf() ? gguf_templates(*c.gguf, c.path) : folder_templates(c.path);
}

const TemplateSource& choose_template(const std::vector<TemplateSource>& templates, bool has_tools, const std::string& path) {
  const auto named = [&](std::string_view name) -> const TemplateSource* {
    for (const TemplateSource& t : templates) {
      if (t.name == name) return &t;
    }
    return nullptr;
  };
  if (templates.empty()) fail(path, ": this model has no chat template; give one with --template, or complete plain text with --raw");
  if (has_tools) {
    if (const TemplateSource* t = named("tool_use")) return *t;
  }
  if (const TemplateSource* t = named("default")) return *t;
  if (templates.size() == 1) return templates[0];
  std::string names;
  for (const TemplateSource& t : templates) names += cat(names.empty() ? "" : ", ", t.name);
  fail(path, ": this model has several chat templates and none is named default: ", names, "; give one with --template");
}

JsonObject special_tokens(const Checkpoint& c) {
  JsonObject out;
  if (c.is_gguf()) {
    const auto tokens = c.gguf->texts("tokenizer.ggml.tokens");
    const std::pair<const char*, const char*> names[] = {{"bos_token", "tokenizer.ggml.bos_token_id"},
                                                         {"eos_token", "tokenizer.ggml.eos_token_id"},
                                                         {"unk_token", "tokenizer.ggml.unknown_token_id"},
                                                         {"pad_token", "tokenizer.ggml.padding_token_id"}};
    for (const auto& [name, key] : names) {
      const Json& id = c.meta.values[key];
      if (!tokens || !id.is_integer()) continue;
      if (id.as_integer() < 0 || static_cast<std::size_t>(id.as_integer()) >= tokens->size()) {
        fail(c.path, ": ", key, ": ", id.as_integer(), " is no token of the vocabulary");
      }
      out[name] = std::string((*tokens)[static_cast<std::size_t>(id.as_integer())]);
    }
    return out;
  }
  // The older file first: what tokenizer_config.json says wins, null included.
  for (const char* file : {"special_tokens_map.json", "tokenizer_config.json"}) {
    const Json config = read_object(join_path(c.path, file));
    if (!config.is_object()) continue;
    for (const auto& [key, value] : config.as_object().entries()) {
      if (!key.ends_with("_token")) continue;
      const Json& text = token_text(value);
      if (text.is_string()) out[key] = text.as_string();
      if (value.is_null()) out.erase(key);
    }
  }
  return out;
}

}  // namespace tashika
