#include "serve/engine/model.h"

#include <algorithm>
#include <ctime>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/tokenizer_files.h"

namespace tashika::serve {
namespace {

// A model that states no context gets this one.
constexpr std::int64_t plain_context = 4096;

}  // namespace

std::string model_id(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  std::string_view name = file_name(path);
  if (name.ends_with(".gguf")) name.remove_suffix(5);
  return std::string(name);
}

const Tokenizer& ServedModel::text() const {
  if (!tokenizer) fail("this model has no tokenizer (", no_tokenizer, "): give token ids");
  return *tokenizer;
}

std::string ServedModel::render(const Json& messages, const Json& tools, bool add_generation_prompt, const JsonObject& variables) const {
  if (templates.empty()) fail("the model \"", id, "\" has no chat template, and none is made up: use /v1/completions, or a model with chat_template.jinja");
  const TemplateSource& chosen = choose_template(templates, !tools.is_null(), id);
  const std::optional<ChatTemplate>& chat = parsed_[static_cast<std::size_t>(&chosen - templates.data())];
  ChatInput input;
  input.messages = messages;
  input.tools = tools;
  input.add_generation_prompt = add_generation_prompt;
  for (const auto& [name, value] : special.entries()) {
    if (name == "bos_token") {
      input.bos_token = value.as_string();
    } else if (name == "eos_token") {
      input.eos_token = value.as_string();
    } else {
      input.variables[name] = value;
    }
  }
  for (const auto& [name, value] : variables.entries()) input.variables[name] = value;
  return chat->render(input);
}

std::shared_ptr<ServedModel> open_model(const std::string& id, const std::string& path, Runtime& rt, std::int64_t context, std::int64_t budget) {
  auto out = std::make_shared<ServedModel>();
  out->id = id;
  out->path = path;
  out->created = static_cast<std::int64_t>(std::time(nullptr));
  out->checkpoint = open_checkpoint(path);
  out->network = load_language_model(out->checkpoint, rt);
  try {
    out->tokenizer.emplace(load_tokenizer(out->checkpoint));
  } catch (const Error& error) {
    out->no_tokenizer = error.message();
  }
  out->ends = end_tokens(out->checkpoint);
  if (out->tokenizer) {
    if (const std::optional<TokenId> eos = out->tokenizer->eos(); eos && !std::ranges::binary_search(out->ends, *eos)) {
      out->ends.insert(std::ranges::upper_bound(out->ends, *eos), *eos);
    }
    for (TokenId token = 0; token < out->tokenizer->id_limit(); ++token) {
      out->longest_token = std::max(out->longest_token, static_cast<std::int64_t>(out->tokenizer->token(token).size()));
    }
  }
  out->defaults = sampling_defaults(out->checkpoint);
  out->special = special_tokens(out->checkpoint);
  out->templates = chat_templates(out->checkpoint);
  for (const TemplateSource& source : out->templates) {
    out->parsed_.emplace_back(std::in_place, source.source, source.origin);
  }
  const std::int64_t own = out->network->info().context;
  out->context = context > 0 ? context : own > 0 ? own : plain_context;

  out->state_budget = budget;
  out->state.pool = std::make_shared<PagePool>(rt, budget);
  const std::unique_ptr<SequenceState> probe = out->network->new_state(rt, out->state);
  for (std::size_t i = 0; i < probe->layer_count(); ++i) {
    const auto* cache = dynamic_cast<const PagedCache*>(&probe->layer(i));
    const bool free = cache != nullptr ? cache->window() == 0 : dynamic_cast<const TokenRecord*>(&probe->layer(i)) != nullptr;
    if (!free) out->rolls_back = false;
    if (cache != nullptr) out->page_bytes += cache->layout().page_bytes();
  }
  if (budget > 0 && out->page_bytes > 0) {
    const std::int64_t most = (budget / out->page_bytes - 1) * page_positions;
    if (most < page_positions) fail_with(ErrorKind::limit, cat("--max-memory leaves ", budget, " bytes for sequences, not enough for one of ", id));
    out->context = std::min(out->context, most);
  }
  return out;
}

}  // namespace tashika::serve
