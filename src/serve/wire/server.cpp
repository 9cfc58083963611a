#include "serve/wire/server.h"

#include <algorithm>
#include <array>
#include <boost/asio.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <csignal>
#include <deque>
#include <mutex>
#include <span>
#include <unordered_set>

#include "base/error.h"

namespace tashika::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::size_t read_ahead = 64 << 10;

double seconds_since(Clock::time_point then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string chunk_of(std::string_view data) {
  constexpr char digits[] = "0123456789abcdef";
  std::string size;
  for (std::size_t n = data.size(); n > 0; n /= 16) size.insert(size.begin(), digits[n % 16]);
  return cat(size, "\r\n", data, "\r\n");
}

}  // namespace

class Connection;

// What the server's parts share; it outlives them all.
struct HttpServer::Impl {
  Impl(WireLimits l, Gate g, Handler h, ErrorBody e)
      : limits(l), gate(std::move(g)), handler(std::move(h)), error_body(std::move(e)), acceptor(loop), ticks(loop), signals(loop), pause(loop) {}

  void accept();
  void tick();
  void on_signal(std::function<void()> call);
  void begin_drain();
  void left(const std::shared_ptr<Connection>& connection);

  WireLimits limits;
  Gate gate;
  Handler handler;
  ErrorBody error_body;
  WireCounts counts;
  asio::io_context loop{1};
  tcp::acceptor acceptor;
  asio::steady_timer ticks;
  asio::signal_set signals;
  asio::steady_timer pause;  // before accepting again after a failure
  std::unordered_set<std::shared_ptr<Connection>> connections;
  bool draining = false;
  bool ticking = false;
};

// The exchange of one request. It keeps its connection alive; the connection does not keep it.
class Answer final : public Exchange {
 public:
  Answer(std::shared_ptr<Connection> connection, asio::io_context& loop, HttpHead head, std::string body, std::size_t holder)
      : connection_(std::move(connection)), loop_(loop) {
    head_ = std::move(head);
    body_ = std::move(body);
    holder_ = holder;
  }
  ~Answer() override;
  void respond(Reply reply) override;
  void begin(std::string type, Headers headers) override;
  void write(std::string data) override;
  void end() override;
  bool closed() const override { return closed_.load(std::memory_order_relaxed); }
  std::size_t backlog() const override { return backlog_.load(std::memory_order_relaxed); }
  void on_close(std::function<void()> call) override {
    const std::lock_guard lock(mutex_);
    if (closed_) {
      asio::post(loop_, std::move(call));
    } else {
      call_ = std::move(call);
    }
  }

  // On the loop's thread.
  void left() {
    std::function<void()> call;
    {
      const std::lock_guard lock(mutex_);
      if (closed_.exchange(true)) return;
      call.swap(call_);
    }
    if (call) call();
  }
  void taken(std::size_t bytes) { backlog_.fetch_sub(std::min(bytes, backlog_.load()), std::memory_order_relaxed); }
  void complete() {
    const std::lock_guard lock(mutex_);
    call_ = nullptr;
  }

 private:
  std::shared_ptr<Connection> connection_;
  asio::io_context& loop_;
  std::atomic<bool> closed_{false}, ended_{false};
  std::atomic<std::size_t> backlog_{0};
  std::mutex mutex_;
  std::function<void()> call_;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(HttpServer::Impl& server, tcp::socket socket) : server_(server), socket_(std::move(socket)), in_(read_ahead) {}

  void start() {
    error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay(true), ignored);
    phase_ = Phase::header;
    next_request();
  }

  // Too many connections: says so and goes.
  void refuse_whole() {
    error_code ignored;
    socket_.non_blocking(true, ignored);
    phase_ = Phase::body;
    refuse(503, "too many connections; try again", {{"Retry-After", "1"}});
  }

  void tick() {
    const WireLimits& l = server_.limits;
    const double waited = seconds_since(since_);
    switch (phase_) {
      case Phase::idle:
        if (waited > l.idle_seconds) close();
        break;
      case Phase::header:
        if (waited > l.header_seconds) refuse(408, "the request's head did not arrive in time");
        break;
      case Phase::body:
        if (waited > l.body_grace_seconds && static_cast<double>(received_) < l.body_rate * waited) refuse(408, "the request's body arrives too slowly");
        break;
      case Phase::answer:
        if (!out_.empty() && seconds_since(progress_) > l.write_seconds) close();
        break;
      case Phase::linger:
        if (waited > 2) close();
        break;
      case Phase::closed: break;
    }
  }

  // Nothing of a request has come in: may be closed when the server drains.
  bool unused() const { return phase_ == Phase::idle || phase_ == Phase::header; }
  bool closed() const { return phase_ == Phase::closed; }

  void close() {
    if (phase_ == Phase::closed) return;
    phase_ = Phase::closed;
    error_code ignored;
    socket_.close(ignored);
    out_.clear();
    if (const auto answer = answer_.lock()) answer->left();
    answer_.reset();
    server_.left(shared_from_this());
  }

  // From the exchange, on the loop's thread.
  void respond(const std::shared_ptr<Answer>& answer, Reply reply) {
    if (answer_.lock() != answer || began_) return;
    began_ = true;
    send_reply(std::move(reply));
    finish_answer();
  }

  void begin(const std::shared_ptr<Answer>& answer, const std::string& type, const Headers& headers) {
    if (answer_.lock() != answer || began_) return;
    began_ = true;
    chunked_ = http11_;
    if (!chunked_) keep_ = false;
    std::string head = cat("HTTP/1.1 200 OK\r\nContent-Type: ", type, "\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n");
    for (const auto& [name, value] : headers) head += cat(name, ": ", value, "\r\n");
    head += chunked_ ? "Transfer-Encoding: chunked\r\n" : "";
    head += keep() ? "\r\n" : "Connection: close\r\n\r\n";
    send(std::move(head), 0);
  }

  void write(const std::shared_ptr<Answer>& answer, std::string data) {
    if (answer_.lock() != answer || !began_ || data.empty()) return;
    const std::size_t counted = data.size();
    send(head_only_ ? std::string() : chunked_ ? chunk_of(data) : std::move(data), counted);
  }

  void end(const std::shared_ptr<Answer>& answer) {
    if (answer_.lock() != answer || !began_) return;
    if (chunked_ && !head_only_) send("0\r\n\r\n", 0);
    finish_answer();
  }

  // The exchange was dropped before its answer was complete.
  void abandoned() {
    if (phase_ != Phase::answer || done_) return;
    if (began_) {
      close();
    } else {
      began_ = true;
      keep_ = false;
      send_reply({500, "application/json", server_.error_body(500, "the request was given up"), {}});
      finish_answer();
    }
  }

 private:
  enum class Phase { idle, header, body, answer, linger, closed };
  using Parser = http::request_parser<http::string_body>;

  bool keep() const { return keep_ && !server_.draining; }

  void next_request() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(server_.limits.header_bytes));
    parser_->body_limit(server_.limits.body_bytes);
    since_ = Clock::now();
    received_ = 0;
    began_ = done_ = false;
    read();
  }

  void read() {
    http::async_read_some(socket_, in_, *parser_, [self = shared_from_this()](error_code ec, std::size_t bytes) { self->on_read(ec, bytes); });
  }

  void on_read(error_code ec, std::size_t bytes) {
    if (phase_ != Phase::idle && phase_ != Phase::header && phase_ != Phase::body) return;
    received_ += bytes;
    if (phase_ == Phase::idle && bytes > 0) {
      phase_ = Phase::header;
      since_ = Clock::now();
    }
    if (ec == http::error::need_more) ec = {};
    if (ec) {
      on_read_error(ec);
      return;
    }
    if (!parser_->is_header_done()) {
      read();
      return;
    }
    if (phase_ != Phase::body) {
      phase_ = Phase::body;
      since_ = Clock::now();
      received_ = 0;
      if (!take_head()) return;
    }
    if (!parser_->is_done()) {
      read();
      return;
    }
    hand_over();
  }

  void on_read_error(error_code ec) {
    if (ec == http::error::header_limit) {
      refuse(431, "the request's head is too large");
    } else if (ec == http::error::body_limit) {
      refuse(413, cat("the request's body is larger than the limit of ", server_.limits.body_bytes, " bytes"));
    } else if (ec == http::error::end_of_stream || ec == http::error::partial_message || ec.category() != http::make_error_code(http::error::end_of_stream).category()) {
      close();
    } else {
      refuse(400, cat("this is no HTTP request: ", ec.message()));
    }
  }

  // Looks at the head before any of the body is read. False: the request was refused.
  bool take_head() {
    const auto& message = parser_->get();
    const WireLimits& l = server_.limits;
    http11_ = message.version() == 11;
    keep_ = message.keep_alive();
    head_only_ = message.method() == http::verb::head;
    head_ = {};
    head_.method = std::string(message.method_string());
    if (head_only_) head_.method = "GET";
    const std::string_view target(message.target().data(), message.target().size());
    if (target.size() > l.target_bytes) return refuse(414, "the request's address is too long");
    for (const auto& field : message) {
      const std::string_view name(field.name_string().data(), field.name_string().size());
      const std::string_view value(field.value().data(), field.value().size());
      if (name.size() + value.size() > l.header_line) return refuse(431, "a header line is too long");
      head_.headers.emplace_back(lower(name), value);
      if (head_.headers.size() > l.header_fields) return refuse(431, "too many header fields");
    }
    const std::size_t question = target.find('?');
    if (target.empty() || target[0] != '/' || !percent_decode(target.substr(0, question), head_.path)) {
      return refuse(400, "the request's address is no path");
    }
    if (question != std::string_view::npos) head_.query = target.substr(question + 1);
    const std::string transfer = lower(head_.header("transfer-encoding"));
    if (!transfer.empty() && (transfer != "chunked" || head_.count("content-length") > 0)) {
      return refuse(400, "Transfer-Encoding may be \"chunked\" alone, without a Content-Length");
    }
    if (head_.count("content-length") > 1 || head_.count("host") > 1 || (http11_ && head_.count("host") == 0)) {
      return refuse(400, "Host is needed once, Content-Length at most once");
    }
    if (const std::string coding = lower(head_.header("content-encoding")); !coding.empty() && coding != "identity") {
      return refuse(415, "a request's body may not be compressed");
    }
    server_.counts.requests++;
    Verdict verdict = server_.gate(head_);
    holder_ = verdict.holder;
    if (verdict.refusal) {
      server_.counts.refused++;
      if (!parser_->is_done()) keep_ = false;
      refuse_with(std::move(*verdict.refusal));
      return false;
    }
    if (const std::string expect = lower(head_.header("expect")); !expect.empty()) {
      if (expect != "100-continue") return refuse(417, "this expectation is unknown");
      if (!parser_->is_done()) send("HTTP/1.1 100 Continue\r\n\r\n", 0);
    }
    return true;
  }

  void hand_over() {
    phase_ = Phase::answer;
    progress_ = Clock::now();
    auto answer = std::make_shared<Answer>(shared_from_this(), server_.loop, std::move(head_), std::move(parser_->get().body()), holder_);
    parser_.reset();
    answer_ = answer;
    watch();
    server_.handler(std::move(answer));
  }

  // While a request is answered the only thing that may come is the end of the connection, or the next request.
  void watch() {
    if (phase_ != Phase::answer || watching_ || in_.size() >= read_ahead) return;
    watching_ = true;
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code ec) { self->on_readable(ec); });
  }

  void on_readable(error_code ec) {
    watching_ = false;
    if (phase_ == Phase::closed || ec == asio::error::operation_aborted) return;
    if (phase_ != Phase::answer) {
      if (phase_ == Phase::idle || phase_ == Phase::header) return;  // the read of the next request sees it
      return;
    }
    const std::size_t n = socket_.read_some(in_.prepare(std::min<std::size_t>(4096, read_ahead - in_.size())), ec);
    if (ec == asio::error::would_block) {
      watch();
    } else if (ec) {
      close();
    } else {
      in_.commit(n);
      watch();
    }
  }

  bool refuse(int status, std::string_view message, Headers headers = {}) {
    keep_ = false;
    refuse_with({status, "application/json", server_.error_body(status, message), std::move(headers)});
    return false;
  }

  void refuse_with(Reply reply) {
    if (phase_ == Phase::closed) return;
    if (phase_ == Phase::header || phase_ == Phase::body) {
      error_code ignored;
      socket_.cancel(ignored);  // a read that still waits
    }
    phase_ = Phase::answer;
    began_ = true;
    progress_ = Clock::now();
    send_reply(std::move(reply));
    finish_answer();
  }

  void send_reply(Reply reply) {
    std::string head = cat("HTTP/1.1 ", reply.status, ' ', status_text(reply.status), "\r\n");
    if (!reply.type.empty()) head += cat("Content-Type: ", reply.type, "\r\n");
    head += cat("Content-Length: ", reply.body.size(), "\r\nX-Content-Type-Options: nosniff\r\n");
    for (const auto& [name, value] : reply.headers) head += cat(name, ": ", value, "\r\n");
    head += keep() ? "\r\n" : "Connection: close\r\n\r\n";
    if (!head_only_) head += reply.body;
    send(std::move(head), 0);
  }

  struct Outgoing {
    std::string data;
    std::size_t counted;  // bytes of the exchange's backlog
  };

  void send(std::string data, std::size_t counted) {
    if (phase_ == Phase::closed) return;
    if (out_.empty()) progress_ = Clock::now();
    out_.push_back({std::move(data), counted});
    if (!sending_) flush();
  }

  void flush() {
    std::size_t n = 0;
    for (; n < buffers_.size() && n < out_.size(); ++n) {
      const std::string& data = out_[n].data;
      const std::size_t skip = n == 0 ? sent_ : 0;
      buffers_[n] = asio::const_buffer(data.data() + skip, data.size() - skip);
    }
    sending_ = true;
    socket_.async_write_some(std::span<const asio::const_buffer>(buffers_.data(), n),
                             [self = shared_from_this()](error_code ec, std::size_t bytes) { self->on_sent(ec, bytes); });
  }

  void on_sent(error_code ec, std::size_t bytes) {
    sending_ = false;
    if (phase_ == Phase::closed) return;
    if (ec) {
      close();
      return;
    }
    progress_ = Clock::now();
    sent_ += bytes;
    const auto answer = answer_.lock();
    while (!out_.empty() && sent_ >= out_.front().data.size()) {
      sent_ -= out_.front().data.size();
      if (answer) answer->taken(out_.front().counted);
      out_.pop_front();
    }
    if (!out_.empty()) {
      flush();
    } else if (done_) {
      after_answer();
    }
  }

  void finish_answer() {
    done_ = true;
    if (const auto answer = answer_.lock()) answer->complete();
    if (out_.empty() && !sending_) after_answer();
  }

  void after_answer() {
    answer_.reset();
    if (keep()) {
      phase_ = in_.size() > 0 ? Phase::header : Phase::idle;
      next_request();
      return;
    }
    // The rest of what the client sends is read and dropped for a while: closing at once would reset the connection
    // and could take the answer with it.
    phase_ = Phase::linger;
    since_ = Clock::now();
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    in_.clear();
    discard();
  }

  void discard() {
    auto sink = std::make_shared<std::array<char, 16384>>();
    socket_.async_read_some(asio::buffer(*sink), [self = shared_from_this(), sink](error_code ec, std::size_t) {
      if (self->phase_ == Phase::closed) return;
      if (ec) {
        self->close();
      } else {
        self->discard();
      }
    });
  }

  HttpServer::Impl& server_;
  tcp::socket socket_;
  beast::flat_buffer in_;
  std::optional<Parser> parser_;
  HttpHead head_;
  std::weak_ptr<Answer> answer_;
  std::deque<Outgoing> out_;
  std::array<asio::const_buffer, 16> buffers_;  // of what is being sent
  std::size_t sent_ = 0;  // of the first outgoing
  std::size_t received_ = 0;
  std::size_t holder_ = 0;
  Clock::time_point since_ = Clock::now(), progress_ = Clock::now();
  Phase phase_ = Phase::header;
  bool http11_ = true, keep_ = true, head_only_ = false, began_ = false, done_ = false, chunked_ = false;
  bool sending_ = false, watching_ = false;
};

Answer::~Answer() {
  if (ended_ || closed_) return;
  asio::post(loop_, [connection = connection_] { connection->abandoned(); });
}

void Answer::respond(Reply reply) {
  if (closed_ || ended_.exchange(true)) return;
  asio::post(loop_, [self = std::static_pointer_cast<Answer>(shared_from_this()), reply = std::move(reply)]() mutable { self->connection_->respond(self, std::move(reply)); });
}

void Answer::begin(std::string type, Headers headers) {
  if (closed_) return;
  asio::post(loop_, [self = std::static_pointer_cast<Answer>(shared_from_this()), type = std::move(type), headers = std::move(headers)] { self->connection_->begin(self, type, headers); });
}

void Answer::write(std::string data) {
  if (closed_ || data.empty()) return;
  backlog_.fetch_add(data.size(), std::memory_order_relaxed);
  asio::post(loop_, [self = std::static_pointer_cast<Answer>(shared_from_this()), data = std::move(data)]() mutable { self->connection_->write(self, std::move(data)); });
}

void Answer::end() {
  if (closed_ || ended_.exchange(true)) return;
  asio::post(loop_, [self = std::static_pointer_cast<Answer>(shared_from_this())] { self->connection_->end(self); });
}

void HttpServer::Impl::accept() {
  acceptor.async_accept([this](error_code ec, tcp::socket socket) {
    if (!acceptor.is_open()) return;
    if (ec) {  // out of descriptors, most likely: others will close
      pause.expires_after(std::chrono::milliseconds(100));
      pause.async_wait([this](error_code) { accept(); });
      return;
    }
    counts.accepted++;
    const auto connection = std::make_shared<Connection>(*this, std::move(socket));
    connections.insert(connection);
    counts.open = static_cast<std::int64_t>(connections.size());
    if (connections.size() > limits.connections) {
      connection->refuse_whole();
    } else {
      connection->start();
    }
    if (!ticking) tick();
    accept();
  });
}

void HttpServer::Impl::tick() {
  ticking = !connections.empty();
  if (!ticking) return;
  ticks.expires_after(std::chrono::milliseconds(250));
  ticks.async_wait([this](error_code ec) {
    if (ec) return;
    const std::vector<std::shared_ptr<Connection>> all(connections.begin(), connections.end());
    for (const auto& connection : all) connection->tick();
    tick();
  });
}

void HttpServer::Impl::left(const std::shared_ptr<Connection>& connection) {
  connections.erase(connection);
  counts.open = static_cast<std::int64_t>(connections.size());
  if (draining && connections.empty()) loop.stop();
}

void HttpServer::Impl::begin_drain() {
  if (draining) return;
  draining = true;
  error_code ignored;
  acceptor.close(ignored);
  const std::vector<std::shared_ptr<Connection>> all(connections.begin(), connections.end());
  for (const auto& connection : all) {
    if (connection->unused()) connection->close();
  }
  if (connections.empty()) loop.stop();
}

void HttpServer::Impl::on_signal(std::function<void()> call) {
  signals.async_wait([this, call = std::move(call)](error_code ec, int) {
    if (ec) return;
    if (draining) {
      loop.stop();
      return;
    }
    if (call) call();
    on_signal({});
    begin_drain();
  });
}

HttpServer::HttpServer(WireLimits limits, Gate gate, Handler handler, ErrorBody error_body)
    : impl_(std::make_unique<Impl>(limits, std::move(gate), std::move(handler), std::move(error_body))) {}

HttpServer::~HttpServer() {
  const std::vector<std::shared_ptr<Connection>> all(impl_->connections.begin(), impl_->connections.end());
  for (const auto& connection : all) connection->close();
}

int HttpServer::listen(const std::string& host, int port) {
  error_code ec;
  tcp::resolver resolver(impl_->loop);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, ec);
  if (ec || found.empty()) fail_with(ErrorKind::usage, cat("--host ", host, ": ", ec.message()));
  const tcp::endpoint endpoint = found.begin()->endpoint();
  tcp::acceptor& a = impl_->acceptor;
  a.open(endpoint.protocol(), ec);
  if (!ec) a.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) a.bind(endpoint, ec);
  if (!ec) a.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) fail("cannot listen on ", host, " port ", port, ": ", ec.message(), "; is another server running there? --port takes another");
  const int bound = a.local_endpoint().port();
  impl_->accept();
  return bound;
}

void HttpServer::run(bool signals, std::function<void()> on_signal) {
  if (signals) {
    impl_->signals.add(SIGTERM);
    impl_->signals.add(SIGINT);
    impl_->on_signal(std::move(on_signal));
  }
  const auto work = asio::make_work_guard(impl_->loop);
  impl_->loop.run();
}

void HttpServer::drain() {
  asio::post(impl_->loop, [this] { impl_->begin_drain(); });
}

void HttpServer::stop() { impl_->loop.stop(); }

void HttpServer::post(std::function<void()> work) { asio::post(impl_->loop, std::move(work)); }

const WireCounts& HttpServer::counts() const { return impl_->counts; }

}  // namespace tashika::serve
