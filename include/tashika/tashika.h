// Tashika for other people's programs: load a model, generate, chat, embed, tokenise.
//
//   tashika::Model model("path/to/model");            // a Hugging Face folder or a .gguf file
//   tashika::Answer a = model.generate("Once upon a time", {.max_tokens = 64});
//   std::puts(a.text.c_str());
//
// Everything that can go wrong is thrown as tashika::Failure; nothing here ends the process. A Model and its Chats are
// used by one thread at a time, except cancel(). Different Models are independent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tashika/export.h"

namespace tashika {
inline namespace v0 {

// A model, file, option or request was wrong, a budget was passed, or cancel() was called. what() says which and where.
class TASHIKA_API Failure : public std::runtime_error {
 public:
  Failure(const std::string& message, bool was_cancelled) : std::runtime_error(message), cancelled(was_cancelled) {}
  ~Failure() override;
  bool cancelled;
};

// "0.1.0"
TASHIKA_API const char* version();

struct LoadOptions {
  int threads = 0;             // 0: the cores that this process may use
  bool exact = false;          // all arithmetic in f32 on widened weights: slow, for checking
  std::string device = "cpu";  // or "ref", the plain reference
};

// The defaults are those of `tashika run`.
struct GenerateOptions {
  std::int64_t max_tokens = -1;  // -1: until the text ends or the context is full
  std::int64_t context = 0;      // positions; 0: the model's
  float temperature = 0.8f;      // 0: always the likeliest token
  int top_k = 40;
  float top_p = 0.95f;
  float min_p = 0.05f;
  float repeat_penalty = 1.0f;
  std::int64_t seed = -1;         // at least 0: reproducible
  std::vector<std::string> stop;  // texts that end the answer; they are not part of it
};

struct Answer {
  std::string text;
  std::vector<std::int32_t> ids;  // the token that ended the text included
  std::string finish;             // "end", "stop", "length", "context", or "caller" when the callback said so
  std::int64_t prompt_tokens = 0;
};

// Gets each piece of text (whole characters) as it is made; returns false to end the answer.
using OnText = std::function<bool(std::string_view piece)>;

struct Message {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

struct ModelInfo {
  std::string family;        // of the architecture, as `tashika show` names it
  std::int64_t vocabulary = 0;  // ids below it are valid
  std::int64_t width = 0;    // of a hidden state
  std::int64_t layers = 0;
  std::int64_t context = 0;  // positions the model was made for; 0: not stated
};

class TASHIKA_API Model {
 public:
  // `model`: a folder, a .gguf file, org/name[:quant] in the local Hugging Face cache, or the built-in model's name.
  explicit Model(const std::string& model, const LoadOptions& options = {});
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  ModelInfo info() const;

  // Text to token ids; with `special` what the model wants before and after a text is added. And back, bytes exact.
  std::vector<std::int32_t> tokenize(std::string_view text, bool special = true) const;
  std::string detokenize(std::span<const std::int32_t> ids, bool skip_special = false) const;

  // Continues a text, or token ids (for which no tokenizer is needed; the answer then has ids only).
  Answer generate(std::string_view prompt, const GenerateOptions& options = {}, const OnText& on_text = {});
  Answer generate(std::span<const std::int32_t> ids, const GenerateOptions& options = {});

  // What belongs between two texts, by models trained for it. `suffix_first`: the order suffix, prefix, middle.
  Answer infill(std::string_view prefix, std::string_view suffix, const GenerateOptions& options = {}, const OnText& on_text = {},
                bool suffix_first = false);

  // The prompt text that the model's chat template makes of a conversation.
  std::string render(std::span<const Message> messages) const;

  // Logits of every position, row by row: [ids, vocabulary].
  std::vector<float> logits(std::span<const std::int32_t> ids);
  // Last hidden states, [ids, width].
  std::vector<float> hidden(std::span<const std::int32_t> ids);
  // The mean of a text's last hidden states, of length 1: [width].
  std::vector<float> embed(std::string_view text);

  // From any thread: the call that runs now throws Failure with `cancelled` set, soon. The model stays usable.
  void cancel();

  struct Impl;  // of the library itself

 private:
  friend class Chat;
  std::unique_ptr<Impl> impl_;
};

// A conversation. What the model has read stays in memory, so that each turn costs its own tokens only.
class TASHIKA_API Chat {
 public:
  // The model must outlive the chat. `system`: the first message, when not empty.
  explicit Chat(Model& model, std::string_view system = {}, const GenerateOptions& options = {});
  ~Chat();
  Chat(Chat&&) noexcept;
  Chat& operator=(Chat&&) noexcept;

  // Adds the user's message and the answer to the conversation. On a Failure the conversation is as before.
  Answer say(std::string_view text, const OnText& on_text = {});

  const std::vector<Message>& messages() const;
  void clear();  // back to the system message

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace v0
}  // namespace tashika
