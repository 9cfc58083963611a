// What the chat surfaces have in common: a conversation rendered to a prompt, and the answer taken apart.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "serve/request/generation.h"
#include "text/assistant_parser.h"

namespace tashika::serve {

// A conversation in OpenAI's shape, whatever surface it came by.
struct Dialogue {
  Json messages;  // as template_messages gives them
  Json tools;     // as template_tools gives them; null: none
  JsonObject variables;
  bool add_generation_prompt = true;
  std::string prefill;  // the answer's beginning, which the model goes on from
  std::string where = "messages";  // its field's name in errors
};

struct DialogueWork {
  std::shared_ptr<Work> work;
  AssistantFormat format;
  bool in_reasoning = false;
  Json tools;
  AssistantParser parser() const;
};

// Renders, tokenizes and checks; the caller fills in what is left of the work's options and its events.
DialogueWork make_dialogue(const std::shared_ptr<ServedModel>& model, const GenerationOptions& options, const Dialogue& dialogue);

// The pieces of one answer as they come, in order.
class Answering {
 public:
  explicit Answering(AssistantParser parser) : parser_(std::move(parser)) {}
  // What a token adds; at the last one also what was held back.
  std::vector<AssistantPiece> take(const TokenEvent& event);

  // All of it so far.
  std::string content, reasoning;
  std::vector<AssistantPiece> calls;
  std::vector<AssistantPiece> blocks;  // the pieces in order, neighbours of one kind joined
  std::string stop;
  std::int64_t tokens = 0, reasoning_tokens = 0;
  Finish finish = Finish::none;

 private:
  AssistantParser parser_;
};

// The engine's events for a surface that answers one message at a time: what every such surface does with them, in one place.
class MessageReply : public WorkEvents {
 public:
  MessageReply(ExchangeRef exchange, const DialogueWork& dialogue, const Request& request, bool stream)
      : exchange_(std::move(exchange)), model_(dialogue.work->model), warnings_(request.warnings), stream_(stream), answer_(dialogue.parser()),
        prompt_tokens_(static_cast<std::int64_t>(dialogue.work->prompts[0].size())) {}

  void token(std::size_t, TokenEvent event) final {
    std::vector<AssistantPiece> pieces = answer_.take(event);
    if (!stream_) return;
    if (!begun_) start();
    begun_ = true;
    for (const AssistantPiece& piece : pieces) add(piece);
  }
  void done(const WorkStats& stats) final {
    if (stream_) {
      if (!begun_) start();
      end(stats);
      exchange_->end();
    } else {
      respond_json(exchange_, whole(stats));
    }
  }
  void failed(ErrorKind kind, const std::string& message) final {
    const ApiError error = api_error(kind, message);
    const ErrorStyle style = error_style(exchange_->head().path);
    if (!begun_) {
      exchange_->respond(error_reply(style, error));
      return;
    }
    exchange_->write(broken(error_body(style, error.status(), message)));
    exchange_->end();
  }

 protected:
  virtual void start() = 0;                          // of a stream
  virtual void add(const AssistantPiece& piece) = 0;
  virtual void end(const WorkStats& stats) = 0;
  virtual std::string broken(const std::string& error) const = 0;  // an error inside a stream
  virtual Json whole(const WorkStats& stats) = 0;

  ExchangeRef exchange_;
  std::shared_ptr<ServedModel> model_;
  std::vector<std::string> warnings_;
  bool stream_, begun_ = false;
  Answering answer_;
  std::int64_t prompt_tokens_;
};

}  // namespace tashika::serve
