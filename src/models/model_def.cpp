#include "models/model_def.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace tashika {

bool match_pattern(std::string_view pattern, std::string_view name, PatternMatch& match) {
  match = {};
  std::size_t at = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '*' && i + 1 == pattern.size()) {
      match.tail = name.substr(std::min(at, name.size()));
      return true;
    }
    if (pattern.substr(i, 2) == "{}") {
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(name.data() + at, name.data() + name.size(), number);
      if (error != std::errc() || number < 0) return false;
      match.numbers.push_back(number);
      at = static_cast<std::size_t>(end - name.data());
      ++i;
      continue;
    }
    if (at >= name.size() || name[at] != pattern[i]) return false;
    ++at;
  }
  return at == name.size();
}

std::string fill_pattern(std::string_view pattern, const PatternMatch& match) {
  std::string out;
  std::size_t used = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern.substr(i, 2) == "{}" && used < match.numbers.size()) {
      out += std::to_string(match.numbers[used++]);
      ++i;
    } else if (pattern[i] == '*' && i + 1 == pattern.size()) {
      out += match.tail;
    } else {
      out += pattern[i];
    }
  }
  return out;
}

const WeightInfo* find_source(const Bindings& bindings, const WeightSource& weights, std::string_view param) {
  if (bindings.own_names) {
    if (const WeightInfo* info = weights.find(param)) return info;
  }
  for (const BindRule& rule : bindings.rules) {
    PatternMatch match;
    if (!match_pattern(rule.param, param, match)) continue;
    if (const WeightInfo* info = weights.find(fill_pattern(rule.source, match))) return info;
  }
  return nullptr;
}

std::string architecture(const Metadata& meta) {
  if (meta.format == Metadata::Format::gguf) {
    const Json* name = meta.values.find("general.architecture");
    return name && name->is_string() ? name->as_string() : "";
  }
  const Json* list = meta.values.find("architectures");
  if (list && list->is_array() && !list->as_array().empty() && list->as_array()[0].is_string()) return list->as_array()[0].as_string();
  return "";
}

bool is_backbone(const Metadata& meta) {
  if (meta.format != Metadata::Format::hf) return false;
  const std::string arch = architecture(meta);
  return arch.ends_with("Model") && !arch.ends_with("LMHeadModel");
}

const ModelDef& find_model(const Metadata& meta) {
  const ModelDef* found = nullptr;
  std::string claimed, known;
  for (const ModelFile* file : model_files()) {
    for (const ModelDef& record : file->records) {
      known += cat(known.empty() ? "" : ", ", record.name);
      if (!record.claims(meta)) continue;
      claimed += cat(claimed.empty() ? "" : ", ", record.name);
      if (found != nullptr) fail(meta.origin, ": several model families claim this checkpoint: ", claimed);
      found = &record;
    }
  }
  if (found == nullptr) {
    const std::string arch = architecture(meta);
    const Json& type = meta.values["model_type"];
    fail(meta.origin, ": no model family claims this checkpoint (architecture \"", arch, "\"",
         type.is_string() ? cat(", model_type \"", type.as_string(), "\"") : std::string(), "); supported: ", known);
  }
  return *found;
}

}  // namespace tashika
