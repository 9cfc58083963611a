#include "train/text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "checkpoint/template_files.h"
#include "checkpoint/tokenizer_files.h"

namespace tashika {
namespace {

void append(TrainingRow& row, const std::vector<TokenId>& ids, bool learnt) {
  row.ids.insert(row.ids.end(), ids.begin(), ids.end());
  for (const TokenId id : ids) row.labels.push_back(learnt ? id : ignored_label);
}

const std::string& text_of(const Json& value, std::string_view key, const std::string& where) {
  const Json& text = value[key];
  if (!text.is_string()) fail(where, ": ", key, ": expected text, found ", json_type_name(text.type()));
  return text.as_string();
}

struct Span {
  std::size_t begin, end;
};

}  // namespace

TextRows::TextRows(const Checkpoint& checkpoint, LossOn loss_on) : tokenizer_(load_tokenizer(checkpoint)), loss_on_(loss_on) {
  try {
    const std::vector<TemplateSource> templates = chat_templates(checkpoint);
    const TemplateSource& chosen = choose_template(templates, false, checkpoint.path);
    template_ = std::make_unique<ChatTemplate>(chosen.source, chosen.origin);
    const JsonObject special = special_tokens(checkpoint);
    if (const Json* bos = special.find("bos_token")) base_.bos_token = bos->as_string();
    if (const Json* eos = special.find("eos_token")) base_.eos_token = eos->as_string();
  } catch (const Error& error) {
    template_error_ = error.message();
  }
}

TrainingRow TextRows::plain(std::string_view text) const {
  TrainingRow row;
  append(row, tokenizer_.encode(text), true);
  if (const auto eos = tokenizer_.eos(); eos && (row.ids.empty() || row.ids.back() != *eos)) append(row, {*eos}, true);
  return row;
}

TrainingRow TextRows::row(const Json& value, const std::string& where) const {
  if (value.contains("messages")) return conversation(value, where);
  if (value.contains("prompt") || value.contains("completion")) {
    TrainingRow row;
    append(row, tokenizer_.encode_prompt(text_of(value, "prompt", where)), loss_on_ == LossOn::all);
    append(row, tokenizer_.encode(text_of(value, "completion", where), {.add_special = false}), true);
    if (const auto eos = tokenizer_.eos(); eos && row.ids.back() != *eos) append(row, {*eos}, true);
    return row;
  }
  if (value.contains("text")) return plain(text_of(value, "text", where));
  fail(where, ": expected \"input_ids\", \"text\", \"prompt\" and \"completion\", or \"messages\"");
}

// The text is what the template makes of the whole conversation. An answer's part of it is what the template marks with
// {% generation %}, or else what it adds behind the prompt for that answer. The parts are encoded one by one, as they are when
// the model answers.
TrainingRow TextRows::conversation(const Json& value, const std::string& where) const {
  if (!template_) fail(where, ": messages need a chat template: ", template_error_);
  const Json& messages = value["messages"];
  if (!messages.is_array() || messages.as_array().empty()) fail(where, ": messages: expected a list of messages");
  ChatInput input = base_;
  input.messages = messages;
  if (const Json* tools = value.find("tools"); tools != nullptr) input.tools = *tools;
  input.add_generation_prompt = false;
  std::vector<GenerationSpan> marked;
  const std::string whole = template_->render(input, &marked);
  std::vector<Span> answers;
  for (const GenerationSpan& span : marked) answers.push_back({span.begin, span.end});
  if (answers.empty()) {
    JsonArray before;
    for (const Json& message : messages.as_array()) {
      if (message["role"] == Json("assistant") && !before.empty()) {
        ChatInput prompt = input;
        prompt.messages = before;
        prompt.add_generation_prompt = true;
        const std::string head = template_->render(prompt);
        prompt.messages.as_array().push_back(message);
        prompt.add_generation_prompt = false;
        const std::string through = template_->render(prompt);
        if (!through.starts_with(head) || !whole.starts_with(through)) {
          fail(where, ": the chat template writes earlier turns differently once more follow, so the answers cannot be told apart; set data.loss_on: all");
        }
        answers.push_back({head.size(), through.size()});
      }
      before.push_back(message);
    }
  }
  TrainingRow row;
  std::size_t at = 0;
  const auto put = [&](std::size_t end, bool learnt) {
    if (end <= at) return;
    const std::string_view piece = std::string_view(whole).substr(at, end - at);
    append(row, at == 0 ? tokenizer_.encode_prompt(piece) : tokenizer_.encode(piece, {.add_special = false}), learnt || loss_on_ == LossOn::all);
    at = end;
  };
  for (const Span& answer : answers) {
    put(answer.begin, false);
    put(answer.end, true);
  }
  put(whole.size(), false);
  if (row.ids.empty()) fail(where, ": the chat template makes no text of these messages");
  return row;
}

}  // namespace tashika
