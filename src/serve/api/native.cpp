// llama.cpp's routes: tokens, templates, filling in the middle, slots.
#include <algorithm>

#include "serve/request/dialogue.h"
#include "serve/request/messages.h"
#include "text/utf8.h"

namespace tashika::serve {
namespace {

constexpr Field tokenize_fields[] = {
    {"model", Kind::text, "id of the model; the server's first when absent"},
    {"content", Kind::text, "the text", -1e18, 1e18, Support::honoured, {}, {}, true},
    {"add_special", Kind::truth, "BOS and what else the tokenizer adds; false unless said"},
    {"parse_special", Kind::truth, "special tokens written in the text are themselves; true unless said"},
    {"with_pieces", Kind::truth, "each token's text too"},
};
constexpr Field detokenize_fields[] = {
    {"model", Kind::text, "id of the model; the server's first when absent"},
    {"tokens", Kind::list, "token ids", -1e18, 1e18, Support::honoured, {}, {}, true},
};
constexpr Field template_fields[] = {
    {"model", Kind::text, "id of the model; the server's first when absent"},
    {"messages", Kind::list, "the conversation", -1e18, 1e18, Support::honoured, {}, {}, true},
    {"tools", Kind::list, "functions that the model may call"},
    {"add_generation_prompt", Kind::truth, "true unless said"},
    {"chat_template_kwargs", Kind::object, "further variables of the chat template"},
    {"with_tokens", Kind::truth, "the prompt's tokens too, each with its text and whether it is special"},
};
constexpr auto infill_fields = join_fields(std::to_array<Field>({
    {"model", Kind::text, "id of the model; the server's first when absent"},
    {"input_prefix", Kind::text, "what stands before", -1e18, 1e18, Support::honoured, {}, {}, true},
    {"input_suffix", Kind::text, "what stands behind", -1e18, 1e18, Support::honoured, {}, {}, true},
    {"input_extra", Kind::list, "further files: {\"filename\", \"text\"}"},
    {"prompt", Kind::text, "the beginning of what is filled in"},
    {"n_predict", Kind::integer, "tokens to generate at most; -1: as many as fit", -1, 9e15, Support::honoured, "n_predict"},
    {"max_tokens", Kind::integer, "the same", 1, 9e15, Support::honoured, "n_predict"},
    {"temperature", Kind::number, "0: always the likeliest token", 0, 10, Support::honoured, "temp"},
    {"top_p", Kind::number, "keep the likeliest tokens that together reach P", 1e-6, 1, Support::honoured, "top_p"},
    {"seed", Kind::integer, "of the random draws; -1: a new one", -1, 9.2e18, Support::honoured, "seed"},
    {"stop", Kind::text_or_list, "the text ends before any of these"},
    {"stream", Kind::truth, "server-sent events as the text grows"},
}), sampling_fields);

std::shared_ptr<ServedModel> model_of_body(Service& service, const Json& body) {
  return service.models.get(body["model"].is_string() ? body["model"].as_string() : "", service.scheduler);
}

Json pieces_json(const ServedModel& model, std::span<const std::int32_t> ids, bool kinds) {
  JsonArray out;
  for (const std::int32_t id : ids) {
    Json one;
    one.set("id", std::int64_t{id});
    const std::string bytes = token_bytes(model, id);
    if (utf8::is_valid(bytes)) {
      one.set("piece", bytes);
    } else {
      JsonArray list;
      for (const char c : bytes) list.emplace_back(std::int64_t{static_cast<unsigned char>(c)});
      one.set("piece", std::move(list));
    }
    if (kinds) one.set("special", id < model.text().id_limit() && model.text().kind(id).special);
    out.push_back(std::move(one));
  }
  return Json(std::move(out));
}

void tokenize(Service& service, Request request) {
  const Json& body = request.body;
  const auto model = model_of_body(service, body);
  EncodeOptions options;
  options.add_special = body["add_special"] == Json(true);
  options.special_as_text = body["parse_special"] == Json(false);
  const std::vector<TokenId> ids = model->text().encode(body["content"].as_string(), options);
  Json out;
  out.set("tokens", body["with_pieces"] == Json(true) ? pieces_json(*model, ids, false) : ids_json(ids));
  respond_json(request.exchange, out);
}

void detokenize(Service& service, Request request) {
  const auto model = model_of_body(service, request.body);
  std::vector<TokenId> ids;
  const JsonArray& list = request.body["tokens"].as_array();
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_integer() || list[i].as_integer() < 0 || list[i].as_integer() >= model->network->info().vocab) {
      throw ApiError(400, cat("tokens[", i, "]: expected a token id from 0 to ", model->network->info().vocab - 1), "tokens");
    }
    // An embedding may have rows that the tokenizer lacks: they stand for nothing.
    if (list[i].as_integer() < model->text().id_limit()) ids.push_back(static_cast<TokenId>(list[i].as_integer()));
  }
  Json out;
  out.set("content", utf8::replace_invalid(model->text().decode(ids)));
  respond_json(request.exchange, out);
}

void apply_template(Service& service, Request request) {
  const Json& body = request.body;
  const auto model = model_of_body(service, body);
  const JsonObject variables = body["chat_template_kwargs"].is_object() ? body["chat_template_kwargs"].as_object() : JsonObject();
  const std::string text = model->render(template_messages(body["messages"]), template_tools(body["tools"]), body["add_generation_prompt"] != Json(false), variables);
  Json out;
  out.set("prompt", text);
  if (body["with_tokens"] == Json(true)) out.set("tokens", pieces_json(*model, conversation_tokens(*model, text), true));
  respond_json(request.exchange, out);
}

// The marks that models trained to fill in know, by the spellings that published vocabularies give them.
std::optional<TokenId> mark_of(const ServedModel& model, std::initializer_list<const char*> spellings) {
  for (const char* spelling : spellings) {
    if (const std::optional<TokenId> id = model.text().id(spelling)) return id;
  }
  return std::nullopt;
}

class InfillReply final : public MessageReply {
 public:
  using MessageReply::MessageReply;

 private:
  void start() override { exchange_->begin("text/event-stream", {}); }
  void add(const AssistantPiece& piece) override {
    Json out;
    out.set("content", piece.text);
    out.set("stop", false);
    exchange_->write(sse(out));
  }
  void end(const WorkStats& stats) override {
    Json out = whole(stats);
    out.set("content", "");
    exchange_->write(sse(out));
  }
  std::string broken(const std::string& error) const override { return cat("data: ", error, "\n\n"); }
  Json whole(const WorkStats& stats) override {
    Json out;
    const Finish finish = answer_.finish;
    out.set("content", answer_.content);
    out.set("stop", true);
    out.set("stop_type", finish == Finish::end ? "eos" : finish == Finish::stop ? "word" : "limit");
    out.set("stopping_word", answer_.stop);
    out.set("model", model_->id);
    out.set("tokens_predicted", stats.answer_tokens);
    out.set("tokens_evaluated", stats.prompt_tokens);
    out.set("tokens_cached", stats.cached_tokens);
    out.set("timings", timings_json(stats));
    out.set("warnings", warning_list(warnings_));
    return out;
  }
};

void infill(Service& service, Request request) {
  const Json& body = request.body;
  const auto model = model_of_body(service, body);
  const auto prefix = mark_of(*model, {"<|fim_prefix|>", "<fim_prefix>", "<fim-prefix>", "<PRE>", "▁<PRE>", "<｜fim▁begin｜>"});
  const auto suffix = mark_of(*model, {"<|fim_suffix|>", "<fim_suffix>", "<fim-suffix>", "<SUF>", "▁<SUF>", "<｜fim▁hole｜>"});
  const auto middle = mark_of(*model, {"<|fim_middle|>", "<fim_middle>", "<fim-middle>", "<MID>", "▁<MID>", "<｜fim▁end｜>"});
  if (!prefix || !suffix || !middle) throw ApiError(400, cat("the model \"", model->id, "\" has no tokens for filling in: it was not trained to"), "model");
  DialogueWork made;
  made.work = std::make_shared<Work>();
  made.work->model = model;
  made.work->options = make_draft(*model, body, infill_fields).options;
  made.work->options.stop = stop_strings(body["stop"], "stop");
  const Tokenizer& tokenizer = model->text();
  const EncodeOptions plain{.add_special = false, .special_as_text = true};
  std::vector<TokenId> ids;
  const auto add = [&](const std::string& text) {
    const std::vector<TokenId> more = tokenizer.encode(text, plain);
    ids.insert(ids.end(), more.begin(), more.end());
  };
  if (tokenizer.adds_bos() && tokenizer.bos()) ids.push_back(*tokenizer.bos());
  if (body["input_extra"].is_array()) {
    const auto separator = mark_of(*model, {"<|file_sep|>", "<file_sep>"});
    for (const Json& file : body["input_extra"].as_array()) {
      if (!file["text"].is_string()) throw ApiError(400, "input_extra: expected objects with the string \"text\"", "input_extra");
      if (separator) ids.push_back(*separator);
      if (file["filename"].is_string()) add(file["filename"].as_string() + "\n");
      add(file["text"].as_string() + "\n");
    }
  }
  ids.push_back(*prefix);
  add(body["input_prefix"].as_string());
  ids.push_back(*suffix);
  add(body["input_suffix"].as_string());
  ids.push_back(*middle);
  if (body["prompt"].is_string()) add(body["prompt"].as_string());
  made.work->prompts.push_back(std::move(ids));
  check_context(*model, made.work->prompts, made.work->options, "input_prefix");
  made.work->events = std::make_shared<InfillReply>(request.exchange, made, request, body["stream"] == Json(true));
  submit(service, request.exchange, made.work);
}

void slots(Service& service, Request request) {
  JsonArray out;
  for (const RunningSequence& sequence : service.scheduler.running()) {
    Json one;
    one.set("id", out.size());
    one.set("model", sequence.model);
    one.set("is_processing", true);
    one.set("n_prompt", sequence.prompt_tokens);
    one.set("n_tokens", sequence.tokens);
    one.set("n_pending", sequence.pending);
    out.push_back(std::move(one));
  }
  respond_json(request.exchange, Json(std::move(out)));
}

constexpr Route routes[] = {
    {"POST", "/tokenize", tokenize, tokenize_fields, "a text's token ids", Access::keyed, true},
    {"POST", "/detokenize", detokenize, detokenize_fields, "the text of token ids", Access::keyed, true},
    {"POST", "/apply-template", apply_template, template_fields, "the prompt that a conversation makes", Access::keyed, true},
    {"POST", "/infill", infill, infill_fields, "what stands between two texts", Access::keyed, true},
    {"GET", "/slots", slots, {}, "the sequences that are running"},
};

}  // namespace

extern const Surface surface_native;
const Surface surface_native{routes};

}  // namespace tashika::serve
