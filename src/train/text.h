// From text to training rows, by the model's own tokenizer and chat template.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/rows.h"

namespace tashika {

class TextRows {
 public:
  // Opens the tokenizer (Error when there is none) and the template (when a conversation needs it).
  TextRows(const Checkpoint& checkpoint, LossOn loss_on);

  // {"text": …}, {"prompt": …, "completion": …} or {"messages": […], "tools": […]}. `where` stands in errors.
  TrainingRow row(const Json& value, const std::string& where) const;
  TrainingRow plain(std::string_view text) const;
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  TrainingRow conversation(const Json& value, const std::string& where) const;
  Tokenizer tokenizer_;
  std::unique_ptr<ChatTemplate> template_;
  std::string template_error_;  // why there is none
  ChatInput base_;              // special tokens
  LossOn loss_on_;
};

}  // namespace tashika
