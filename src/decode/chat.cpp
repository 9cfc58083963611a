#include "decode/chat.h"

#include <chrono>

#include "base/error.h"

namespace tashika {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Json message(std::string_view role, std::string text) {
  Json out;
  out.set("role", role);
  out.set("content", std::move(text));
  return out;
}

bool is_system(const JsonArray& messages) { return !messages.empty() && messages[0]["role"] == Json("system"); }

}  // namespace

std::string PromptFormat::render(const Json& messages, bool add_generation_prompt) const {
  if (!chat) {
    const JsonArray& list = messages.as_array();
    return list.empty() ? std::string() : list.back()["content"].as_string();
  }
  ChatInput input;
  input.messages = messages;
  input.tools = tools;
  input.add_generation_prompt = add_generation_prompt;
  const auto text = [&](std::string_view name) -> std::optional<std::string> {
    const Json* value = special_tokens.find(name);
    return value ? std::optional<std::string>(value->as_string()) : std::nullopt;
  };
  input.bos_token = text("bos_token");
  input.eos_token = text("eos_token");
  for (const auto& [name, value] : special_tokens.entries()) {
    if (name != "bos_token" && name != "eos_token") input.variables[name] = value;
  }
  for (const auto& [name, value] : variables.entries()) input.variables[name] = value;
  return chat->render(input);
}

Conversation::Conversation(LanguageModel& model, Runtime& rt, const Tokenizer& tokenizer, const PromptFormat& format,
                           std::vector<std::int32_t> end_tokens, const GenerationOptions& options, std::int64_t chunk)
    : tokenizer_(tokenizer),
      format_(format),
      sequence_(model, rt, options, std::move(end_tokens), &tokenizer),
      generator_(model, rt, chunk) {}

void Conversation::set_messages(JsonArray messages) {
  for (const Json& m : messages) {
    if (!m["role"].is_string() || !m["content"].is_string()) fail("a message needs the strings \"role\" and \"content\"");
  }
  messages_ = std::move(messages);
  answering_ = false;
}

void Conversation::set_system(std::string text) {
  if (is_system(messages_)) messages_.erase(messages_.begin());
  if (!text.empty()) messages_.insert(messages_.begin(), message("system", std::move(text)));
}

void Conversation::clear() { messages_.erase(messages_.begin() + (is_system(messages_) ? 1 : 0), messages_.end()); }

void Conversation::configure(const GenerationOptions& options) { sequence_.configure(options); }

std::string Conversation::prompt_text() const { return format_.render(Json(messages_)); }

std::vector<TokenId> Conversation::prompt_tokens() const {
  const std::string text = prompt_text();
  if (format_.chat) return tokenizer_.encode_prompt(text);
  std::vector<TokenId> tokens = tokenizer_.encode(text);
  // A text that is to be continued has not ended.
  if (tokenizer_.adds_eos() && tokens.size() > 1 && tokens.back() == tokenizer_.eos()) tokens.pop_back();
  return tokens;
}

void Conversation::ask(std::string text) {
  messages_.push_back(message("user", std::move(text)));
  try {
    const std::vector<TokenId> tokens = prompt_tokens();
    stats_ = {};
    stats_.kept_tokens = sequence_.prompt(tokens);
    stats_.prompt_tokens = static_cast<std::int64_t>(tokens.size());
  } catch (...) {
    messages_.pop_back();
    throw;
  }
  answer_.clear();
  answering_ = true;
  started_ = first_ = now();
}

std::optional<TokenEvent> Conversation::next() {
  if (!answering_) return std::nullopt;
  std::optional<TokenEvent> event = generator_.next(sequence_);
  if (!event) {
    end_answer();
    return event;
  }
  if (stats_.answer_tokens++ == 0) first_ = now();
  answer_ += event->text;
  if (event->finish != Finish::none) end_answer();
  return event;
}

void Conversation::stop() {
  if (answering_) end_answer();
}

void Conversation::end_answer() {
  answering_ = false;
  const double end = now();
  stats_.finish = sequence_.finished();
  stats_.dropped = sequence_.dropped();
  stats_.prompt_seconds = (stats_.answer_tokens > 0 ? first_ : end) - started_;
  stats_.answer_seconds = stats_.answer_tokens > 0 ? end - first_ : 0;
  messages_.push_back(message("assistant", answer_));
}

}  // namespace tashika
