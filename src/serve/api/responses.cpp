// OpenAI's /v1/responses, without memory of earlier ones.
#include "serve/request/dialogue.h"
#include "serve/request/messages.h"

namespace tashika::serve {
namespace {

constexpr auto fields = join_fields(std::to_array<Field>({
    {"model", Kind::text, "id of the model; the server's first when absent"},
    {"input", Kind::text_or_list, "a text, or items", -1e18, 1e18, Support::honoured, {}, {}, true},
    {"instructions", Kind::text, "the system's message"},
    {"max_output_tokens", Kind::integer, "tokens to generate at most; as many as fit when absent", 1, 9e15, Support::honoured, "n_predict"},
    {"temperature", Kind::number, "0: always the likeliest token", 0, 10, Support::honoured, "temp"},
    {"top_p", Kind::number, "keep the likeliest tokens that together reach P", 1e-6, 1, Support::honoured, "top_p"},
    {"seed", Kind::integer, "of the random draws; -1: a new one", -1, 9.2e18, Support::honoured, "seed"},
    {"stop", Kind::text_or_list, "the text ends before any of these"},
    {"stream", Kind::truth, "server-sent events as the text grows"},
    {"tools", Kind::list, "functions that the model may call"},
    {"tool_choice", Kind::text_or_object, "none or auto"},
    {"text", Kind::object, "format: text", -1e18, 1e18},
    {"previous_response_id", Kind::text, "nothing is stored; send the whole conversation", 0, 0, Support::refused},
    {"conversation", Kind::any, "nothing is stored; send the whole conversation", 0, 0, Support::refused},
    {"background", Kind::truth, {}, 0, 0, Support::refused},
    {"prompt", Kind::object, {}, 0, 0, Support::refused},
    {"top_logprobs", Kind::integer, "use /v1/chat/completions", 0, 0, Support::refused, {}, "0"},
    {"truncation", Kind::text, "on_overflow says what happens", 0, 0, Support::refused, {}, "\"disabled\""},
    {"include", Kind::list, {}, 0, 0, Support::ignored},
    {"store", Kind::truth, "nothing is stored", 0, 0, Support::ignored},
    {"metadata", Kind::object, {}, 0, 0, Support::ignored},
    {"reasoning", Kind::object, "the template decides", 0, 0, Support::ignored},
    {"parallel_tool_calls", Kind::truth, {}, 0, 0, Support::ignored},
    {"max_tool_calls", Kind::integer, {}, 0, 0, Support::ignored},
    {"user", Kind::text, {}, 0, 0, Support::ignored},
    {"service_tier", Kind::text, {}, 0, 0, Support::ignored},
    {"safety_identifier", Kind::text, {}, 0, 0, Support::ignored},
    {"prompt_cache_key", Kind::text, {}, 0, 0, Support::ignored},
    {"stream_options", Kind::object, {}, 0, 0, Support::ignored},
}), sampling_fields);

[[noreturn]] void wrong(const std::string& where, const std::string& message) { throw ApiError(400, cat(where, ": ", message), where); }

Json message(std::string_view role, Json content) {
  Json out;
  out.set("role", role);
  out.set("content", std::move(content));
  return out;
}

void add_item(const Json& item, const std::string& where, JsonArray& out) {
  if (!item.is_object()) wrong(where, "expected an object");
  const std::string type = item["type"].is_string() ? item["type"].as_string() : "message";
  if (type == "message") {
    if (!item["role"].is_string()) wrong(where + ".role", "expected a string");
    out.push_back(message(item["role"].as_string(), item["content"]));
  } else if (type == "function_call") {
    Json function, call;
    function.set("name", item["name"]);
    function.set("arguments", item["arguments"]);
    call.set("id", item["call_id"]);
    call.set("function", std::move(function));
    const bool joins = !out.empty() && out.back()["role"] == Json("assistant");
    if (!joins) out.push_back(message("assistant", Json("")));
    JsonArray calls = out.back()["tool_calls"].is_array() ? out.back()["tool_calls"].as_array() : JsonArray();
    calls.push_back(std::move(call));
    out.back().set("tool_calls", std::move(calls));
  } else if (type == "function_call_output") {
    Json result = message("tool", item["output"].is_string() ? item["output"] : Json(dump_json(item["output"])));
    result.set("tool_call_id", item["call_id"]);
    out.push_back(std::move(result));
  } else if (type != "reasoning") {
    wrong(where + ".type", cat("items of type \"", printable(type), "\" are not taken"));
  }
}

Json tools_of(const Json& tools) {
  if (!tools.is_array()) return {};
  JsonArray out;
  for (std::size_t i = 0; i < tools.as_array().size(); ++i) {
    const Json& tool = tools.as_array()[i];
    const std::string where = cat("tools[", i, "]");
    if (tool["type"] != Json("function")) wrong(where + ".type", "only functions are taken");
    Json function, one;
    for (const char* name : {"name", "description", "parameters"}) {
      if (!tool[name].is_null()) function.set(name, tool[name]);
    }
    one.set("type", "function");
    one.set("function", std::move(function));
    out.push_back(std::move(one));
  }
  return template_tools(Json(std::move(out)));
}

class ResponsesReply final : public MessageReply {
 public:
  ResponsesReply(ExchangeRef exchange, const DialogueWork& dialogue, const Request& request, bool stream)
      : MessageReply(std::move(exchange), dialogue, request, stream), asked_(request.body), options_(dialogue.work->options) {}

 private:
  Json response(std::string_view status, JsonArray output, const WorkStats* stats) const {
    Json out, incomplete;
    out.set("id", id_);
    out.set("object", "response");
    out.set("created_at", created_);
    out.set("status", status);
    out.set("error", Json());
    if (status == "incomplete") incomplete.set("reason", "max_output_tokens");
    out.set("incomplete_details", std::move(incomplete));
    out.set("instructions", asked_["instructions"]);
    out.set("max_output_tokens", asked_["max_output_tokens"]);
    out.set("model", model_->id);
    out.set("output", std::move(output));
    out.set("parallel_tool_calls", true);
    out.set("previous_response_id", Json());
    out.set("store", false);
    out.set("temperature", static_cast<double>(options_.sampling.temperature));
    out.set("top_p", static_cast<double>(options_.sampling.top_p));
    out.set("tool_choice", asked_["tool_choice"].is_null() ? Json("auto") : asked_["tool_choice"]);
    out.set("tools", asked_["tools"].is_null() ? Json(JsonArray()) : asked_["tools"]);
    out.set("truncation", "disabled");
    out.set("metadata", asked_["metadata"].is_null() ? Json(JsonObject()) : asked_["metadata"]);
    Json usage;
    if (stats != nullptr) {
      Json in, made;
      in.set("cached_tokens", stats->cached_tokens);
      made.set("reasoning_tokens", answer_.reasoning_tokens);
      usage.set("input_tokens", stats->prompt_tokens);
      usage.set("input_tokens_details", std::move(in));
      usage.set("output_tokens", stats->answer_tokens);
      usage.set("output_tokens_details", std::move(made));
      usage.set("total_tokens", stats->prompt_tokens + stats->answer_tokens);
      out.set("timings", timings_json(*stats));
    }
    out.set("usage", std::move(usage));
    out.set("warnings", warning_list(warnings_));
    return out;
  }

  static Json part_json(const AssistantPiece& piece, const std::string& text) {
    Json part;
    const bool reasoning = piece.kind == AssistantPiece::Kind::reasoning;
    part.set("type", reasoning ? "reasoning_text" : "output_text");
    part.set("text", text);
    if (!reasoning) {
      part.set("annotations", JsonArray());
      part.set("logprobs", JsonArray());
    }
    return part;
  }

  // An item whose content is `text`; without parts when it is being opened.
  static Json item_json(const AssistantPiece& piece, const std::string& id, const std::string& call_id, std::string_view status, const std::string& text, bool parts) {
    Json out;
    JsonArray content;
    if (parts && piece.kind != AssistantPiece::Kind::call) content.push_back(part_json(piece, text));
    out.set("id", id);
    switch (piece.kind) {
      case AssistantPiece::Kind::content:
        out.set("type", "message");
        out.set("role", "assistant");
        out.set("content", std::move(content));
        break;
      case AssistantPiece::Kind::reasoning:
        out.set("type", "reasoning");
        out.set("summary", JsonArray());
        out.set("content", std::move(content));
        break;
      case AssistantPiece::Kind::call:
        out.set("type", "function_call");
        out.set("call_id", call_id);
        out.set("name", piece.name);
        out.set("arguments", text);
        break;
    }
    out.set("status", status);
    return out;
  }

  static std::string item_id(const AssistantPiece& piece) {
    return random_id(piece.kind == AssistantPiece::Kind::content ? "msg_" : piece.kind == AssistantPiece::Kind::call ? "fc_" : "rs_");
  }

  bool cut() const { return answer_.finish == Finish::length || answer_.finish == Finish::context; }

  void send(std::string_view event, Json value) {
    Json out;
    out.set("type", event);
    out.set("sequence_number", number_++);
    for (auto& [key, member] : value.as_object().entries()) out.set(key, std::move(member));
    exchange_->write(sse(event, out));
  }

  Json place() const {
    Json out;
    out.set("item_id", open_id_);
    out.set("output_index", output_.size());
    return out;
  }

  void start() override {
    exchange_->begin("text/event-stream", {});
    for (const char* event : {"response.created", "response.in_progress"}) {
      Json value;
      value.set("response", response("in_progress", {}, nullptr));
      send(event, std::move(value));
    }
  }

  void add(const AssistantPiece& piece) override {
    const bool call = piece.kind == AssistantPiece::Kind::call, reasoning = piece.kind == AssistantPiece::Kind::reasoning;
    if (!open_ || last_.kind != piece.kind || call) {
      close_item();
      open_ = true;
      last_ = piece;
      last_.text.clear();
      open_id_ = item_id(piece);
      call_id_ = random_id("call_");
      Json value;
      value.set("output_index", output_.size());
      value.set("item", item_json(piece, open_id_, call_id_, "in_progress", "", false));
      send("response.output_item.added", std::move(value));
      if (!call) {
        Json part = place();
        part.set("content_index", 0);
        part.set("part", part_json(piece, ""));
        send("response.content_part.added", std::move(part));
      }
    }
    last_.text += piece.text;
    Json value = place();
    if (!call) value.set("content_index", 0);
    value.set("delta", piece.text);
    if (!call && !reasoning) value.set("logprobs", JsonArray());
    send(call ? "response.function_call_arguments.delta" : reasoning ? "response.reasoning_text.delta" : "response.output_text.delta", std::move(value));
  }

  void close_item() {
    if (!open_) return;
    open_ = false;
    const bool call = last_.kind == AssistantPiece::Kind::call, reasoning = last_.kind == AssistantPiece::Kind::reasoning;
    Json value = place();
    if (!call) value.set("content_index", 0);
    if (call) value.set("name", last_.name);
    value.set(call ? "arguments" : "text", last_.text);
    if (!call && !reasoning) value.set("logprobs", JsonArray());
    send(call ? "response.function_call_arguments.done" : reasoning ? "response.reasoning_text.done" : "response.output_text.done", std::move(value));
    if (!call) {
      Json part = place();
      part.set("content_index", 0);
      part.set("part", part_json(last_, last_.text));
      send("response.content_part.done", std::move(part));
    }
    Json item, done = item_json(last_, open_id_, call_id_, "completed", last_.text, true);
    item.set("output_index", output_.size());
    item.set("item", done);
    send("response.output_item.done", std::move(item));
    output_.push_back(std::move(done));
  }

  void end(const WorkStats& stats) override {
    close_item();
    Json value;
    value.set("response", response(cut() ? "incomplete" : "completed", std::move(output_), &stats));
    send(cut() ? "response.incomplete" : "response.completed", std::move(value));
  }

  std::string broken(const std::string& error) const override { return cat("event: error\ndata: ", error, "\n\n"); }

  Json whole(const WorkStats& stats) override {
    JsonArray output;
    for (const AssistantPiece& block : answer_.blocks) output.push_back(item_json(block, item_id(block), random_id("call_"), "completed", block.text, true));
    return response(cut() ? "incomplete" : "completed", std::move(output), &stats);
  }

  Json asked_;
  GenerationOptions options_;
  std::string id_ = random_id("resp_");
  std::int64_t created_ = unix_time(), number_ = 0;
  JsonArray output_;
  bool open_ = false;
  AssistantPiece last_;
  std::string open_id_, call_id_;
};

void respond(Service& service, Request request) {
  const Json& body = request.body;
  const std::shared_ptr<ServedModel> model = service.models.get(body["model"].is_string() ? body["model"].as_string() : "", service.scheduler);
  GenerationOptions options = make_draft(*model, body, fields).options;
  options.stop = stop_strings(body["stop"], "stop");
  if (const Json& type = body["text"]["format"]["type"]; !type.is_null() && type != Json("text")) wrong("text.format", "only text is taken");
  const Json& choice = body["tool_choice"];
  if (!choice.is_null() && choice != Json("none") && choice != Json("auto")) wrong("tool_choice", "only \"none\" and \"auto\" are taken");
  Dialogue dialogue;
  dialogue.where = "input";
  JsonArray list;
  if (body["instructions"].is_string()) list.push_back(message("system", body["instructions"]));
  if (body["input"].is_string()) {
    list.push_back(message("user", body["input"]));
  } else {
    const JsonArray& items = body["input"].as_array();
    if (items.empty()) wrong("input", "expected a text or at least one item");
    for (std::size_t i = 0; i < items.size(); ++i) add_item(items[i], cat("input[", i, "]"), list);
  }
  dialogue.messages = template_messages(Json(std::move(list)));
  if (choice != Json("none")) dialogue.tools = tools_of(body["tools"]);
  const DialogueWork made = make_dialogue(model, options, dialogue);
  made.work->use_cache = body["cache_prompt"] != Json(false);
  made.work->events = std::make_shared<ResponsesReply>(request.exchange, made, request, body["stream"] == Json(true));
  submit(service, request.exchange, made.work);
}

constexpr Route routes[] = {
    {"POST", "/v1/responses", respond, fields, "an answer to input items", Access::keyed, true},
};

}  // namespace

extern const Surface surface_responses;
const Surface surface_responses{routes};

}  // namespace tashika::serve
