// From a checked request to work for the scheduler: what all the surfaces that generate text have in common.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serve/service.h"

namespace tashika::serve {

// Fields that every surface that generates takes under the engine's own names (llama.cpp's).
inline constexpr std::array sampling_fields = std::to_array<Field>({
    {"top_k", Kind::integer, "keep the N likeliest tokens; 0: all", 0, 1e9, Support::honoured, "top_k"},
    {"min_p", Kind::number, "drop tokens less likely than P times the likeliest", 0, 1, Support::honoured, "min_p"},
    {"typical_p", Kind::number, "keep tokens of typical surprise up to P", 1e-6, 1, Support::honoured, "typical"},
    {"repeat_penalty", Kind::number, "divide the logits of tokens seen; 1: off", 1e-3, 10, Support::honoured, "repeat_penalty"},
    {"repetition_penalty", Kind::number, "the same as repeat_penalty", 1e-3, 10, Support::honoured, "repeat_penalty"},
    {"repeat_last_n", Kind::integer, "tokens that the penalties look back on; -1: all", -1, 1e9, Support::honoured, "repeat_last_n"},
    {"dry_multiplier", Kind::number, "strength of DRY; 0: off", 0, 100, Support::honoured, "dry_multiplier"},
    {"dry_base", Kind::number, "growth of DRY's penalty", 1, 100, Support::honoured, "dry_base"},
    {"dry_allowed_length", Kind::integer, "repetitions up to this length are free", 0, 1e9, Support::honoured, "dry_allowed_length"},
    {"dry_penalty_last_n", Kind::integer, "tokens that DRY looks back on", -1, 1e9, Support::honoured, "dry_penalty_last_n"},
    {"mirostat", Kind::integer, "2: hold the surprise of the text constant; 0: off", 0, 2, Support::honoured, "mirostat"},
    {"mirostat_tau", Kind::number, "Mirostat's target surprise", 0, 100, Support::honoured, "mirostat_ent"},
    {"mirostat_eta", Kind::number, "Mirostat's learning rate", 0, 100, Support::honoured, "mirostat_lr"},
    {"ignore_eos", Kind::truth, "an end token does not end the text", 0, 0, Support::honoured, "ignore_eos"},
    {"on_overflow", Kind::text, "error, or shift: drop the oldest tokens when the context is full", 0, 0, Support::honoured, "on_overflow"},
    {"n_keep", Kind::integer, "tokens at the start that a shift keeps; -1: the prompt", -1, 1e9, Support::honoured, "keep"},
    {"cache_prompt", Kind::truth, "reuse what is cached of the prompt; true unless said"},
    {"return_token_ids", Kind::truth, "give the ids of the prompt and of the answer"},
});

template <std::size_t... N>
constexpr auto join_fields(const std::array<Field, N>&... parts) {
  std::array<Field, (N + ...)> out{};
  std::size_t at = 0;
  const auto add = [&](const auto& part) {
    for (const Field& field : part) out[at++] = field;
  };
  (add(parts), ...);
  return out;
}

// A request's options: the defaults of the server, then the model's own, then the request's.
struct Draft {
  GenerationOptions options;
  std::vector<std::string> from_model;  // options that the model's makers set
};
Draft make_draft(const ServedModel& model, const Json& body, std::span<const Field> fields);

// "prompt" as text, texts, ids or lists of ids. ApiError(400) naming `name`.
std::vector<std::vector<std::int32_t>> prompts_of(const ServedModel& model, const Json& prompt, std::string_view name);
// A rendered conversation as ids.
std::vector<std::int32_t> conversation_tokens(const ServedModel& model, const std::string& text);
// ApiError(400, context_length_exceeded) when a prompt leaves no room.
void check_context(const ServedModel& model, const std::vector<std::vector<std::int32_t>>& prompts, const GenerationOptions& options, std::string_view name);

std::vector<std::string> stop_strings(const Json& value, std::string_view name);
void read_logit_bias(const ServedModel& model, const Json& value, GenerationOptions& options);

// Hands the work over: its client's leaving cancels it, its client's slowness pauses it. ApiError(503) when the queue
// is full.
void submit(Service& service, const ExchangeRef& exchange, const std::shared_ptr<Work>& work);

std::string random_id(std::string_view prefix);
std::int64_t unix_time();
std::string_view openai_finish(Finish finish);  // "stop", "length"
// What a token stands for: text with U+FFFD where its bytes are no UTF-8, and the bytes.
std::string token_text(const ServedModel& model, std::int32_t id);
std::string token_bytes(const ServedModel& model, std::int32_t id);

Json usage_json(const WorkStats& stats);
Json timings_json(const WorkStats& stats);
Json ids_json(std::span<const std::int32_t> ids);

// Server-sent events.
std::string sse(const Json& value);
std::string sse(std::string_view event, const Json& value);

}  // namespace tashika::serve
