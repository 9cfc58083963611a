// What the server says of itself: /v1/capabilities, /openapi.json, /metrics. All are made from the tables of routes.
#include <set>

#include "serve/request/generation.h"
#include "version.h"

namespace tashika::serve {
namespace {

void capabilities(Service&, Request request) {
  Json routes = JsonObject();
  for (const Surface* surface : surfaces()) {
    for (const Route& route : surface->routes) {
      Json one;
      one.set("about", route.about);
      if (!route.fields.empty()) one.set("fields", fields_capabilities(route.fields));
      routes.set(cat(route.method, " ", route.path), std::move(one));
    }
  }
  Json out;
  out.set("version", TASHIKA_VERSION);
  out.set("unknown_fields", "listed in warnings");
  out.set("routes", std::move(routes));
  respond_json(request.exchange, out);
}

Json json_content(Json schema) {
  Json type, content, out;
  type.set("schema", std::move(schema));
  content.set("application/json", std::move(type));
  out.set("content", std::move(content));
  return out;
}

void openapi(Service&, Request request) {
  Json out, info, paths = JsonObject(), components, schemas, schemes, bearer;
  info.set("title", "Tashika");
  info.set("version", TASHIKA_VERSION);
  out.set("openapi", "3.1.0");
  out.set("info", std::move(info));
  Json anything;
  anything.set("type", "object");
  for (const Surface* surface : surfaces()) {
    for (const Route& route : surface->routes) {
      Json operation, responses;
      operation.set("summary", route.about);
      std::string path(route.path);
      if (path.ends_with('*')) {
        path.replace(path.size() - 1, 1, "{id}");
        Json parameter, schema;
        schema.set("type", "string");
        parameter.set("name", "id");
        parameter.set("in", "path");
        parameter.set("required", true);
        parameter.set("schema", std::move(schema));
        JsonArray parameters;
        parameters.push_back(std::move(parameter));
        operation.set("parameters", std::move(parameters));
      }
      if (!route.fields.empty()) {
        Json body = json_content(fields_schema(route.fields));
        body.set("required", true);
        operation.set("requestBody", std::move(body));
      }
      Json ok;
      ok.set("description", "the answer");
      responses.set("200", std::move(ok));
      for (const int status : {400, 401, 404, 413, 503}) {
        Json error, reference;
        reference.set("$ref", "#/components/schemas/Error");
        error = json_content(std::move(reference));
        error.set("description", status_text(status));
        responses.set(std::to_string(status), std::move(error));
      }
      operation.set("responses", std::move(responses));
      if (route.access == Access::open) operation.set("security", JsonArray());
      const std::string method = route.method == "GET" ? "get" : "post";
      Json item = paths[path].is_null() ? Json(JsonObject()) : paths[path];
      item.set(method, std::move(operation));
      paths.set(path, std::move(item));
    }
  }
  out.set("paths", std::move(paths));
  Json error, either, text, object;
  text.set("type", "string");
  object.set("type", "object");
  JsonArray kinds;
  kinds.push_back(object);
  kinds.push_back(text);
  either.set("anyOf", std::move(kinds));
  Json properties;
  properties.set("error", std::move(either));
  JsonArray required;
  required.emplace_back("error");
  error.set("type", "object");
  error.set("properties", std::move(properties));
  error.set("required", std::move(required));
  schemas.set("Error", std::move(error));
  bearer.set("type", "http");
  bearer.set("scheme", "bearer");
  schemes.set("key", std::move(bearer));
  components.set("schemas", std::move(schemas));
  components.set("securitySchemes", std::move(schemes));
  out.set("components", std::move(components));
  respond_json(request.exchange, out);
}

void metrics(Service& service, Request request) {
  const SchedulerCounts& c = service.scheduler.counts();
  const WireCounts& w = service.wire.counts();
  std::string out;
  const auto add = [&](std::string_view name, std::string_view kind, std::string_view help, auto value) {
    out += cat("# HELP tashika_", name, " ", help, "\n# TYPE tashika_", name, " ", kind, "\ntashika_", name, " ", value, "\n");
  };
  add("requests_total", "counter", "HTTP requests whose head was read", w.requests.load());
  add("requests_refused_total", "counter", "of them, refused before their body was read", w.refused.load());
  add("connections", "gauge", "open connections", w.open.load());
  add("sequences_running", "gauge", "sequences in the batch", c.running.load());
  add("sequences_waiting", "gauge", "sequences in the queue", c.waiting.load());
  add("generations_finished_total", "counter", "requests answered whole", c.finished.load());
  add("generations_cancelled_total", "counter", "requests whose client left", c.cancelled.load());
  add("generations_failed_total", "counter", "requests that failed while computing", c.failed.load());
  add("generations_refused_total", "counter", "requests refused for a full queue", c.refused.load());
  add("sequences_preempted_total", "counter", "states dropped for want of memory and computed again", c.preempted.load());
  add("prompt_tokens_total", "counter", "tokens of prompts", c.prompt_tokens.load());
  add("prompt_tokens_cached_total", "counter", "of them, taken from the prefix cache", c.cached_tokens.load());
  add("answer_tokens_total", "counter", "tokens generated", c.answer_tokens.load());
  add("steps_total", "counter", "forwards", c.steps.load());
  add("step_rows_total", "counter", "rows of all forwards: divided by the steps, the batch's mean size", c.rows.load());
  add("state_bytes", "gauge", "memory of running and cached sequences", c.state_bytes.load());
  add("cache_entries", "gauge", "states in the prefix cache", c.cache_entries.load());
  add("models_loaded", "gauge", "models in memory", static_cast<std::int64_t>(service.models.all_loaded().size()));
  add("step_seconds_total", "counter", "time spent in forwards", c.step_seconds.load());
  add("queue_seconds_total", "counter", "time that finished requests waited", c.queue_seconds.load());
  add("prompt_seconds_total", "counter", "time from then to their first tokens", c.prompt_seconds.load());
  request.exchange->respond({200, "text/plain; version=0.0.4; charset=utf-8", std::move(out), {}});
}

constexpr Route routes[] = {
    {"GET", "/v1/capabilities", capabilities, {}, "which fields each route honours"},
    {"GET", "/openapi.json", openapi, {}, "this API as an OpenAPI document"},
    {"GET", "/metrics", metrics, {}, "figures for Prometheus"},
};

}  // namespace

extern const Surface surface_about;
const Surface surface_about{routes};

}  // namespace tashika::serve
