// The server: the wire, the routes, the models and the scheduler put together.
//
// Threads: the caller of run() drives the event loop; two workers parse, check and tokenize requests; the engine's
// thread computes. Events of the engine are written out on the loop's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "serve/service.h"
#include "tensor/runtime.h"

namespace tashika::serve {

struct ServeOptions {
  std::string host = "127.0.0.1";
  int port = 8080;
  std::vector<std::string> keys;           // none: nobody is asked
  std::vector<std::string> allowed_hosts;  // beside the loopback names and `host`
  bool insecure = false;                   // beyond loopback without a key
  std::int64_t context = 0;
  std::int64_t sequences = 32;
  std::int64_t memory = 0;        // bytes for models and sequences; 0: nine tenths of the machine's
  std::int64_t state_budget = 0;  // bytes of a model's sequences; 0: what `memory` leaves
  std::int64_t chunk = 512;
  WireLimits limits;
};

bool is_loopback(std::string_view host);

// The keys of a file: one a line, blank lines and those that begin with # apart. Error when there is none.
std::vector<std::string> read_keys(const std::string& path);

class Server {
 public:
  // `models`: what may be asked for; the first is loaded by run(). Error(usage) for a host beyond loopback without a key.
  Server(ServeOptions options, std::vector<ModelEntry> models, Runtime& rt, Log& log);
  ~Server();

  // Binds; returns the port.
  int listen();
  // Loads the first model and serves until drained. False when that model could not be loaded.
  bool run(bool signals);
  void drain();
  const SchedulerCounts& counts() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tashika::serve
