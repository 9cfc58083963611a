#include "checkpoint/generation_defaults.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "io/gguf.h"

namespace tashika {
namespace {

constexpr std::uint64_t max_file = 1 << 20;

Json generation_config(const Checkpoint& c, std::string& path) {
  path = join_path(c.path, "generation_config.json");
  if (c.is_gguf() || file_type(path) != FileType::regular) return {};
  Json json = parse_json(read_file(path, max_file), path);
  if (!json.is_object()) fail(path, ": expected an object, found ", json_type_name(json.type()));
  return json;
}

void add_ids(std::vector<std::int32_t>& out, const Json& value, std::string_view where) {
  const auto add = [&](const Json& id) {
    if (!id.is_integer() || id.as_integer() < -1 || id.as_integer() > 0x7FFFFFFF) fail(where, ": expected a token id or a list of them");
    if (id.as_integer() >= 0) out.push_back(static_cast<std::int32_t>(id.as_integer()));
  };
  if (value.is_null()) return;
  if (value.is_array()) {
    for (const Json& id : value.as_array()) add(id);
  } else {
    add(value);
  }
}

// Control tokens that end a turn in published vocabularies: converters often name only one of them.
constexpr std::array<std::string_view, 12> turn_ends = {"<|eot_id|>",    "<|im_end|>",      "<|end|>",         "<end_of_turn>",
                                                         "<|endoftext|>", "<|eom_id|>",      "<EOT>",           "<|END_OF_TURN_TOKEN|>",
                                                         "<|end_of_text|>", "<|return|>",    "<|eot|>",         "<end_of_utterance>"};

void add_gguf(std::vector<std::int32_t>& out, const Checkpoint& c) {
  for (const char* key : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    const std::string full = cat("tokenizer.ggml.", key);
    add_ids(out, c.meta.values[full], cat(c.path, ": ", full));
  }
  const auto tokens = c.gguf->texts("tokenizer.ggml.tokens");
  const auto types = c.gguf->integers("tokenizer.ggml.token_type");
  if (!tokens || !types || types->size() != tokens->size()) return;
  constexpr std::int64_t control = 3, user_defined = 4;
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const std::int64_t type = (*types)[i];
    if ((type == control || type == user_defined) && std::ranges::find(turn_ends, (*tokens)[i]) != turn_ends.end()) {
      out.push_back(static_cast<std::int32_t>(i));
    }
  }
}

}  // namespace

std::vector<std::int32_t> end_tokens(const Checkpoint& c) {
  std::vector<std::int32_t> out;
  if (c.is_gguf()) {
    add_gguf(out, c);
  } else {
    std::string path;
    const Json config = generation_config(c, path);
    if (config["eos_token_id"].is_null()) {
      add_ids(out, c.meta.values["eos_token_id"], cat(c.meta.origin, ": eos_token_id"));
    } else {
      add_ids(out, config["eos_token_id"], cat(path, ": eos_token_id"));
    }
  }
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());  // clang 14 cannot read std::ranges::unique of GCC 12
  return out;
}

SamplingDefaults sampling_defaults(const Checkpoint& c) {
  // Their names and ours.
  constexpr std::pair<std::string_view, std::string_view> hf[] = {
      {"temperature", "temp"}, {"top_k", "top_k"}, {"top_p", "top_p"}, {"min_p", "min_p"}, {"typical_p", "typical"}, {"repetition_penalty", "repeat_penalty"}};
  constexpr std::pair<std::string_view, std::string_view> gguf[] = {{"general.sampling.temp", "temp"},
                                                                    {"general.sampling.top_k", "top_k"},
                                                                    {"general.sampling.top_p", "top_p"},
                                                                    {"general.sampling.min_p", "min_p"},
                                                                    {"general.sampling.penalty_repeat", "repeat_penalty"},
                                                                    {"general.sampling.penalty_last_n", "repeat_last_n"},
                                                                    {"general.sampling.mirostat", "mirostat"},
                                                                    {"general.sampling.mirostat_tau", "mirostat_ent"},
                                                                    {"general.sampling.mirostat_eta", "mirostat_lr"}};
  SamplingDefaults out;
  const auto take = [&](const Json& from, auto& table) {
    for (const auto& [theirs, ours] : table) {
      if (const Json& value = from[theirs]; value.is_number()) out.values.set(ours, value);
    }
  };
  if (c.is_gguf()) {
    take(c.meta.values, gguf);
    out.source = c.path;
  } else {
    const Json config = generation_config(c, out.source);
    take(config, hf);
    // Greedy by the makers' wish.
    const Json& sample = config["do_sample"];
    if (sample.is_bool() && !sample.as_bool()) out.values = Json(), out.values.set("temp", 0.0);
  }
  if (out.values.is_null()) out.source.clear();
  return out;
}

}  // namespace tashika
