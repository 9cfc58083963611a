#include "serve/server.h"

#include <algorithm>
#include <optional>
#include <thread>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "serve/gate.h"
#include "serve/workers.h"

namespace tashika::serve {
namespace {

constexpr std::string_view loopback_names[] = {"localhost", "127.0.0.1", "::1"};

GateRules rules_of(const ServeOptions& options) {
  GateRules rules;
  for (const std::string& key : options.keys) rules.key_digests.push_back(sha256(std::as_bytes(std::span(key.data(), key.size()))));
  // Beyond loopback the names by which a machine is reached are its owner's affair, and a key guards it.
  if (is_loopback(options.host)) rules.hosts.assign(std::begin(loopback_names), std::end(loopback_names));
  if (!rules.hosts.empty() || !options.allowed_hosts.empty()) {
    rules.hosts.insert(rules.hosts.end(), options.allowed_hosts.begin(), options.allowed_hosts.end());
    rules.hosts.push_back(options.host);
  }
  return rules;
}

}  // namespace

bool is_loopback(std::string_view host) { return std::ranges::find(loopback_names, host) != std::end(loopback_names) || host.starts_with("127."); }

std::vector<std::string> read_keys(const std::string& path) {
  std::vector<std::string> keys;
  const std::string text = read_file(path, 1 << 20);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.pop_back();
    line.erase(0, line.find_first_not_of(" \t"));
    if (!line.empty() && line[0] != '#') keys.push_back(line);
    at = end + 1;
  }
  if (keys.empty()) fail(path, ": holds no API key; write one a line");
  return keys;
}

void respond_json(const ExchangeRef& exchange, const Json& value, int status) { exchange->respond({status, "application/json", dump_json(value), {}}); }

struct Server::Impl {
  Impl(ServeOptions o, std::vector<ModelEntry> entries, Runtime& rt, Log& l)
      : options(std::move(o)),
        log(l),
        rules(rules_of(options)),
        wire(
            options.limits, [this](const HttpHead& head) { return judge(rules, head); }, [this](ExchangeRef exchange) { handle(std::move(exchange)); },
            [](int status, std::string_view message) { return error_body(ErrorStyle::openai, status, message); }),
        models(std::move(entries), rt, {options.context, options.memory, options.chunk, options.sequences, options.state_budget}, log),
        scheduler(rt, {.sequences = options.sequences, .chunk = options.chunk}, [this](std::function<void()> call) { wire.post(std::move(call)); }, log),
        service{models, scheduler, wire, log, ready, {}, options.keys.size()} {}

  void handle(ExchangeRef exchange) {
    workers->add([this, exchange = std::move(exchange)] { answer(exchange); });
  }
  void answer(const ExchangeRef& exchange);

  ServeOptions options;
  Log& log;
  GateRules rules;
  std::atomic<bool> ready{false};
  HttpServer wire;
  ModelStore models;
  Scheduler scheduler;
  Service service;
  std::optional<Workers> workers;
};

// On a worker's thread. Nothing that a request causes gets out of here.
void Server::Impl::answer(const ExchangeRef& exchange) {
  const HttpHead& head = exchange->head();
  const ErrorStyle style = error_style(head.path);
  try {
    Request request;
    request.exchange = exchange;
    const Route* route = find_route(head.method, head.path, &request.tail, nullptr);
    if (route == nullptr) throw ApiError(404, "there is nothing here");
    if (route->method == "POST" && !route->fields.empty()) {
      request.body = parse_json(exchange->body(), "the request's body");
      request.warnings = check_fields(request.body, route->fields);
    }
    if (route->needs_model && !ready) {
      ApiError loading(503, "Loading model");
      loading.headers.emplace_back("Retry-After", "1");
      throw loading;
    }
    route->run(service, std::move(request));
  } catch (const ApiError& error) {
    exchange->respond(error_reply(style, error));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) log.write(LogLevel::error, error.message());
    exchange->respond(error_reply(style, api_error(error.kind(), error.message())));
  } catch (const std::exception& error) {
    log.write(LogLevel::error, cat("a request failed: ", error.what()));
    exchange->respond(error_reply(style, ApiError(500, "internal error")));
  }
}

Server::Server(ServeOptions options, std::vector<ModelEntry> models, Runtime& rt, Log& log) {
  if (!is_loopback(options.host) && options.keys.empty() && !options.insecure) {
    fail_with(ErrorKind::usage, cat("--host ", options.host, " can be reached from other machines: give --api-key-file, or --insecure if everyone may ask"));
  }
  impl_ = std::make_unique<Impl>(std::move(options), std::move(models), rt, log);
  impl_->workers.emplace(2);
}

Server::~Server() {
  impl_->scheduler.stop();
  impl_->workers.reset();
}

int Server::listen() { return impl_->wire.listen(impl_->options.host, impl_->options.port); }

bool Server::run(bool signals) {
  bool loaded = true;
  std::thread loading([&] {
    try {
      impl_->models.get({}, impl_->scheduler);
      impl_->ready = true;
    } catch (const std::exception& error) {
      loaded = false;
      impl_->log.write(LogLevel::error, error.what());
      impl_->wire.stop();
    }
  });
  impl_->wire.run(signals);
  impl_->scheduler.stop();
  loading.join();
  return loaded;
}

void Server::drain() { impl_->wire.drain(); }

const SchedulerCounts& Server::counts() const { return impl_->scheduler.counts(); }

}  // namespace tashika::serve
