#include "serve/client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "registry/registry.h"

namespace tashika::test {

std::string standin() { return TASHIKA_STANDIN; }

std::vector<Json> HttpAnswer::events() const {
  std::vector<Json> out;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = body.find("\n\n", at);
    if (end == std::string::npos) {
      ADD_FAILURE() << "an event without an end";
      break;
    }
    const std::string_view event = std::string_view(body).substr(at, end - at);
    const std::size_t data = event.find("data: ");
    if (data != std::string_view::npos && event.substr(data) != "data: [DONE]") out.push_back(parse_json(event.substr(data + 6), "event"));
    at = end + 2;
  }
  return out;
}

RawClient::RawClient(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  timeval patience{60, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("cannot connect to port ", port);
}

RawClient::~RawClient() { close(); }

void RawClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string RawClient::read_some() {
  char buffer[65536];
  const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
  return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
}

std::string RawClient::rest() {
  std::string out = std::move(buffer_);
  for (std::string more = read_some(); !more.empty(); more = read_some()) out += more;
  return out;
}

HttpAnswer RawClient::answer() {
  HttpAnswer out;
  const auto need = [&](auto enough) {
    while (!enough()) {
      const std::string more = read_some();
      if (more.empty()) return false;
      buffer_ += more;
    }
    return true;
  };
  if (!need([&] { return buffer_.find("\r\n\r\n") != std::string::npos; })) return out;
  const std::size_t end = buffer_.find("\r\n\r\n") + 4;
  out.head = buffer_.substr(0, end);
  buffer_.erase(0, end);
  std::ranges::transform(out.head, out.head.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  out.status = std::stoi(out.head.substr(9, 3));
  if (out.status == 100) return answer();
  if (out.head.find("transfer-encoding: chunked") != std::string::npos) {
    for (;;) {
      if (!need([&] { return buffer_.find("\r\n") != std::string::npos; })) return out;
      const std::size_t line = buffer_.find("\r\n");
      const std::size_t size = std::stoul(buffer_.substr(0, line), nullptr, 16);
      if (!need([&] { return buffer_.size() >= line + 4 + size; })) return out;
      out.body += buffer_.substr(line + 2, size);
      buffer_.erase(0, line + 4 + size);
      if (size == 0) return out;
    }
  }
  const std::size_t at = out.head.find("content-length: ");
  if (at == std::string::npos) {
    out.body = rest();
    return out;
  }
  const std::size_t size = std::stoul(out.head.substr(at + 16));
  need([&] { return buffer_.size() >= size; });
  out.body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return out;
}

std::string http_request(std::string_view method, std::string_view path, std::string_view body, std::string_view headers) {
  std::string out = cat(method, " ", path, " HTTP/1.1\r\nHost: 127.0.0.1\r\n", headers);
  if (method == "POST") out += cat("Content-Type: application/json\r\nContent-Length: ", body.size(), "\r\n");
  return cat(out, "\r\n", body);
}

TestServer::TestServer(serve::ServeOptions options, std::vector<std::string> models) {
  if (models.empty()) models.push_back(standin());
  options.port = 0;
  rt_ = make_runtime({.threads = 2});
  log_ = std::make_unique<Log>(LogLevel::error);
  std::vector<serve::ModelEntry> entries;
  for (const std::string& model : models) entries.push_back({serve::model_id(model), model});
  server_ = std::make_unique<serve::Server>(std::move(options), std::move(entries), *rt_, *log_);
  port_ = server_->listen();
  thread_ = std::thread([this] { server_->run(false); });
  while (get("/health").status != 200) std::this_thread::yield();
}

TestServer::~TestServer() {
  server_->drain();
  thread_.join();
}

HttpAnswer TestServer::get(std::string_view path, std::string_view headers) const {
  RawClient client(port_);
  client.send(http_request("GET", path, "", headers));
  return client.answer();
}

HttpAnswer TestServer::post(std::string_view path, std::string_view body, std::string_view headers) const {
  RawClient client(port_);
  client.send(http_request("POST", path, body, headers));
  return client.answer();
}

void TestServer::wait_idle() const {
  const serve::SchedulerCounts& counts = server_->counts();
  while (counts.running != 0 || counts.waiting != 0) std::this_thread::yield();
}

}  // namespace tashika::test
