#include "serve/request/generation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <random>

#include "base/error.h"
#include "base/options.h"
#include "text/utf8.h"

namespace tashika::serve {
namespace {

constexpr std::size_t max_stops = 16, max_stop_bytes = 256, max_biases = 1000;
constexpr std::int64_t max_sequences = 64;  // of one request

}  // namespace

Draft make_draft(const ServedModel& model, const Json& body, std::span<const Field> fields) {
  Draft draft;
  Options options;
  describe(options, draft.options);
  if (model.defaults.values.is_object()) {
    for (const auto& [name, value] : model.defaults.values.as_object().entries()) {
      Option* option = options.find_name(name);
      if (option == nullptr) continue;
      try {
        option->set_json(value, name);
        draft.from_model.push_back(name);
      } catch (const Error&) {
        continue;  // a file's odd default is no fault of the request
      }
    }
  }
  for (const Field& field : fields) {
    const Json& value = body[field.name];
    if (field.option.empty() || value.is_null() || field.support != Support::honoured) continue;
    Option* option = options.find_name(field.option);
    check(option != nullptr, "a field names an option that the engine does not have");
    try {
      option->set_json(value, field.name);
    } catch (const Error& error) {
      throw ApiError(400, error.message(), std::string(field.name));
    }
    std::erase(draft.from_model, option->name());
  }
  draft.options.context = model.context;
  try {
    check(draft.options.sampling);
  } catch (const Error& error) {
    throw ApiError(400, error.message());
  }
  return draft;
}

namespace {

std::vector<std::int32_t> ids_of(const ServedModel& model, const JsonArray& list, std::string_view name) {
  std::vector<std::int32_t> out;
  out.reserve(list.size());
  const std::int64_t vocab = model.network->info().vocab;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_integer()) throw ApiError(400, cat(name, "[", i, "]: expected a token id, found ", json_type_name(list[i].type())), std::string(name));
    const std::int64_t id = list[i].as_integer();
    if (id < 0 || id >= vocab) throw ApiError(400, cat(name, "[", i, "]: token id ", id, " is out of range: this model has ids 0 to ", vocab - 1), std::string(name));
    out.push_back(static_cast<std::int32_t>(id));
  }
  return out;
}

[[noreturn]] void too_long(std::int64_t context, const std::string& has, std::string_view name) {
  throw ApiError(400, cat("This model's maximum context length is ", context, " tokens. However, ", has, ". Please shorten it, or start the server with a larger -c."),
                 std::string(name), "context_length_exceeded");
}

// A text that no tokenizer could bring under the context is refused before it is cut into tokens.
void check_bytes(const ServedModel& model, std::size_t bytes, std::string_view name) {
  if (static_cast<double>(bytes) > static_cast<double>(model.context) * static_cast<double>(model.longest_token)) {
    too_long(model.context, cat("the prompt has ", bytes, " bytes, more than that many tokens can stand for"), name);
  }
}

std::vector<std::int32_t> text_tokens(const ServedModel& model, const std::string& text, std::string_view name) {
  check_bytes(model, text.size(), name);
  const Tokenizer& tokenizer = model.text();
  std::vector<std::int32_t> ids = tokenizer.encode(text);
  // A text that is to be continued has not ended.
  if (tokenizer.adds_eos() && ids.size() > 1 && ids.back() == tokenizer.eos()) ids.pop_back();
  return ids;
}

}  // namespace

std::vector<std::int32_t> conversation_tokens(const ServedModel& model, const std::string& text) {
  check_bytes(model, text.size(), "messages");
  return model.text().encode_prompt(text);
}

std::vector<std::vector<std::int32_t>> prompts_of(const ServedModel& model, const Json& prompt, std::string_view name) {
  std::vector<std::vector<std::int32_t>> out;
  if (prompt.is_string()) {
    out.push_back(text_tokens(model, prompt.as_string(), name));
  } else if (prompt.is_array()) {
    const JsonArray& list = prompt.as_array();
    if (list.empty()) throw ApiError(400, cat("\"", name, "\" is an empty array"), std::string(name));
    if (list[0].is_number()) {
      out.push_back(ids_of(model, list, name));
    } else {
      if (list.size() > static_cast<std::size_t>(max_sequences)) throw ApiError(400, cat(name, ": ", list.size(), " prompts; at most ", max_sequences), std::string(name));
      for (const Json& one : list) {
        if (one.is_string()) {
          out.push_back(text_tokens(model, one.as_string(), name));
        } else if (one.is_array()) {
          out.push_back(ids_of(model, one.as_array(), name));
        } else {
          throw ApiError(400, cat(name, ": expected a string, strings, token ids or arrays of token ids; found an array with ", json_type_name(one.type())), std::string(name));
        }
      }
    }
  } else {
    throw ApiError(400, cat(name, ": expected a string or an array, found ", json_type_name(prompt.type())), std::string(name));
  }
  for (const auto& ids : out) {
    if (ids.empty()) throw ApiError(400, cat("\"", name, "\" has no tokens: give some text, or ids"), std::string(name));
  }
  return out;
}

void check_context(const ServedModel& model, const std::vector<std::vector<std::int32_t>>& prompts, const GenerationOptions& options, std::string_view name) {
  if (options.overflow == OverflowPolicy::shift) return;
  for (const auto& ids : prompts) {
    if (static_cast<std::int64_t>(ids.size()) >= model.context) too_long(model.context, cat("the prompt has ", ids.size(), " tokens, which leaves no room for an answer"), name);
  }
}

std::vector<std::string> stop_strings(const Json& value, std::string_view name) {
  std::vector<std::string> out;
  if (value.is_null()) return out;
  const auto add = [&](const Json& text) {
    if (!text.is_string()) throw ApiError(400, cat(name, ": expected a string or an array of strings"), std::string(name));
    if (text.as_string().size() > max_stop_bytes) throw ApiError(400, cat(name, ": a stop string may have ", max_stop_bytes, " bytes"), std::string(name));
    if (!text.as_string().empty()) out.push_back(text.as_string());
  };
  if (value.is_array()) {
    if (value.as_array().size() > max_stops) throw ApiError(400, cat(name, ": at most ", max_stops, " stop strings"), std::string(name));
    for (const Json& text : value.as_array()) add(text);
  } else {
    add(value);
  }
  return out;
}

void read_logit_bias(const ServedModel& model, const Json& value, GenerationOptions& options) {
  if (value.is_null()) return;
  const auto wrong = [](const std::string& message) { throw ApiError(400, cat("logit_bias: ", message), "logit_bias"); };
  if (!value.is_object()) wrong("expected an object of token ids and numbers");
  if (value.as_object().size() > max_biases) wrong(cat("at most ", max_biases, " tokens"));
  for (const auto& [key, bias] : value.as_object().entries()) {
    std::int64_t id = -1;
    try {
      id = parse_integer(key, "logit_bias");
    } catch (const Error&) {
      wrong(cat("\"", printable(key), "\" is no token id"));
    }
    if (id < 0 || id >= model.network->info().vocab) wrong(cat(id, " is out of range: this model has ids 0 to ", model.network->info().vocab - 1));
    if (!bias.is_number()) wrong(cat(key, ": expected a number, found ", json_type_name(bias.type())));
    const double number = bias.as_double();
    if (number < -100 || number > 100) wrong(cat(key, ": out of range, -100 to 100"));
    // As OpenAI words it, -100 bans a token and 100 makes it the only choice.
    options.sampling.logit_bias[static_cast<std::int32_t>(id)] = number <= -100 ? -1e30f : number >= 100 ? 1e30f : static_cast<float>(number);
  }
}

void submit(Service& service, const ExchangeRef& exchange, const std::shared_ptr<Work>& work) {
  const auto count = static_cast<std::int64_t>(work->prompts.size()) * work->n;
  if (count > max_sequences) throw ApiError(400, cat("n: ", work->prompts.size(), " prompts times n are more than ", max_sequences, " answers"), "n");
  work->holder = exchange->holder();
  // One seed for all its answers, told in the timings.
  if (work->options.sampling.seed < 0) work->options.sampling.seed = static_cast<std::int64_t>(std::random_device{}() & 0x7FFFFFFF);
  work->paused = [exchange] { return exchange->backlog() > WireLimits{}.backlog_bytes; };
  if (!service.scheduler.submit(work)) {
    ApiError busy(503, "the server has too many requests waiting; try again later", {}, "overloaded");
    busy.headers.emplace_back("Retry-After", "2");
    throw busy;
  }
  exchange->on_close([weak = std::weak_ptr<Work>(work), &scheduler = service.scheduler] {
    if (const auto gone = weak.lock()) {
      gone->cancelled = true;
      scheduler.wake();
    }
  });
}

std::string random_id(std::string_view prefix) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  constexpr std::string_view letters = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string out(prefix);
  for (int i = 0; i < 24; ++i) out += letters[random() % letters.size()];
  return out;
}

std::int64_t unix_time() { return static_cast<std::int64_t>(std::time(nullptr)); }

std::string_view openai_finish(Finish finish) { return finish == Finish::length || finish == Finish::context ? "length" : "stop"; }

std::string token_bytes(const ServedModel& model, std::int32_t id) {
  if (!model.tokenizer || id >= model.tokenizer->id_limit()) return {};
  return model.tokenizer->token_bytes(id);
}

std::string token_text(const ServedModel& model, std::int32_t id) { return utf8::replace_invalid(token_bytes(model, id)); }

Json usage_json(const WorkStats& stats) {
  Json usage, details;
  usage.set("prompt_tokens", stats.prompt_tokens);
  usage.set("completion_tokens", stats.answer_tokens);
  usage.set("total_tokens", stats.prompt_tokens + stats.answer_tokens);
  details.set("cached_tokens", stats.cached_tokens);
  usage.set("prompt_tokens_details", std::move(details));
  return usage;
}

Json timings_json(const WorkStats& stats) {
  const auto per_second = [](std::int64_t n, double seconds) { return seconds > 0 ? static_cast<double>(n) / seconds : 0.0; };
  Json out;
  const std::int64_t computed = stats.prompt_tokens - stats.cached_tokens;
  out.set("cache_n", stats.cached_tokens);
  out.set("cache_broken_at", stats.cache_broken_at < 0 ? Json() : Json(stats.cache_broken_at));
  out.set("prompt_n", computed);
  out.set("queue_ms", stats.queue_seconds * 1e3);
  out.set("prompt_ms", stats.prompt_seconds * 1e3);
  out.set("prompt_per_second", per_second(computed, stats.prompt_seconds));
  out.set("predicted_n", stats.answer_tokens);
  out.set("predicted_ms", stats.answer_seconds * 1e3);
  out.set("predicted_per_second", per_second(stats.answer_tokens - 1, stats.answer_seconds));
  out.set("seed", std::to_string(stats.seed));
  return out;
}

Json ids_json(std::span<const std::int32_t> ids) {
  JsonArray out;
  for (const std::int32_t id : ids) out.emplace_back(std::int64_t{id});
  return Json(std::move(out));
}

std::string sse(const Json& value) { return cat("data: ", dump_json(value), "\n\n"); }

std::string sse(std::string_view event, const Json& value) { return cat("event: ", event, "\ndata: ", dump_json(value), "\n\n"); }

}  // namespace tashika::serve
