// What is there: /health, /v1/models.
#include <algorithm>

#include "serve/request/generation.h"

namespace tashika::serve {
namespace {

void health(Service& service, Request request) {
  if (service.ready) {
    Json out;
    out.set("status", "ok");
    respond_json(request.exchange, out);
    return;
  }
  request.exchange->respond({503, "application/json", error_body(ErrorStyle::openai, 503, "Loading model"), {{"Retry-After", "1"}}});
}

Json model_json(const Service& service, const ModelEntry& entry) {
  Json out, meta;
  out.set("id", entry.id);
  out.set("object", "model");
  const auto model = service.models.loaded(entry.id);
  out.set("created", model ? model->created : std::int64_t{0});
  out.set("owned_by", "tashika");
  out.set("loaded", model != nullptr);
  if (model) {
    meta.set("n_vocab", model->network->info().vocab);
    meta.set("n_ctx", model->context);
    meta.set("n_ctx_train", model->network->info().context);
    meta.set("n_embd", model->network->info().hidden);
    meta.set("chat_template", model->has_template());
    meta.set("sampling", model->defaults.values);
    out.set("meta", std::move(meta));
  }
  return out;
}

void list(Service& service, Request request) {
  Json out;
  JsonArray data;
  for (const ModelEntry& entry : service.models.entries()) data.push_back(model_json(service, entry));
  out.set("object", "list");
  out.set("data", std::move(data));
  respond_json(request.exchange, out);
}

void one(Service& service, Request request) {
  const ModelEntry* entry = service.models.find(request.tail);
  if (entry == nullptr) service.models.get(request.tail, service.scheduler);  // says which there are
  respond_json(request.exchange, model_json(service, *entry));
}

constexpr Route routes[] = {
    {"GET", "/health", health, {}, "200 when ready, 503 while the model is being loaded", Access::open},
    {"GET", "/v1/health", health, {}, "the same", Access::open},
    {"GET", "/v1/models", list, {}, "the models that may be asked for"},
    {"GET", "/models", list, {}, "the same"},
    {"GET", "/v1/models/*", one, {}, "one model"},
};

}  // namespace

extern const Surface surface_models;
const Surface surface_models{routes};

}  // namespace tashika::serve
