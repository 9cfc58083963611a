// OpenAI's /v1/chat/completions.
#include <algorithm>

#include "serve/request/dialogue.h"
#include "serve/request/logprobs.h"
#include "serve/request/messages.h"

namespace tashika::serve {
namespace {

constexpr auto fields = join_fields(std::to_array<Field>({
    {"model", Kind::text, "id of the model; the server's first when absent"},
    {"messages", Kind::list, "the conversation", -1e18, 1e18, Support::honoured, {}, {}, true},
    {"max_tokens", Kind::integer, "tokens to generate at most; as many as fit when absent", 1, 9e15, Support::honoured, "n_predict"},
    {"max_completion_tokens", Kind::integer, "the same", 1, 9e15, Support::honoured, "n_predict"},
    {"n_predict", Kind::integer, "the same; -1: as many as fit", -1, 9e15, Support::honoured, "n_predict"},
    {"temperature", Kind::number, "0: always the likeliest token", 0, 10, Support::honoured, "temp"},
    {"top_p", Kind::number, "keep the likeliest tokens that together reach P", 1e-6, 1, Support::honoured, "top_p"},
    {"n", Kind::integer, "answers", 1, 16},
    {"stream", Kind::truth, "server-sent events as the text grows"},
    {"stream_options", Kind::object, "include_usage: a last chunk with the usage"},
    {"logprobs", Kind::truth, "the log-probability of each token"},
    {"top_logprobs", Kind::integer, "and of the N likeliest", 0, 100},
    {"stop", Kind::text_or_list, "the text ends before any of these"},
    {"seed", Kind::integer, "of the random draws; -1: a new one", -1, 9.2e18, Support::honoured, "seed"},
    {"presence_penalty", Kind::number, "taken once from the logits of tokens seen", -2, 2, Support::honoured, "presence_penalty"},
    {"frequency_penalty", Kind::number, "taken for each time that a token was seen", -2, 2, Support::honoured, "frequency_penalty"},
    {"logit_bias", Kind::object, "token ids and what is added to their logits, -100 to 100"},
    {"tools", Kind::list, "functions that the model may call"},
    {"tool_choice", Kind::text_or_object, "none or auto"},
    {"chat_template_kwargs", Kind::object, "further variables of the chat template"},
    {"add_generation_prompt", Kind::truth, "true unless said"},
    {"response_format", Kind::object, "only text", 0, 0, Support::refused, {}, R"({"type":"text"})"},
    {"audio", Kind::object, {}, 0, 0, Support::refused},
    {"modalities", Kind::list, "only text", 0, 0, Support::refused, {}, R"(["text"])"},
    {"functions", Kind::list, "use tools", 0, 0, Support::refused},
    {"function_call", Kind::any, "use tool_choice", 0, 0, Support::refused},
    {"web_search_options", Kind::object, {}, 0, 0, Support::refused},
    {"parallel_tool_calls", Kind::truth, {}, 0, 0, Support::ignored},
    {"user", Kind::text, {}, 0, 0, Support::ignored},
    {"store", Kind::truth, {}, 0, 0, Support::ignored},
    {"metadata", Kind::object, {}, 0, 0, Support::ignored},
    {"service_tier", Kind::text, {}, 0, 0, Support::ignored},
    {"reasoning_effort", Kind::text, {}, 0, 0, Support::ignored},
    {"verbosity", Kind::text, {}, 0, 0, Support::ignored},
    {"prediction", Kind::object, {}, 0, 0, Support::ignored},
    {"prompt_cache_key", Kind::text, {}, 0, 0, Support::ignored},
    {"safety_identifier", Kind::text, {}, 0, 0, Support::ignored},
}), sampling_fields);

class ChatReply final : public WorkEvents {
 public:
  ChatReply(ExchangeRef exchange, const DialogueWork& dialogue, const Request& request)
      : exchange_(std::move(exchange)), model_(dialogue.work->model), id_(random_id("chatcmpl-")), created_(unix_time()), warnings_(request.warnings),
        stream_(request.body["stream"] == Json(true)), usage_(request.body["stream_options"]["include_usage"] == Json(true)),
        ids_(request.body["return_token_ids"] == Json(true)), logprobs_(dialogue.work->options.logprobs >= 0),
        prompt_(ids_ ? dialogue.work->prompts[0] : std::vector<std::int32_t>()) {
    for (int i = 0; i < dialogue.work->n; ++i) choices_.emplace_back(dialogue.parser());
  }

  void token(std::size_t index, TokenEvent event) override {
    Choice& choice = choices_[index];
    const std::size_t calls_before = choice.answer.calls.size();
    const std::vector<AssistantPiece> pieces = choice.answer.take(event);
    if (ids_) choice.ids.emplace_back(std::int64_t{event.id});
    if (logprobs_) choice.logprobs.push_back(chat_logprob(*model_, event));
    if (!stream_ || (pieces.empty() && !ids_ && !logprobs_ && event.finish == Finish::none)) return;
    if (!choice.told) {
      Json delta;
      delta.set("role", "assistant");
      delta.set("content", "");
      Json first = choice_head(index);
      first.set("delta", std::move(delta));
      if (ids_) first.set("prompt_token_ids", ids_json(prompt_));
      first.set("logprobs", Json());
      first.set("finish_reason", Json());
      send(std::move(first));
      choice.told = true;
    }
    Json delta = JsonObject();
    std::string content, reasoning;
    JsonArray calls;
    for (const AssistantPiece& piece : pieces) {
      switch (piece.kind) {
        case AssistantPiece::Kind::content: content += piece.text; break;
        case AssistantPiece::Kind::reasoning: reasoning += piece.text; break;
        case AssistantPiece::Kind::call: calls.push_back(call_json(piece, calls_before + calls.size(), true)); break;
      }
    }
    if (!reasoning.empty()) delta.set("reasoning_content", std::move(reasoning));
    if (!content.empty()) delta.set("content", std::move(content));
    if (!calls.empty()) delta.set("tool_calls", std::move(calls));
    Json out = choice_head(index);
    out.set("delta", std::move(delta));
    add_details(out, choice);
    send(std::move(out));
  }

  void done(const WorkStats& stats) override {
    if (stream_) {
      if (usage_) {
        Json chunk = head("chat.completion.chunk");
        chunk.set("choices", JsonArray());
        chunk.set("usage", usage_json(stats));
        chunk.set("timings", timings_json(stats));
        exchange_->write(sse(chunk));
      }
      exchange_->write("data: [DONE]\n\n");
      exchange_->end();
      return;
    }
    Json out = head("chat.completion");
    JsonArray list;
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      Choice& choice = choices_[i];
      Json message, one = choice_head(i);
      message.set("role", "assistant");
      message.set("content", choice.answer.content.empty() && !choice.answer.calls.empty() ? Json() : Json(choice.answer.content));
      if (!choice.answer.reasoning.empty()) message.set("reasoning_content", choice.answer.reasoning);
      JsonArray calls;
      for (const AssistantPiece& call : choice.answer.calls) calls.push_back(call_json(call, calls.size(), false));
      if (!calls.empty()) message.set("tool_calls", std::move(calls));
      one.set("message", std::move(message));
      add_details(one, choice);
      if (ids_) one.set("prompt_token_ids", ids_json(prompt_));
      list.push_back(std::move(one));
    }
    out.set("choices", std::move(list));
    out.set("usage", usage_json(stats));
    out.set("timings", timings_json(stats));
    out.set("warnings", warning_list(warnings_));
    respond_json(exchange_, out);
  }

  void failed(ErrorKind kind, const std::string& message) override {
    const ApiError error = api_error(kind, message);
    if (!begun_) {
      exchange_->respond(error_reply(ErrorStyle::openai, error));
      return;
    }
    exchange_->write(cat("data: ", error_body(ErrorStyle::openai, error.status(), message), "\n\n"));
    exchange_->end();
  }

 private:
  struct Choice {
    explicit Choice(AssistantParser parser) : answer(std::move(parser)) {}
    Answering answer;
    JsonArray ids, logprobs;
    bool told = false;
  };

  Json head(std::string_view object) const {
    Json out;
    out.set("id", id_);
    out.set("object", object);
    out.set("created", created_);
    out.set("model", model_->id);
    return out;
  }

  static Json choice_head(std::size_t index) {
    Json out;
    out.set("index", index);
    return out;
  }

  static Json call_json(const AssistantPiece& call, std::size_t index, bool with_index) {
    Json function, out;
    function.set("name", call.name);
    function.set("arguments", call.text);
    if (with_index) out.set("index", index);
    out.set("id", random_id("call_"));
    out.set("type", "function");
    out.set("function", std::move(function));
    return out;
  }

  void add_details(Json& out, Choice& choice) const {
    Json logprobs;
    if (logprobs_) logprobs.set("content", std::move(choice.logprobs));
    out.set("logprobs", std::move(logprobs));
    const Finish finish = choice.answer.finish;
    const bool called = !choice.answer.calls.empty() && (finish == Finish::end || finish == Finish::stop);
    out.set("finish_reason", finish == Finish::none ? Json() : called ? Json("tool_calls") : Json(openai_finish(finish)));
    if (ids_) out.set("token_ids", std::move(choice.ids));
    choice.logprobs = {};
    choice.ids = {};
  }

  void send(Json choice) {
    const bool first = !begun_;
    if (first) exchange_->begin("text/event-stream", {});
    begun_ = true;
    Json chunk = head("chat.completion.chunk");
    JsonArray list;
    list.push_back(std::move(choice));
    chunk.set("choices", std::move(list));
    if (first) chunk.set("warnings", warning_list(warnings_));
    exchange_->write(sse(chunk));
  }

  ExchangeRef exchange_;
  std::shared_ptr<ServedModel> model_;
  std::string id_;
  std::int64_t created_;
  std::vector<std::string> warnings_;
  bool stream_, usage_, ids_, logprobs_, begun_ = false;
  std::vector<std::int32_t> prompt_;
  std::vector<Choice> choices_;
};

void chat(Service& service, Request request) {
  const Json& body = request.body;
  const std::shared_ptr<ServedModel> model = service.models.get(body["model"].is_string() ? body["model"].as_string() : "", service.scheduler);
  GenerationOptions options = make_draft(*model, body, fields).options;
  options.stop = stop_strings(body["stop"], "stop");
  read_logit_bias(*model, body["logit_bias"], options);
  if (body["logprobs"] == Json(true)) {
    options.logprobs = body["top_logprobs"].is_number() ? static_cast<int>(body["top_logprobs"].as_integer()) : 0;
  } else if (!body["top_logprobs"].is_null()) {
    throw ApiError(400, "top_logprobs: needs \"logprobs\": true", "top_logprobs");
  }
  const Json& choice = body["tool_choice"];
  const bool no_tools = choice == Json("none");
  if (!choice.is_null() && !no_tools && choice != Json("auto")) throw ApiError(400, "tool_choice: only \"none\" and \"auto\" are taken", "tool_choice");
  Dialogue dialogue;
  dialogue.messages = template_messages(body["messages"]);
  if (!no_tools) dialogue.tools = template_tools(body["tools"]);
  if (body["chat_template_kwargs"].is_object()) dialogue.variables = body["chat_template_kwargs"].as_object();
  dialogue.add_generation_prompt = body["add_generation_prompt"] != Json(false);
  const DialogueWork made = make_dialogue(model, options, dialogue);
  if (body["n"].is_number()) made.work->n = static_cast<int>(body["n"].as_integer());
  made.work->use_cache = body["cache_prompt"] != Json(false);
  made.work->events = std::make_shared<ChatReply>(request.exchange, made, request);
  submit(service, request.exchange, made.work);
}

constexpr Route routes[] = {
    {"POST", "/v1/chat/completions", chat, fields, "the next message of a conversation", Access::keyed, true},
};

}  // namespace

extern const Surface surface_chat;
const Surface surface_chat{routes};

}  // namespace tashika::serve
