// Log-probabilities as OpenAI's two surfaces spell them. They are of the model's own logits, one for every token.
#pragma once

#include <vector>

#include "decode/generation.h"
#include "serve/engine/model.h"

namespace tashika::serve {

// Of /v1/chat/completions: {"token", "logprob", "bytes", "top_logprobs"}.
Json chat_logprob(const ServedModel& model, const TokenEvent& event);

// Of /v1/completions: parallel lists, with offsets in code points of the text that the tokens' own texts make.
class CompletionLogprobs {
 public:
  void add(const ServedModel& model, const TokenEvent& event);
  Json take();  // what was added since the last call

 private:
  JsonArray tokens_, values_, tops_, offsets_;
  std::int64_t offset_ = 0;
};

}  // namespace tashika::serve
