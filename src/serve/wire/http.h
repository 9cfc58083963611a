// HTTP as the server's other parts see it: a request that has been read whole, and the exchange that answers it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tashika::serve {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpHead {
  std::string method;
  std::string path;   // percent-decoded, without the query
  std::string query;  // as sent
  Headers headers;    // names in lower case
  std::string_view header(std::string_view name) const;  // the first of that name; empty when absent
  std::size_t count(std::string_view name) const;
};

struct Reply {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  Headers headers;
};

// One request and its answer. The head and the body are constant; everything else may be called from any thread, and
// does nothing once the client has left.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  virtual ~Exchange() = default;
  const HttpHead& head() const { return head_; }
  const std::string& body() const { return body_; }
  std::size_t holder() const { return holder_; }  // which API key asked; 0: none is needed

  virtual void respond(Reply reply) = 0;
  // A stream: begin, any number of writes, end.
  virtual void begin(std::string type, Headers headers) = 0;
  virtual void write(std::string data) = 0;
  virtual void end() = 0;
  virtual bool closed() const = 0;            // the client has left
  virtual std::size_t backlog() const = 0;    // bytes written and not yet taken by the client
  // Called once, on the loop's thread, when the client leaves before the answer is complete; at once if it has.
  virtual void on_close(std::function<void()> call) = 0;

 protected:
  HttpHead head_;
  std::string body_;
  std::size_t holder_ = 0;
};
using ExchangeRef = std::shared_ptr<Exchange>;

// The bounds that every connection keeps to.
struct WireLimits {
  std::size_t header_bytes = 32 << 10;
  std::size_t header_fields = 100;
  std::size_t header_line = 8 << 10;
  std::size_t target_bytes = 8 << 10;
  std::uint64_t body_bytes = std::uint64_t{32} << 20;
  std::size_t connections = 4096;
  std::size_t backlog_bytes = 256 << 10;  // a stream pauses above it
  double header_seconds = 10;             // from the first byte, and from the connection
  double body_grace_seconds = 10;         // then body_rate holds
  double body_rate = 1024;                // bytes a second
  double write_seconds = 60;              // without a byte taken
  double idle_seconds = 75;               // of a kept connection
};

// "%41" to "A"; false when an escape is broken or gives NUL.
bool percent_decode(std::string_view text, std::string& out);
std::string_view status_text(int status);

}  // namespace tashika::serve
