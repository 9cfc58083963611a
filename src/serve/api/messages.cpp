// Anthropic's /v1/messages and /v1/messages/count_tokens.
#include "serve/request/messages.h"

#include "serve/request/dialogue.h"

namespace tashika::serve {
namespace {

constexpr auto fields = join_fields(std::to_array<Field>({
    {"model", Kind::text, "id of the model; the server's first when absent"},
    {"messages", Kind::list, "the conversation", -1e18, 1e18, Support::honoured, {}, {}, true},
    {"max_tokens", Kind::integer, "tokens to generate at most", 1, 9e15, Support::honoured, "n_predict", {}, true},
    {"system", Kind::text_or_list, "the system's message"},
    {"stop_sequences", Kind::list, "the text ends before any of these"},
    {"stream", Kind::truth, "server-sent events as the text grows"},
    {"temperature", Kind::number, "0: always the likeliest token", 0, 10, Support::honoured, "temp"},
    {"top_p", Kind::number, "keep the likeliest tokens that together reach P", 1e-6, 1, Support::honoured, "top_p"},
    {"seed", Kind::integer, "of the random draws; -1: a new one", -1, 9.2e18, Support::honoured, "seed"},
    {"tools", Kind::list, "functions that the model may call"},
    {"tool_choice", Kind::object, "auto or none"},
    {"metadata", Kind::object, {}, 0, 0, Support::ignored},
    {"service_tier", Kind::text, {}, 0, 0, Support::ignored},
    {"thinking", Kind::object, "the template decides", 0, 0, Support::ignored},
    {"container", Kind::any, {}, 0, 0, Support::refused},
    {"mcp_servers", Kind::list, {}, 0, 0, Support::refused, {}, "[]"},
}), sampling_fields);

constexpr Field count_fields[] = {
    {"model", Kind::text, "id of the model; the server's first when absent"},
    {"messages", Kind::list, "the conversation", -1e18, 1e18, Support::honoured, {}, {}, true},
    {"system", Kind::text_or_list, "the system's message"},
    {"tools", Kind::list, "functions that the model may call"},
    {"tool_choice", Kind::object, "auto or none"},
    {"thinking", Kind::object, {}, 0, 0, Support::ignored},
};

[[noreturn]] void wrong(const std::string& where, const std::string& message) { throw ApiError(400, cat(where, ": ", message), where); }

std::string text_of(const Json& content, const std::string& where) {
  if (content.is_string()) return content.as_string();
  if (!content.is_array()) wrong(where, "expected a string or an array of text blocks");
  std::string out;
  for (std::size_t i = 0; i < content.as_array().size(); ++i) {
    const Json& block = content.as_array()[i];
    if (block["type"] != Json("text") || !block["text"].is_string()) wrong(cat(where, "[", i, "]"), "only text blocks are taken here");
    out += block["text"].as_string();
  }
  return out;
}

Json message(std::string_view role, std::string content) {
  Json out;
  out.set("role", role);
  out.set("content", std::move(content));
  return out;
}

// One message's blocks as messages in OpenAI's shape: results of tools become messages of their own.
void add_message(const Json& from, const std::string& where, JsonArray& out) {
  const Json& role = from["role"];
  if (role != Json("user") && role != Json("assistant")) wrong(where + ".role", "expected \"user\" or \"assistant\"");
  const Json& content = from["content"];
  if (content.is_string()) {
    out.push_back(message(role.as_string(), content.as_string()));
    return;
  }
  if (!content.is_array()) wrong(where + ".content", "expected a string or an array of blocks");
  std::string text, thinking;
  JsonArray calls;
  bool results = false;
  for (std::size_t i = 0; i < content.as_array().size(); ++i) {
    const Json& block = content.as_array()[i];
    const std::string here = cat(where, ".content[", i, "]");
    if (!block["type"].is_string()) wrong(here, "a block needs the string \"type\"");
    const std::string& type = block["type"].as_string();
    if (type == "text" && block["text"].is_string()) {
      text += block["text"].as_string();
    } else if (type == "thinking" && block["thinking"].is_string()) {
      thinking += block["thinking"].as_string();
    } else if (type == "tool_use" && block["name"].is_string()) {
      Json function, call;
      function.set("name", block["name"]);
      function.set("arguments", block["input"].is_object() ? block["input"] : Json(JsonObject()));
      call.set("id", block["id"]);
      call.set("type", "function");
      call.set("function", std::move(function));
      calls.push_back(std::move(call));
    } else if (type == "tool_result") {
      Json result = message("tool", block["content"].is_null() ? "" : text_of(block["content"], here + ".content"));
      if (block["tool_use_id"].is_string()) result.set("tool_call_id", block["tool_use_id"]);
      out.push_back(std::move(result));
      results = true;
    } else if (type != "redacted_thinking") {
      wrong(here, cat("blocks of type \"", printable(type), "\" are not taken; this server reads text"));
    }
  }
  if (results && text.empty()) return;
  Json one = message(role.as_string(), std::move(text));
  if (!thinking.empty()) one.set("reasoning_content", std::move(thinking));
  if (!calls.empty()) one.set("tool_calls", std::move(calls));
  out.push_back(std::move(one));
}

Json tools_of(const Json& tools) {
  if (!tools.is_array()) return {};
  JsonArray out;
  for (std::size_t i = 0; i < tools.as_array().size(); ++i) {
    const Json& tool = tools.as_array()[i];
    const std::string where = cat("tools[", i, "]");
    if (!tool["name"].is_string()) wrong(where + ".name", "expected a string");
    if (tool.contains("type") && tool["type"] != Json("custom")) wrong(where + ".type", "tools that run on the server are not here");
    if (!tool["input_schema"].is_object()) wrong(where + ".input_schema", "expected an object");
    Json function, one;
    function.set("name", tool["name"]);
    if (tool["description"].is_string()) function.set("description", tool["description"]);
    function.set("parameters", tool["input_schema"]);
    one.set("type", "function");
    one.set("function", std::move(function));
    out.push_back(std::move(one));
  }
  return out.empty() ? Json() : Json(std::move(out));
}

Dialogue dialogue_of(const Json& body) {
  Dialogue out;
  JsonArray list;
  if (!body["system"].is_null()) list.push_back(message("system", text_of(body["system"], "system")));
  const JsonArray& messages = body["messages"].as_array();
  if (messages.empty()) wrong("messages", "expected at least one message");
  for (std::size_t i = 0; i < messages.size(); ++i) add_message(messages[i], cat("messages[", i, "]"), list);
  if (list.size() > 1 && list.back()["role"] == Json("assistant") && !list.back().contains("tool_calls")) {
    out.prefill = list.back()["content"].as_string();
    list.pop_back();
  }
  out.messages = template_messages(Json(std::move(list)));
  const Json& type = body["tool_choice"]["type"];
  if (!type.is_null() && type != Json("auto") && type != Json("none")) wrong("tool_choice", "only auto and none are taken");
  if (type != Json("none")) out.tools = tools_of(body["tools"]);
  return out;
}

class AnthropicReply final : public MessageReply {
 public:
  using MessageReply::MessageReply;

 private:
  Json usage(const WorkStats& stats) const {
    Json out;
    out.set("input_tokens", stats.prompt_tokens - stats.cached_tokens);
    out.set("cache_creation_input_tokens", 0);
    out.set("cache_read_input_tokens", stats.cached_tokens);
    out.set("output_tokens", stats.answer_tokens);
    return out;
  }

  Json head(JsonArray content, Json usage) const {
    Json out;
    out.set("id", id_);
    out.set("type", "message");
    out.set("role", "assistant");
    out.set("model", model_->id);
    out.set("content", std::move(content));
    out.set("stop_reason", Json());
    out.set("stop_sequence", Json());
    out.set("usage", std::move(usage));
    return out;
  }

  void put_stop(Json& out) const {
    const Finish finish = answer_.finish;
    const bool cut = finish == Finish::length || finish == Finish::context;
    out.set("stop_reason", cut ? "max_tokens" : finish == Finish::stop ? "stop_sequence" : answer_.calls.empty() ? "end_turn" : "tool_use");
    out.set("stop_sequence", finish == Finish::stop ? Json(answer_.stop) : Json());
  }

  static Json block_json(const AssistantPiece& piece, bool empty, const std::string& id) {
    Json out;
    switch (piece.kind) {
      case AssistantPiece::Kind::content:
        out.set("type", "text");
        out.set("text", empty ? std::string() : piece.text);
        break;
      case AssistantPiece::Kind::reasoning:
        out.set("type", "thinking");
        out.set("thinking", empty ? std::string() : piece.text);
        out.set("signature", "");
        break;
      case AssistantPiece::Kind::call:
        out.set("type", "tool_use");
        out.set("id", id);
        out.set("name", piece.name);
        out.set("input", empty ? Json(JsonObject()) : parse_json(piece.text, "arguments"));
        break;
    }
    return out;
  }

  void send(std::string_view event, Json value) const {
    Json out;
    out.set("type", event);
    for (auto& [key, member] : value.as_object().entries()) out.set(key, std::move(member));
    exchange_->write(sse(event, out));
  }

  void start() override {
    exchange_->begin("text/event-stream", {});
    WorkStats stats;
    stats.prompt_tokens = prompt_tokens_;
    Json value;
    value.set("message", head({}, usage(stats)));
    value.set("warnings", warning_list(warnings_));
    send("message_start", std::move(value));
  }

  void add(const AssistantPiece& piece) override {
    const bool call = piece.kind == AssistantPiece::Kind::call;
    if (!open_ || kind_ != piece.kind || call) {
      close_block();
      Json value;
      value.set("index", index_);
      value.set("content_block", block_json(piece, true, random_id("toolu_")));
      send("content_block_start", std::move(value));
      open_ = true;
      kind_ = piece.kind;
    }
    Json delta, value;
    const bool thinking = piece.kind == AssistantPiece::Kind::reasoning;
    delta.set("type", call ? "input_json_delta" : thinking ? "thinking_delta" : "text_delta");
    delta.set(call ? "partial_json" : thinking ? "thinking" : "text", piece.text);
    value.set("index", index_);
    value.set("delta", std::move(delta));
    send("content_block_delta", std::move(value));
  }

  void close_block() {
    if (!open_) return;
    Json value;
    value.set("index", index_++);
    send("content_block_stop", std::move(value));
    open_ = false;
  }

  void end(const WorkStats& stats) override {
    close_block();
    Json delta = JsonObject(), value;
    put_stop(delta);
    value.set("delta", std::move(delta));
    value.set("usage", usage(stats));
    send("message_delta", std::move(value));
    send("message_stop", JsonObject());
  }

  std::string broken(const std::string& error) const override { return cat("event: error\ndata: ", error, "\n\n"); }

  Json whole(const WorkStats& stats) override {
    JsonArray content;
    for (const AssistantPiece& block : answer_.blocks) content.push_back(block_json(block, false, random_id("toolu_")));
    Json out = head(std::move(content), usage(stats));
    put_stop(out);
    out.set("warnings", warning_list(warnings_));
    out.set("timings", timings_json(stats));
    return out;
  }

  std::string id_ = random_id("msg_");
  std::int64_t index_ = 0;
  bool open_ = false;
  AssistantPiece::Kind kind_ = AssistantPiece::Kind::content;
};

std::shared_ptr<ServedModel> model_of(Service& service, const Json& body) {
  return service.models.get(body["model"].is_string() ? body["model"].as_string() : "", service.scheduler);
}

void messages(Service& service, Request request) {
  const Json& body = request.body;
  const std::shared_ptr<ServedModel> model = model_of(service, body);
  GenerationOptions options = make_draft(*model, body, fields).options;
  options.stop = stop_strings(body["stop_sequences"], "stop_sequences");
  const DialogueWork made = make_dialogue(model, options, dialogue_of(body));
  made.work->use_cache = body["cache_prompt"] != Json(false);
  made.work->events = std::make_shared<AnthropicReply>(request.exchange, made, request, body["stream"] == Json(true));
  submit(service, request.exchange, made.work);
}

void count(Service& service, Request request) {
  const DialogueWork made = make_dialogue(model_of(service, request.body), {}, dialogue_of(request.body));
  Json out;
  out.set("input_tokens", made.work->prompts[0].size());
  respond_json(request.exchange, out);
}

constexpr Route routes[] = {
    {"POST", "/v1/messages", messages, fields, "the next message of a conversation, as Anthropic's clients ask for it", Access::keyed, true},
    {"POST", "/v1/messages/count_tokens", count, count_fields, "how many tokens a conversation has", Access::keyed, true},
};

}  // namespace

extern const Surface surface_messages;
const Surface surface_messages{routes};

}  // namespace tashika::serve
