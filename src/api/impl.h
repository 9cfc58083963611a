// What a Model of the public library holds, and how errors of the inside become Failures.
#pragma once

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "decode/generation.h"
#include "tashika/tashika.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace tashika {

struct __attribute__((visibility("hidden"))) Model::Impl {
  std::unique_ptr<Runtime> rt;
  Checkpoint checkpoint;
  std::unique_ptr<LanguageModel> model;
  std::vector<std::int32_t> end;
  std::unique_ptr<const Tokenizer> tokenizer;  // null when the checkpoint has none

  // Error when there is none; opened at the first call.
  const Tokenizer& need_tokenizer() const;
  const ChatTemplate& need_template() const;
  std::string render(std::span<const Message> messages) const;

 private:
  mutable std::unique_ptr<ChatTemplate> template_;
  mutable std::optional<std::string> bos_, eos_;
};

GenerationOptions generation_options(const GenerateOptions& options);

// Steps the sequence to its end. The sequence has its prompt.
Answer answer(Model::Impl& impl, Sequence& sequence, const OnText& on_text);

// Calls the function; what it throws comes out as Failure.
template <typename Function>
auto guarded(Function&& function) -> decltype(function()) {
  try {
    return std::forward<Function>(function)();
  } catch (const Error& error) {
    throw Failure(error.message(), error.kind() == ErrorKind::cancelled);
  } catch (const std::bad_alloc&) {
    throw Failure("out of memory", false);
  }
}

}  // namespace tashika
