// ollama's /api routes, in lines of JSON.
#include <algorithm>
#include <chrono>
#include <ctime>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/inventory.h"
#include "serve/request/dialogue.h"
#include "serve/request/messages.h"

namespace tashika::serve {
namespace {

constexpr auto option_fields = join_fields(std::to_array<Field>({
    {"num_predict", Kind::integer, "tokens to generate at most; -1: as many as fit", -1, 9e15, Support::honoured, "n_predict"},
    {"temperature", Kind::number, "0: always the likeliest token", 0, 10, Support::honoured, "temp"},
    {"top_p", Kind::number, "keep the likeliest tokens that together reach P", 1e-6, 1, Support::honoured, "top_p"},
    {"seed", Kind::integer, "of the random draws; -1: a new one", -1, 9.2e18, Support::honoured, "seed"},
    {"presence_penalty", Kind::number, "taken once from the logits of tokens seen", -2, 2, Support::honoured, "presence_penalty"},
    {"frequency_penalty", Kind::number, "taken for each time that a token was seen", -2, 2, Support::honoured, "frequency_penalty"},
    {"stop", Kind::text_or_list, "the text ends before any of these"},
    {"num_ctx", Kind::integer, "positions of this sequence, at most the server's", 1, 9e15},
    {"num_keep", Kind::integer, "tokens at the start that a shift keeps", -1, 1e9, Support::honoured, "keep"},
    {"num_batch", Kind::integer, {}, 0, 0, Support::ignored},
    {"num_thread", Kind::integer, {}, 0, 0, Support::ignored},
    {"num_gpu", Kind::integer, {}, 0, 0, Support::ignored},
}), sampling_fields);

constexpr Field chat_fields[] = {
    {"model", Kind::text, "name of the model", -1e18, 1e18, Support::honoured, {}, {}, true},
    {"messages", Kind::list, "the conversation"},
    {"tools", Kind::list, "functions that the model may call"},
    {"options", Kind::object, "how to sample"},
    {"stream", Kind::truth, "true unless said"},
    {"think", Kind::any, "the template's variable enable_thinking"},
    {"keep_alive", Kind::any, "models stay until another needs their memory", 0, 0, Support::ignored},
    {"format", Kind::text_or_object, {}, 0, 0, Support::refused, {}, "\"\""},
};

constexpr Field generate_fields[] = {
    {"model", Kind::text, "name of the model", -1e18, 1e18, Support::honoured, {}, {}, true},
    {"prompt", Kind::text, "the user's message; the whole prompt when raw"},
    {"system", Kind::text, "the system's message"},
    {"raw", Kind::truth, "no template"},
    {"options", Kind::object, "how to sample"},
    {"stream", Kind::truth, "true unless said"},
    {"think", Kind::any, "the template's variable enable_thinking"},
    {"keep_alive", Kind::any, "models stay until another needs their memory", 0, 0, Support::ignored},
    {"format", Kind::text_or_object, {}, 0, 0, Support::refused, {}, "\"\""},
    {"suffix", Kind::text, "use /infill", 0, 0, Support::refused, {}, "\"\""},
    {"template", Kind::text, "the model's own is used", 0, 0, Support::refused, {}, "\"\""},
    {"context", Kind::list, "send the whole conversation to /api/chat", 0, 0, Support::refused, {}, "[]"},
    {"images", Kind::list, "this server reads text", 0, 0, Support::refused, {}, "[]"},
};

constexpr Field name_fields[] = {
    {"model", Kind::text, "name of the model"},
    {"name", Kind::text, "the same"},
    {"verbose", Kind::truth, {}, 0, 0, Support::ignored},
};

std::string iso_time(std::int64_t seconds, int nanoseconds = 0) {
  const std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::string fraction = std::to_string(1000000000 + nanoseconds).substr(1, 6);
  return cat(text, ".", fraction, "Z");
}

std::string now_text() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(now);
  return iso_time(whole.count(), static_cast<int>(std::chrono::duration_cast<std::chrono::nanoseconds>(now - whole).count()));
}

std::int64_t nanoseconds(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }

GenerationOptions options_of(const ServedModel& model, const Json& body, std::vector<std::string>& warnings) {
  const Json given = body["options"].is_object() ? body["options"] : Json(JsonObject());
  for (const std::string& warning : check_fields(given, option_fields)) warnings.push_back(cat("options.", warning));
  GenerationOptions options = make_draft(model, given, option_fields).options;
  options.stop = stop_strings(given["stop"], "stop");
  if (given["num_ctx"].is_number()) {
    const std::int64_t wanted = given["num_ctx"].as_integer();
    if (wanted > model.context) warnings.push_back(cat("options.num_ctx: this server was started with a context of ", model.context));
    options.context = std::min(wanted, model.context);
  }
  return options;
}

class OllamaReply final : public MessageReply {
 public:
  OllamaReply(ExchangeRef exchange, const DialogueWork& dialogue, const Request& request, bool chat)
      : MessageReply(std::move(exchange), dialogue, request, request.body["stream"] != Json(false)), chat_(chat), name_(request.body["model"].as_string()) {}

 private:
  Json line(const std::string& content, const std::string& thinking, const std::vector<AssistantPiece>& calls, bool done) const {
    Json out;
    out.set("model", name_);
    out.set("created_at", now_text());
    if (chat_) {
      Json message;
      message.set("role", "assistant");
      message.set("content", content);
      if (!thinking.empty()) message.set("thinking", thinking);
      JsonArray list;
      for (const AssistantPiece& call : calls) {
        Json function, one;
        function.set("name", call.name);
        function.set("arguments", parse_json(call.text, "arguments"));
        one.set("function", std::move(function));
        list.push_back(std::move(one));
      }
      if (!list.empty()) message.set("tool_calls", std::move(list));
      out.set("message", std::move(message));
    } else {
      out.set("response", content);
      if (!thinking.empty()) out.set("thinking", thinking);
    }
    out.set("done", done);
    return out;
  }

  void put_end(Json& out, const WorkStats& stats) const {
    const Finish finish = answer_.finish;
    out.set("done_reason", finish == Finish::length || finish == Finish::context ? "length" : "stop");
    out.set("total_duration", nanoseconds(stats.queue_seconds + stats.prompt_seconds + stats.answer_seconds));
    out.set("load_duration", std::int64_t{0});
    out.set("prompt_eval_count", stats.prompt_tokens);
    out.set("prompt_eval_duration", nanoseconds(stats.prompt_seconds));
    out.set("eval_count", stats.answer_tokens);
    out.set("eval_duration", nanoseconds(stats.answer_seconds));
    out.set("cached_count", stats.cached_tokens);
    out.set("warnings", warning_list(warnings_));
  }

  void start() override { exchange_->begin("application/x-ndjson", {}); }
  void add(const AssistantPiece& piece) override {
    const bool content = piece.kind == AssistantPiece::Kind::content, call = piece.kind == AssistantPiece::Kind::call;
    std::vector<AssistantPiece> calls;
    if (call) calls.push_back(piece);
    exchange_->write(dump_json(line(content ? piece.text : "", content || call ? "" : piece.text, calls, false)) + "\n");
  }
  void end(const WorkStats& stats) override {
    Json out = line("", "", {}, true);
    put_end(out, stats);
    exchange_->write(dump_json(out) + "\n");
  }
  std::string broken(const std::string& error) const override { return error + "\n"; }
  Json whole(const WorkStats& stats) override {
    Json out = line(answer_.content, answer_.reasoning, answer_.calls, true);
    put_end(out, stats);
    return out;
  }

  bool chat_;
  std::string name_;
};

// Nothing to say: the model is loaded, and that is all.
void only_load(const Request& request, bool chat) {
  Json out;
  out.set("model", request.body["model"]);
  out.set("created_at", now_text());
  if (chat) {
    Json message;
    message.set("role", "assistant");
    message.set("content", "");
    out.set("message", std::move(message));
  } else {
    out.set("response", "");
  }
  out.set("done", true);
  out.set("done_reason", "load");
  respond_json(request.exchange, out);
}

// ollama's messages hold arguments as objects and name the tool where OpenAI's name the call.
Json openai_messages(const Json& messages) {
  JsonArray out = messages.as_array();
  for (std::size_t i = 0; i < out.size(); ++i) {
    Json& message = out[i];
    if (!message.is_object()) continue;
    if (const Json& images = message["images"]; images.is_array() && !images.as_array().empty()) {
      throw ApiError(400, cat("messages[", i, "].images: this server reads text"), cat("messages[", i, "].images"));
    }
    if (message["thinking"].is_string()) message.set("reasoning_content", message["thinking"]);
    if (message["tool_name"].is_string()) message.set("name", message["tool_name"]);
  }
  return template_messages(Json(std::move(out)));
}

void set_thinking(const Json& think, Dialogue& dialogue) {
  if (think.is_bool()) dialogue.variables["enable_thinking"] = think;
}

void chat(Service& service, Request request) {
  const Json& body = request.body;
  const std::shared_ptr<ServedModel> model = service.models.get(body["model"].as_string(), service.scheduler);
  if (!body["messages"].is_array() || body["messages"].as_array().empty()) return only_load(request, true);
  const GenerationOptions options = options_of(*model, body, request.warnings);
  Dialogue dialogue;
  dialogue.messages = openai_messages(body["messages"]);
  dialogue.tools = template_tools(body["tools"]);
  set_thinking(body["think"], dialogue);
  const DialogueWork made = make_dialogue(model, options, dialogue);
  made.work->events = std::make_shared<OllamaReply>(request.exchange, made, request, true);
  submit(service, request.exchange, made.work);
}

void generate(Service& service, Request request) {
  const Json& body = request.body;
  const std::shared_ptr<ServedModel> model = service.models.get(body["model"].as_string(), service.scheduler);
  if (!body["prompt"].is_string() || body["prompt"].as_string().empty()) return only_load(request, false);
  const GenerationOptions options = options_of(*model, body, request.warnings);
  DialogueWork made;
  if (body["raw"] == Json(true) || !model->has_template()) {
    if (body["system"].is_string() && !body["system"].as_string().empty()) request.warnings.push_back("system: not used without a template");
    made.work = std::make_shared<Work>();
    made.work->model = model;
    made.work->options = options;
    made.work->prompts = prompts_of(*model, body["prompt"], "prompt");
    check_context(*model, made.work->prompts, options, "prompt");
  } else {
    Dialogue dialogue;
    JsonArray list;
    for (const char* role : {"system", "user"}) {
      const Json& text = body[role == std::string_view("user") ? "prompt" : "system"];
      if (!text.is_string() || text.as_string().empty()) continue;
      Json message;
      message.set("role", role);
      message.set("content", text);
      list.push_back(std::move(message));
    }
    dialogue.messages = Json(std::move(list));
    dialogue.where = "prompt";
    set_thinking(body["think"], dialogue);
    made = make_dialogue(model, options, dialogue);
  }
  made.work->events = std::make_shared<OllamaReply>(request.exchange, made, request, false);
  submit(service, request.exchange, made.work);
}

Json details_of(const ModelEntry& entry, std::int64_t* size) {
  Json out;
  const Checkpoint checkpoint = open_checkpoint(entry.path);
  const std::string kind = checkpoint.is_gguf() ? "gguf" : "safetensors", family(model_of(checkpoint).name);
  JsonArray families;
  families.emplace_back(family);
  if (size != nullptr) *size = weight_bytes(checkpoint);
  out.set("parent_model", "");
  out.set("format", kind);
  out.set("family", family);
  out.set("families", std::move(families));
  out.set("parameter_size", "");
  out.set("quantization_level", main_type(checkpoint));
  return out;
}

void tags(Service& service, Request request) {
  JsonArray list;
  for (const ModelEntry& entry : service.models.entries()) {
    Json one;
    std::int64_t size = 0;
    const Json details = details_of(entry, &size);
    one.set("name", cat(entry.id, ":latest"));
    one.set("model", cat(entry.id, ":latest"));
    one.set("modified_at", iso_time(0));
    one.set("size", size);
    one.set("details", details);
    list.push_back(std::move(one));
  }
  Json out;
  out.set("models", std::move(list));
  respond_json(request.exchange, out);
}

void ps(Service& service, Request request) {
  JsonArray list;
  for (const auto& model : service.models.all_loaded()) {
    Json one;
    const ModelEntry* entry = service.models.find(model->id);
    std::int64_t size = 0;
    const Json details = details_of(*entry, &size);
    one.set("name", cat(model->id, ":latest"));
    one.set("model", cat(model->id, ":latest"));
    one.set("size", size + model->state.pool->live_bytes());
    one.set("size_vram", std::int64_t{0});
    one.set("details", details);
    one.set("context_length", model->context);
    list.push_back(std::move(one));
  }
  Json out;
  out.set("models", std::move(list));
  respond_json(request.exchange, out);
}

void show(Service& service, Request request) {
  const Json& name = request.body["model"].is_string() ? request.body["model"] : request.body["name"];
  if (!name.is_string()) throw ApiError(400, "\"model\" is missing", "model");
  const std::shared_ptr<ServedModel> model = service.models.get(name.as_string(), service.scheduler);
  Json out, info;
  JsonArray capabilities;
  capabilities.emplace_back("completion");
  if (model->has_template()) {
    const std::string& source = model->templates.front().source;
    if (source.find("tools") != std::string::npos) capabilities.emplace_back("tools");
    if (!assistant_format(source, false).reason_open.empty()) capabilities.emplace_back("thinking");
  }
  out.set("modelfile", "");
  std::string parameters;
  if (model->defaults.values.is_object()) {
    for (const auto& [key, value] : model->defaults.values.as_object().entries()) parameters += cat(key, " ", dump_json(value), "\n");
  }
  out.set("parameters", parameters);
  out.set("template", model->has_template() ? model->templates.front().source : std::string());
  out.set("details", details_of(*service.models.find(model->id), nullptr));
  const std::string family(model_of(model->checkpoint).name);
  info.set("general.architecture", family);
  info.set(cat(family, ".context_length"), model->network->info().context);
  info.set(cat(family, ".embedding_length"), model->network->info().hidden);
  info.set(cat(family, ".block_count"), model->network->info().layers);
  info.set(cat(family, ".vocab_size"), model->network->info().vocab);
  out.set("model_info", std::move(info));
  out.set("modified_at", iso_time(0));
  out.set("capabilities", std::move(capabilities));
  respond_json(request.exchange, out);
}

void version(Service&, Request request) {
  Json out;
  out.set("version", "0.12.0");
  respond_json(request.exchange, out);
}

constexpr Route routes[] = {
    {"POST", "/api/chat", chat, chat_fields, "the next message of a conversation", Access::keyed, true},
    {"POST", "/api/generate", generate, generate_fields, "an answer to a prompt", Access::keyed, true},
    {"POST", "/api/show", show, name_fields, "what a model is", Access::keyed, true},
    {"GET", "/api/tags", tags, {}, "the models that may be asked for"},
    {"GET", "/api/ps", ps, {}, "the models in memory"},
    {"GET", "/api/version", version, {}, "the version of ollama's API that this follows"},
};

}  // namespace

extern const Surface surface_ollama;
const Surface surface_ollama{routes};

}  // namespace tashika::serve
