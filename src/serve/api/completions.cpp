// OpenAI's /v1/completions: text from a prompt of text or ids.
#include <algorithm>

#include "serve/request/generation.h"
#include "serve/request/logprobs.h"

namespace tashika::serve {
namespace {

constexpr auto fields = join_fields(std::to_array<Field>({
    {"model", Kind::text, "id of the model; the server's first when absent"},
    {"prompt", Kind::text_or_list, "a text, texts, token ids, or lists of token ids", -1e18, 1e18, Support::honoured, {}, {}, true},
    {"max_tokens", Kind::integer, "tokens to generate at most; as many as fit when absent", 1, 9e15, Support::honoured, "n_predict"},
    {"n_predict", Kind::integer, "the same; -1: as many as fit", -1, 9e15, Support::honoured, "n_predict"},
    {"temperature", Kind::number, "0: always the likeliest token", 0, 10, Support::honoured, "temp"},
    {"top_p", Kind::number, "keep the likeliest tokens that together reach P", 1e-6, 1, Support::honoured, "top_p"},
    {"n", Kind::integer, "answers for each prompt", 1, 16},
    {"stream", Kind::truth, "server-sent events as the text grows"},
    {"stream_options", Kind::object, "include_usage: a last chunk with the usage"},
    {"logprobs", Kind::integer, "the log-probability of each token and of the N likeliest", 0, 100},
    {"stop", Kind::text_or_list, "the text ends before any of these"},
    {"seed", Kind::integer, "of the random draws; -1: a new one", -1, 9.2e18, Support::honoured, "seed"},
    {"presence_penalty", Kind::number, "taken once from the logits of tokens seen", -2, 2, Support::honoured, "presence_penalty"},
    {"frequency_penalty", Kind::number, "taken for each time that a token was seen", -2, 2, Support::honoured, "frequency_penalty"},
    {"logit_bias", Kind::object, "token ids and what is added to their logits, -100 to 100"},
    {"echo", Kind::truth, "the prompt is not part of the text", 0, 0, Support::refused},
    {"best_of", Kind::integer, "use n", 0, 0, Support::refused, {}, "1"},
    {"suffix", Kind::text, "use /infill", 0, 0, Support::refused, {}, "\"\""},
    {"user", Kind::text, {}, 0, 0, Support::ignored},
}), sampling_fields);

class TextReply final : public WorkEvents {
 public:
  TextReply(ExchangeRef exchange, std::shared_ptr<Work> work, const Request& request)
      : exchange_(std::move(exchange)), model_(work->model), n_(static_cast<std::size_t>(work->n)), id_(random_id("cmpl-")), created_(unix_time()),
        warnings_(request.warnings), stream_(request.body["stream"] == Json(true)), usage_(request.body["stream_options"]["include_usage"] == Json(true)),
        ids_(request.body["return_token_ids"] == Json(true)), logprobs_(work->options.logprobs >= 0), prompts_(work->prompts),
        choices_(work->prompts.size() * n_) {}

  void token(std::size_t index, TokenEvent event) override {
    Choice& choice = choices_[index];
    choice.text += event.text;
    if (ids_) choice.ids.emplace_back(std::int64_t{event.id});
    if (logprobs_) choice.logprobs.add(*model_, event);
    choice.finish = event.finish;
    if (!stream_ || (event.text.empty() && !ids_ && !logprobs_ && event.finish == Finish::none)) return;
    begin();
    Json chunk = head();
    JsonArray list;
    list.push_back(choice_json(index));
    chunk.set("choices", std::move(list));
    if (!told_) chunk.set("warnings", warning_list(warnings_));
    told_ = true;
    exchange_->write(sse(chunk));
  }

  void done(const WorkStats& stats) override {
    if (stream_) {
      begin();
      Json chunk = head();
      chunk.set("choices", JsonArray());
      if (usage_) {
        chunk.set("usage", usage_json(stats));
        chunk.set("timings", timings_json(stats));
        exchange_->write(sse(chunk));
      }
      exchange_->write("data: [DONE]\n\n");
      exchange_->end();
      return;
    }
    Json out = head();
    JsonArray list;
    for (std::size_t i = 0; i < choices_.size(); ++i) list.push_back(choice_json(i));
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
    std::string text;
    JsonArray ids;
    CompletionLogprobs logprobs;
    Finish finish = Finish::none;
    bool prompt_told = false;
  };

  void begin() {
    if (!begun_) exchange_->begin("text/event-stream", {});
    begun_ = true;
  }

  Json head() const {
    Json out;
    out.set("id", id_);
    out.set("object", "text_completion");
    out.set("created", created_);
    out.set("model", model_->id);
    return out;
  }

  // What has come since the last call.
  Json choice_json(std::size_t index) {
    Choice& choice = choices_[index];
    Json out;
    out.set("index", index);
    out.set("text", std::move(choice.text));
    out.set("logprobs", logprobs_ ? choice.logprobs.take() : Json());
    out.set("finish_reason", choice.finish == Finish::none ? Json() : Json(openai_finish(choice.finish)));
    if (ids_) {
      out.set("token_ids", std::move(choice.ids));
      if (!choice.prompt_told) out.set("prompt_token_ids", ids_json(prompts_[index / n_]));
      choice.prompt_told = true;
    }
    choice.text.clear();
    choice.ids = {};
    return out;
  }

  ExchangeRef exchange_;
  std::shared_ptr<ServedModel> model_;
  std::size_t n_;
  std::string id_;
  std::int64_t created_;
  std::vector<std::string> warnings_;
  bool stream_, usage_, ids_, logprobs_, begun_ = false, told_ = false;
  std::vector<std::vector<std::int32_t>> prompts_;
  std::vector<Choice> choices_;
};

void complete(Service& service, Request request) {
  const Json& body = request.body;
  auto work = std::make_shared<Work>();
  work->model = service.models.get(body["model"].is_string() ? body["model"].as_string() : "", service.scheduler);
  const ServedModel& model = *work->model;
  work->options = make_draft(model, body, fields).options;
  work->options.stop = stop_strings(body["stop"], "stop");
  read_logit_bias(model, body["logit_bias"], work->options);
  if (body["logprobs"].is_number()) work->options.logprobs = static_cast<int>(body["logprobs"].as_integer());
  if (body["n"].is_number()) work->n = static_cast<int>(body["n"].as_integer());
  work->use_cache = body["cache_prompt"] != Json(false);
  work->prompts = prompts_of(model, body["prompt"], "prompt");
  check_context(model, work->prompts, work->options, "prompt");
  work->events = std::make_shared<TextReply>(request.exchange, work, request);
  submit(service, request.exchange, work);
}

constexpr Route routes[] = {
    {"POST", "/v1/completions", complete, fields, "text from a prompt", Access::keyed, true},
};

}  // namespace

extern const Surface surface_completions;
const Surface surface_completions{routes};

}  // namespace tashika::serve
