// The HTTP/1.1 server: one thread, an event loop (Boost.Asio), requests parsed by Boost.Beast.
//
// Each connection has a deadline for its headers, a least rate for its body and for taking its answer, and bounds on
// every length. The gate sees a request's head before its body is read.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "serve/wire/http.h"

namespace tashika::serve {

// What the gate says of a head: refuse with a reply, or let it in on behalf of a key holder.
struct Verdict {
  std::optional<Reply> refusal;
  std::size_t holder = 0;
};

struct WireCounts {
  std::atomic<std::int64_t> accepted{0}, open{0}, requests{0}, refused{0};
};

class HttpServer {
 public:
  using Gate = std::function<Verdict(const HttpHead&)>;
  using Handler = std::function<void(ExchangeRef)>;
  // The body of an error that the wire itself finds (400, 408, 413, …).
  using ErrorBody = std::function<std::string(int status, std::string_view message)>;

  HttpServer(WireLimits limits, Gate gate, Handler handler, ErrorBody error_body);
  ~HttpServer();

  // Binds; port 0 takes a free one. Error when that fails. Returns the port.
  int listen(const std::string& host, int port);

  // Runs the loop on the calling thread until drained. `on_signal` is called at the first SIGTERM or SIGINT (when
  // `signals`), after which the server drains by itself; a second one ends the loop at once.
  void run(bool signals, std::function<void()> on_signal = {});
  // No new connections or requests; run() returns when the open answers are complete. From any thread.
  void drain();
  // run() returns at once. From any thread.
  void stop();
  // Runs `work` on the loop's thread.
  void post(std::function<void()> work);

  const WireCounts& counts() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace tashika::serve
