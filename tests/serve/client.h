// A server in this process on a free loopback port, and a client that writes and reads raw bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/json.h"
#include "serve/server.h"

namespace tashika::test {

struct HttpAnswer {
  int status = 0;
  std::string head;  // status line and fields, in lower case
  std::string body;  // chunks joined
  Json json() const { return parse_json(body, "the answer"); }
  std::vector<Json> events() const;  // of an SSE stream, without [DONE]
  bool done() const { return body.ends_with("data: [DONE]\n\n"); }
};

// One connection.
class RawClient {
 public:
  explicit RawClient(int port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  bool send(std::string_view bytes);  // false: the server has closed
  HttpAnswer answer();                // reads one whole answer
  std::string read_some();            // empty at the end
  std::string rest();                 // until the server closes
  void close();

 private:
  int fd_;
  std::string buffer_;
};

class TestServer {
 public:
  explicit TestServer(serve::ServeOptions options = {}, std::vector<std::string> models = {});
  ~TestServer();
  int port() const { return port_; }
  serve::Server& server() { return *server_; }

  HttpAnswer get(std::string_view path, std::string_view headers = {}) const;
  HttpAnswer post(std::string_view path, std::string_view body, std::string_view headers = {}) const;
  HttpAnswer post_json(std::string_view path, const Json& body) const { return post(path, dump_json(body)); }
  void wait_idle() const;  // until no request runs or waits

 private:
  std::unique_ptr<Runtime> rt_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<serve::Server> server_;
  std::thread thread_;
  int port_ = 0;
};

std::string http_request(std::string_view method, std::string_view path, std::string_view body, std::string_view headers = {});
std::string standin();  // path of the built-in model

}  // namespace tashika::test
