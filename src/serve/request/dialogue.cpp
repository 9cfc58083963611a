#include "serve/request/dialogue.h"

#include <algorithm>

namespace tashika::serve {

AssistantParser DialogueWork::parser() const {
  AssistantParser out(format, tools);
  if (in_reasoning) out.start_in_reasoning();
  return out;
}

DialogueWork make_dialogue(const std::shared_ptr<ServedModel>& model, const GenerationOptions& options, const Dialogue& dialogue) {
  DialogueWork out;
  std::string text = model->render(dialogue.messages, dialogue.tools, dialogue.add_generation_prompt, dialogue.variables);
  out.tools = dialogue.tools;
  out.format = assistant_format(choose_template(model->templates, !dialogue.tools.is_null(), model->id).source, !dialogue.tools.is_null());
  out.in_reasoning = dialogue.add_generation_prompt && opens_reasoning(out.format, text);
  if (!dialogue.prefill.empty()) {
    text += dialogue.prefill;
    out.in_reasoning = false;
  }
  out.work = std::make_shared<Work>();
  out.work->model = model;
  out.work->options = options;
  for (const std::string& marker : out.format.markers()) {
    if (const std::optional<TokenId> id = model->text().id(marker); id && model->text().kind(*id).special) out.work->options.shown_special.push_back(*id);
  }
  std::ranges::sort(out.work->options.shown_special);
  out.work->prompts.push_back(conversation_tokens(*model, text));
  check_context(*model, out.work->prompts, out.work->options, dialogue.where);
  return out;
}

std::vector<AssistantPiece> Answering::take(const TokenEvent& event) {
  std::vector<AssistantPiece> pieces = parser_.push(event.text);
  finish = event.finish;
  ++tokens;
  if (finish != Finish::none) {
    for (AssistantPiece& piece : parser_.finish()) pieces.push_back(std::move(piece));
  }
  if (finish == Finish::stop) stop = event.stop;
  for (const AssistantPiece& piece : pieces) {
    switch (piece.kind) {
      case AssistantPiece::Kind::content: content += piece.text; break;
      case AssistantPiece::Kind::reasoning: reasoning += piece.text; break;
      case AssistantPiece::Kind::call: calls.push_back(piece); break;
    }
    if (!blocks.empty() && blocks.back().kind == piece.kind && piece.kind != AssistantPiece::Kind::call) {
      blocks.back().text += piece.text;
    } else {
      blocks.push_back(piece);
    }
  }
  if (!reasoning.empty() && content.empty() && calls.empty()) reasoning_tokens = tokens;
  return pieces;
}

}  // namespace tashika::serve
