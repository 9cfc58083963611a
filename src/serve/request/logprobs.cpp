#include "serve/request/logprobs.h"

#include "serve/request/generation.h"

namespace tashika::serve {
namespace {

Json one(const ServedModel& model, std::int32_t id, float logprob) {
  const std::string bytes = token_bytes(model, id);
  JsonArray list;
  for (const char c : bytes) list.emplace_back(static_cast<std::int64_t>(static_cast<unsigned char>(c)));
  Json out;
  out.set("token", token_text(model, id));
  out.set("logprob", static_cast<double>(logprob));
  out.set("bytes", std::move(list));
  return out;
}

}  // namespace

Json chat_logprob(const ServedModel& model, const TokenEvent& event) {
  Json out = one(model, event.id, event.logprob);
  JsonArray top;
  for (const TokenLogprob& t : event.top) top.push_back(one(model, t.id, t.logprob));
  out.set("top_logprobs", std::move(top));
  return out;
}

void CompletionLogprobs::add(const ServedModel& model, const TokenEvent& event) {
  const std::string text = token_text(model, event.id);
  Json top = JsonObject();
  for (const TokenLogprob& t : event.top) {
    const std::string key = token_text(model, t.id);
    if (!top.contains(key)) top.set(key, static_cast<double>(t.logprob));
  }
  if (!top.contains(text)) top.set(text, static_cast<double>(event.logprob));
  tokens_.emplace_back(text);
  values_.emplace_back(static_cast<double>(event.logprob));
  tops_.push_back(std::move(top));
  offsets_.emplace_back(offset_);
  for (const char c : text) offset_ += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
}

Json CompletionLogprobs::take() {
  Json out;
  out.set("tokens", std::move(tokens_));
  out.set("token_logprobs", std::move(values_));
  out.set("top_logprobs", std::move(tops_));
  out.set("text_offset", std::move(offsets_));
  tokens_ = {}, values_ = {}, tops_ = {}, offsets_ = {};
  return out;
}

}  // namespace tashika::serve
