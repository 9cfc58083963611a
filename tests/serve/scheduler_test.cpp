// The same bits whatever else is in the batch, cached or not, with memory to spare or short of it.
#include <gtest/gtest.h>

#include "base/error.h"
#include "serve/client.h"

namespace tashika::test {
namespace {

Json body_of(int seed, int prompt_length, int n_tokens, bool cache) {
  JsonArray ids;
  for (int i = 0; i < prompt_length; ++i) ids.emplace_back((i < 20 ? i * 7 : i * 31 + seed * 13) % 2000 + 8);
  Json body;
  body.set("prompt", ids);
  body.set("max_tokens", n_tokens);
  body.set("seed", seed);
  body.set("temperature", seed % 3 == 0 ? 0.0 : 1.0);
  body.set("logprobs", 2);
  body.set("return_token_ids", true);
  body.set("ignore_eos", true);
  body.set("cache_prompt", cache);
  return body;
}

std::string essence(const HttpAnswer& answer) {
  if (answer.status != 200) return answer.body;
  const Json choice = answer.json()["choices"].as_array()[0];
  return dump_json(choice["token_ids"]) + dump_json(choice["logprobs"]) + choice["text"].as_string();
}

TEST(Scheduler, SixtyFourAtOnceAreEachAsAlone) {
  serve::ServeOptions options;
  options.sequences = 64;
  options.chunk = 48;
  const TestServer server(options);
  std::vector<std::string> alone;
  for (int i = 0; i < 64; ++i) alone.push_back(essence(server.post_json("/v1/completions", body_of(i, 5 + i * 3 % 150, 6 + i % 5, false))));
  for (const bool cache : {false, true, true}) {
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 64; ++i) {
      clients.push_back(std::make_unique<RawClient>(server.port()));
      clients.back()->send(http_request("POST", "/v1/completions", dump_json(body_of(i, 5 + i * 3 % 150, 6 + i % 5, cache))));
    }
    for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(essence(clients[i]->answer()), alone[i]) << "cache " << cache << ", request " << i;
  }
}

TEST(Scheduler, ShortOfMemoryTheResultsAreTheSame) {
  std::vector<std::string> rich;
  {
    const TestServer server;
    for (int i = 0; i < 12; ++i) rich.push_back(essence(server.post_json("/v1/completions", body_of(i, 40 + 20 * i, 20, false))));
  }
  serve::ServeOptions options;
  options.chunk = 64;
  options.state_budget = 3 << 20;
  const TestServer server(options);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->send(http_request("POST", "/v1/completions", dump_json(body_of(i, 40 + 20 * i, 20, true))));
  }
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(essence(clients[i]->answer()), rich[i]) << i;
}

TEST(Scheduler, WhoLeavesIsForgottenAndTheOthersGoOn) {
  TestServer server;
  const std::string expected = essence(server.post_json("/v1/completions", body_of(1, 30, 40, false)));
  RawClient stays(server.port());
  {
    std::vector<std::unique_ptr<RawClient>> leaving;
    for (int i = 0; i < 20; ++i) {
      leaving.push_back(std::make_unique<RawClient>(server.port()));
      Json body = body_of(i, 30, 900, true);
      body.set("stream", i % 10 < 6);
      const std::string request = http_request("POST", "/v1/completions", dump_json(body));
      leaving.back()->send(std::string_view(request).substr(0, i % 5 == 4 ? request.size() / 2 : request.size()));
      if (i % 5 == 0) leaving.back()->read_some();
    }
    stays.send(http_request("POST", "/v1/completions", dump_json(body_of(1, 30, 40, true))));
  }
  EXPECT_EQ(essence(stays.answer()), expected);
  server.wait_idle();
  const Json after = server.post_json("/v1/completions", body_of(1, 30, 2, true)).json();
  EXPECT_GT(after["usage"]["prompt_tokens_details"]["cached_tokens"].as_integer(), 0);
}

TEST(Scheduler, MoreRequestsThanSequencesWait) {
  serve::ServeOptions options;
  options.sequences = 2;
  const TestServer server(options);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->send(http_request("POST", "/v1/completions", dump_json(body_of(i, 10, 5, true))));
  }
  for (const auto& client : clients) EXPECT_EQ(client->answer().status, 200);
}

}  // namespace
}  // namespace tashika::test
