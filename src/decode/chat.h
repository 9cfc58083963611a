// A conversation with a model: messages, the template that makes them a prompt, and the answer.
//
// What the state holds of a prompt is kept from turn to turn: only what differs from the tokens
// before is computed again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "decode/generation.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace tashika {

// How messages become prompt text; empty template: the last message as it is (plain completion).
struct PromptFormat {
  std::optional<ChatTemplate> chat;
  JsonObject special_tokens;  // bos_token, eos_token, …
  JsonObject variables;       // further ones; they win
  Json tools;
  // Throws Error when the template does.
  std::string render(const Json& messages, bool add_generation_prompt = true) const;
};

struct AnswerStats {
  std::int64_t prompt_tokens = 0;
  std::int64_t kept_tokens = 0;  // of the prompt, already in the state
  std::int64_t answer_tokens = 0;
  double prompt_seconds = 0;  // until the first token
  double answer_seconds = 0;  // after it
  Finish finish = Finish::none;
  std::int64_t dropped = 0;
};

class Conversation {
 public:
  // All that is passed by reference must outlive the conversation.
  Conversation(LanguageModel& model, Runtime& rt, const Tokenizer& tokenizer, const PromptFormat& format,
               std::vector<std::int32_t> end_tokens, const GenerationOptions& options, std::int64_t chunk);

  const JsonArray& messages() const { return messages_; }  // {"role", "content"}, the system's first
  void set_messages(JsonArray messages);
  void set_system(std::string text);  // empty: none
  void clear();                       // all but the system's
  void configure(const GenerationOptions& options);

  // The prompt as the next answer would see it.
  std::string prompt_text() const;
  std::vector<TokenId> prompt_tokens() const;

  // Adds the user's message and prepares the answer. On an error the message is taken back.
  void ask(std::string text);
  // The answer's next event; empty at its end. When the runtime is cancelled Error(cancelled) comes
  // out; stop() then keeps what there is.
  std::optional<TokenEvent> next();
  void stop();

  const AnswerStats& stats() const { return stats_; }
  const Sequence& sequence() const { return sequence_; }
  Generator& generator() { return generator_; }

 private:
  void end_answer();
  const Tokenizer& tokenizer_;
  const PromptFormat& format_;
  Sequence sequence_;
  Generator generator_;
  JsonArray messages_;
  std::string answer_;
  bool answering_ = false;
  AnswerStats stats_;
  double started_ = 0, first_ = 0;
};

}  // namespace tashika
