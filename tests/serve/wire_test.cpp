// The wire: limits, keys, hosts, origins, kept connections.
#include <gtest/gtest.h>

#include "base/error.h"
#include "serve/client.h"

namespace tashika::test {
namespace {

TEST(Wire, AKeptConnectionAnswersSeveralRequestsInOrder) {
  const TestServer server;
  RawClient client(server.port());
  client.send(http_request("GET", "/health", "") + http_request("GET", "/v1/models", "") + http_request("GET", "/nowhere", ""));
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_EQ(client.answer().json()["object"], Json("list"));
  EXPECT_EQ(client.answer().status, 404);
}

TEST(Wire, ErrorsHaveTheirShapeEverywhere) {
  const TestServer server;
  HttpAnswer answer = server.get("/v1/nothing");
  EXPECT_EQ(answer.status, 404);
  EXPECT_TRUE(answer.json()["error"]["message"].is_string());
  EXPECT_EQ(answer.json()["error"]["type"], Json("not_found_error"));
  answer = server.get("/v1/chat/completions");
  EXPECT_EQ(answer.status, 405);
  EXPECT_TRUE(answer.json()["error"]["message"].is_string());
  EXPECT_TRUE(answer.json()["error"]["type"].is_string());
  EXPECT_NE(answer.head.find("allow: post"), std::string::npos);
  EXPECT_EQ(server.get("/v1/models/tashika-standin").json()["id"], Json("tashika-standin"));
  EXPECT_EQ(server.get("/v1/models/other").status, 404);
}

TEST(Wire, ADeclaredBodyOverTheLimitIsRefusedBeforeItIsRead) {
  serve::ServeOptions options;
  options.limits.body_bytes = 1000;
  const TestServer server(options);
  RawClient declared(server.port());
  declared.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n");
  const HttpAnswer answer = declared.answer();
  EXPECT_EQ(answer.status, 413);
  EXPECT_TRUE(answer.json()["error"]["message"].is_string());
  RawClient chunked(server.port());
  chunked.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 4; ++i) chunked.send("190\r\n" + std::string(0x190, ' ') + "\r\n");
  EXPECT_EQ(chunked.answer().status, 413);
}

TEST(Wire, HeadsAreBounded) {
  const TestServer server;
  const std::pair<std::string, int> cases[] = {
      {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 414},
      {"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(9000, 'a') + "\r\n\r\n", 431},
      {"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(40000, 'a') + "\r\n\r\n", 431},
      {"GET /health HTTP/1.1\r\n\r\n", 400},
      {"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400},
      {"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 415},
      {"nonsense\r\n\r\n", 400},
  };
  for (const auto& [request, status] : cases) {
    RawClient client(server.port());
    client.send(request);
    EXPECT_EQ(client.answer().status, status) << request.substr(0, 80);
  }
  std::string many = "GET /health HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 120; ++i) many += cat("A", i, ": b\r\n");
  RawClient client(server.port());
  client.send(many + "\r\n");
  EXPECT_EQ(client.answer().status, 431);
}

TEST(Wire, SlowHeadsAndBodiesAreEnded) {
  serve::ServeOptions options;
  options.limits.header_seconds = 0.2;
  options.limits.body_grace_seconds = 0.2;
  const TestServer server(options);
  RawClient head(server.port()), body(server.port());
  head.send("GET /health HTTP/1.1\r\nHost: loc");
  body.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  EXPECT_EQ(head.answer().status, 408);
  EXPECT_EQ(body.answer().status, 408);
}

TEST(Wire, ForeignHostsAndOriginsAreRefused) {
  const TestServer server;
  const std::pair<const char*, int> cases[] = {
      {"Host: evil.example\r\n", 421},
      {"Host: localhost.evil.example\r\n", 421},
      {"Host: 127.0.0.1:1234\r\n", 200},
      {"Host: [::1]:80\r\n", 200},
      {"Host: LOCALHOST\r\n", 200},
      {"Host: localhost:8080\r\nOrigin: http://localhost:8080\r\n", 200},
      {"Host: localhost:8080\r\nOrigin: http://evil.example\r\n", 403},
      {"Host: localhost:8080\r\nOrigin: http://localhost:9999\r\n", 403},
      {"Host: localhost:8080\r\nOrigin: null\r\n", 403},
  };
  for (const auto& [headers, status] : cases) {
    RawClient client(server.port());
    client.send(cat("GET /v1/models HTTP/1.1\r\n", headers, "\r\n"));
    const HttpAnswer answer = client.answer();
    EXPECT_EQ(answer.status, status) << headers;
    EXPECT_EQ(answer.head.find("access-control"), std::string::npos);
  }
}

TEST(Wire, KeysGuardEverythingButHealth) {
  serve::ServeOptions options;
  options.keys = {"sesame-1", "sesame-2"};
  const TestServer server(options);
  const std::pair<const char*, int> cases[] = {
      {"", 401},
      {"Authorization: Bearer sesame-1\r\n", 200},
      {"Authorization: Bearer sesame-2\r\n", 200},
      {"x-api-key: sesame-2\r\n", 200},
      {"X-API-Key: sesame-1\r\nAuthorization: Bearer sesame-1\r\n", 200},
      {"X-API-Key: sesame-1\r\nAuthorization: Bearer sesame-2\r\n", 401},
      {"Authorization: Bearer sesame-\r\n", 401},
      {"Authorization: Bearer sesame-11\r\n", 401},
      {"Authorization: Bearer SESAME-1\r\n", 401},
      {"Authorization: Bearer  sesame-1\r\n", 401},
      {"Authorization: sesame-1\r\n", 401},
      {"Authorization: Basic sesame-1\r\n", 401},
      {"Authorization: Bearer sesame-1\r\nAuthorization: Bearer sesame-1\r\n", 401},
      {"x-api-key: sesame-1\r\nx-api-key: sesame-1\r\n", 401},
  };
  for (const auto& [headers, status] : cases) EXPECT_EQ(server.get("/v1/models", headers).status, status) << headers;
  EXPECT_EQ(server.get("/health").status, 200);
  for (const serve::Surface* surface : serve::surfaces()) {
    for (const serve::Route& route : surface->routes) {
      if (route.access == serve::Access::open) continue;
      const HttpAnswer answer = route.method == "GET" ? server.get(route.path) : server.post(route.path, "{}");
      EXPECT_EQ(answer.status, 401) << route.path;
      EXPECT_FALSE(answer.json()["error"].is_null());
    }
  }
  EXPECT_EQ(server.get("/unknown").status, 401);
}

TEST(Wire, CachesAreNotSharedBetweenKeys) {
  serve::ServeOptions options;
  options.keys = {"one", "two"};
  const TestServer server(options);
  const auto cached = [&](const char* key) {
    const HttpAnswer answer = server.post("/v1/completions", R"({"prompt":"Once upon a time there was","max_tokens":2})", cat("x-api-key: ", key, "\r\n"));
    return answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"].as_integer();
  };
  EXPECT_EQ(cached("one"), 0);
  EXPECT_GT(cached("one"), 0);
  EXPECT_EQ(cached("two"), 0);
}

TEST(Wire, BeyondLoopbackAKeyIsNeeded) {
  serve::ServeOptions options;
  options.host = "0.0.0.0";
  EXPECT_THROW(TestServer{options}, Error);
}

}  // namespace
}  // namespace tashika::test
