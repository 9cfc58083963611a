// What the API's surfaces work with: the models, the scheduler, and the tables of routes.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/log.h"
#include "serve/engine/model.h"
#include "serve/engine/scheduler.h"
#include "serve/request/error.h"
#include "serve/request/fields.h"
#include "serve/wire/http.h"
#include "serve/wire/server.h"

namespace tashika::serve {

struct ModelEntry {
  std::string id;
  std::string path;
};

// The models that may be asked for. They are opened when first needed, and the one that has been idle longest goes when
// another needs its memory.
class ModelStore {
 public:
  struct Limits {
    std::int64_t context = 0;
    std::int64_t memory = 0;  // bytes for everything; 0: what the machine has
    std::int64_t chunk = 512;
    std::int64_t sequences = 32;
    std::int64_t state_budget = 0;
  };
  ModelStore(std::vector<ModelEntry> entries, Runtime& rt, const Limits& limits, Log& log);

  const std::vector<ModelEntry>& entries() const { return entries_; }
  // With or without ":latest". Null when there is no such model.
  const ModelEntry* find(std::string_view id) const;
  // The model of a request; empty id: the first. ApiError(404) that lists what there is. Loads it if need be, through
  // the scheduler.
  std::shared_ptr<ServedModel> get(std::string_view id, Scheduler& scheduler);
  std::shared_ptr<ServedModel> loaded(std::string_view id) const;  // null when it is not
  std::vector<std::shared_ptr<ServedModel>> all_loaded() const;

 private:
  std::shared_ptr<ServedModel> load(const ModelEntry& entry, Scheduler& scheduler);
  std::vector<ModelEntry> entries_;
  Runtime& rt_;
  Limits limits_;
  Log& log_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<ServedModel>> loaded_;  // latest used last
};

struct Service {
  ModelStore& models;
  Scheduler& scheduler;
  HttpServer& wire;
  Log& log;
  const std::atomic<bool>& ready;
  std::string not_ready;  // why, once loading has failed
  std::size_t keys = 0;
};

struct Request {
  ExchangeRef exchange;
  std::string tail;  // of the path, where the route's ends in "*"
  Json body;         // null for a GET
  std::vector<std::string> warnings;
};

enum class Access {
  open,  // needs no key
  keyed,
};

struct Route {
  std::string_view method;
  std::string_view path;  // "/v1/models/*": what follows is Request::tail
  // Answers, now or later. On a worker's thread; throws ApiError or Error.
  void (*run)(Service& service, Request request);
  std::span<const Field> fields;
  std::string_view about;
  Access access = Access::keyed;
  bool needs_model = false;  // 503 while the first model is being loaded
};

// One file of api/ is one surface: a list of routes.
struct Surface {
  std::span<const Route> routes;
};
std::span<const Surface* const> surfaces();  // generated from the listing of api/

void respond_json(const ExchangeRef& exchange, const Json& value, int status = 200);

}  // namespace tashika::serve
