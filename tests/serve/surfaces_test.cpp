// The other surfaces: each streams what it answers whole, and says what it does not do.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "serve/client.h"

namespace tashika::test {
namespace {

struct Surfaces : ::testing::Test {
  static void SetUpTestSuite() { server = new TestServer(); }
  static void TearDownTestSuite() {
    delete server;
    server = nullptr;
  }
  static Json ask(const char* path, const std::string& body) {
    const HttpAnswer answer = server->post(path, body);
    EXPECT_EQ(answer.status, 200) << path << answer.body;
    return answer.json();
  }
  static TestServer* server;
};
TestServer* Surfaces::server = nullptr;

std::string chat_text() {
  const Json out = Surfaces::ask("/v1/chat/completions", R"({"messages":[{"role":"user","content":"hi"}],"temperature":0,"max_tokens":20})");
  return out["choices"].as_array()[0]["message"]["content"].as_string();
}

TEST_F(Surfaces, Anthropic) {
  const std::string body = R"({"model":"tashika-standin","max_tokens":20,"temperature":0,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}])";
  const Json whole = ask("/v1/messages", body + "}");
  EXPECT_EQ(whole["content"].as_array()[0]["text"], Json(chat_text()));
  const HttpAnswer stream = server->post("/v1/messages", body + R"(,"stream":true})");
  std::string text;
  std::vector<std::string> types;
  for (const Json& event : stream.events()) {
    types.push_back(event["type"].as_string());
    if (event["delta"]["text"].is_string()) text += event["delta"]["text"].as_string();
  }
  EXPECT_EQ(text, chat_text());
  ASSERT_GT(types.size(), 5u);
  EXPECT_EQ(types.front(), "message_start");
  EXPECT_EQ(types[1], "content_block_start");
  EXPECT_EQ(types[types.size() - 2], "message_delta");
  EXPECT_EQ(types.back(), "message_stop");
  const Json count = ask("/v1/messages/count_tokens", R"({"messages":[{"role":"user","content":"hi"}]})");
  EXPECT_EQ(count["input_tokens"].as_integer(), whole["usage"]["input_tokens"].as_integer() + whole["usage"]["cache_read_input_tokens"].as_integer());
  const HttpAnswer wrong = server->post("/v1/messages", R"({"messages":[{"role":"user","content":"hi"}]})");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.json()["type"], Json("error"));
  EXPECT_NE(wrong.json()["error"]["message"].as_string().find("max_tokens"), std::string::npos);
  // A conversation that ends in the assistant's words goes on from them.
  const Json prefilled = ask("/v1/messages", R"({"max_tokens":3,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Hello"}]})");
  EXPECT_EQ(prefilled["stop_reason"], Json("max_tokens"));
}

TEST_F(Surfaces, Responses) {
  const Json whole = ask("/v1/responses", R"({"input":"hi","temperature":0,"max_output_tokens":20})");
  EXPECT_EQ(whole["output"].as_array()[0]["content"].as_array()[0]["text"], Json(chat_text()));
  EXPECT_EQ(whole["status"], Json("incomplete"));
  const HttpAnswer stream = server->post("/v1/responses", R"({"input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]}],"temperature":0,"max_output_tokens":20,"stream":true})");
  std::string text;
  std::int64_t number = 0;
  const std::vector<Json> events = stream.events();
  for (const Json& event : events) {
    EXPECT_EQ(event["sequence_number"], Json(number++));
    if (event["type"] == Json("response.output_text.delta")) text += event["delta"].as_string();
  }
  EXPECT_EQ(text, chat_text());
  EXPECT_EQ(events.back()["type"], Json("response.incomplete"));
  EXPECT_EQ(events.back()["response"]["incomplete_details"]["reason"], Json("max_output_tokens"));
  EXPECT_EQ(server->post("/v1/responses", R"({"input":"hi","previous_response_id":"resp_1"})").json()["error"]["param"], Json("previous_response_id"));
}

TEST_F(Surfaces, Ollama) {
  const std::string body = R"({"model":"tashika-standin:latest","messages":[{"role":"user","content":"hi"}],"options":{"temperature":0,"num_predict":20})";
  EXPECT_EQ(ask("/api/chat", body + R"(,"stream":false})")["message"]["content"], Json(chat_text()));
  const HttpAnswer stream = server->post("/api/chat", body + "}");
  std::string text;
  Json last;
  for (std::size_t at = 0; at < stream.body.size();) {
    const std::size_t end = stream.body.find('\n', at);
    ASSERT_NE(end, std::string::npos);
    last = parse_json(std::string_view(stream.body).substr(at, end - at), "line");
    text += last["message"]["content"].as_string();
    at = end + 1;
  }
  EXPECT_EQ(text, chat_text());
  EXPECT_EQ(last["done"], Json(true));
  EXPECT_EQ(last["done_reason"], Json("length"));
  EXPECT_EQ(last["eval_count"], Json(20));
  EXPECT_EQ(ask("/api/generate", R"({"model":"tashika-standin","prompt":"hi","stream":false,"options":{"temperature":0,"num_predict":20}})")["response"], Json(chat_text()));
  const HttpAnswer unknown = server->post("/api/chat", R"({"model":"nope","messages":[]})");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_TRUE(unknown.json()["error"].is_string());
  EXPECT_EQ(server->get("/api/tags").json()["models"].as_array()[0]["name"], Json("tashika-standin:latest"));
  EXPECT_EQ(server->post("/api/chat", R"({"model":"tashika-standin","messages":[{"role":"user","content":"hi"}],"options":{"temperature":-1}})").status, 400);
}

TEST_F(Surfaces, TokensGoThereAndBack) {
  const std::string text = "Once upon a time, héllo ✓";
  Json body;
  body.set("content", text);
  const Json tokens = ask("/tokenize", dump_json(body))["tokens"];
  Json back;
  back.set("tokens", tokens);
  EXPECT_EQ(ask("/detokenize", dump_json(back))["content"], Json(text));
  const Json prompt = ask("/apply-template", R"({"messages":[{"role":"user","content":"hi"}],"with_tokens":true})");
  EXPECT_NE(prompt["prompt"].as_string().find("hi"), std::string::npos);
  EXPECT_FALSE(prompt["tokens"].as_array().empty());
  EXPECT_EQ(server->post("/infill", R"({"input_prefix":"a","input_suffix":"b"})").status, 400);
}

TEST_F(Surfaces, TheTablesDescribeThemselves) {
  const Json capabilities = server->get("/v1/capabilities").json();
  EXPECT_EQ(capabilities["routes"]["POST /v1/completions"]["fields"]["temperature"], Json("honoured"));
  EXPECT_EQ(capabilities["routes"]["POST /v1/completions"]["fields"]["suffix"], Json("refused"));
  EXPECT_EQ(capabilities["routes"]["POST /v1/chat/completions"]["fields"]["user"], Json("ignored"));
  const Json openapi = server->get("/openapi.json").json();
  for (const serve::Surface* surface : serve::surfaces()) {
    for (const serve::Route& route : surface->routes) {
      std::string path(route.path);
      if (path.ends_with('*')) path.replace(path.size() - 1, 1, "{id}");
      EXPECT_TRUE(openapi["paths"][path].is_object()) << path;
      for (std::size_t i = 0; i < route.fields.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) EXPECT_NE(route.fields[i].name, route.fields[j].name) << route.path;
      }
    }
  }
  const HttpAnswer metrics = server->get("/metrics");
  for (const char* name : {"tashika_sequences_running ", "tashika_answer_tokens_total ", "tashika_prompt_tokens_cached_total ", "tashika_state_bytes "}) {
    EXPECT_NE(metrics.body.find(name), std::string::npos) << name;
  }
}

// Every field of every route, given a value of a wrong type, is answered with 400 or a warning, and never with 500.
TEST_F(Surfaces, NoFieldBreaksTheServer) {
  const char* values[] = {"true", "-1", "1e308", "\"x\"", "[]", "{}", "[[[]]]", "9223372036854775807", "\"\\u0000\""};
  for (const serve::Surface* surface : serve::surfaces()) {
    for (const serve::Route& route : surface->routes) {
      if (route.method != "POST") continue;
      for (const serve::Field& field : route.fields) {
        for (const char* value : values) {
          Json body = parse_json(R"({"model":"tashika-standin","messages":[{"role":"user","content":"hi"}],"prompt":"a","input":"a","content":"a","tokens":[5],"input_prefix":"a","input_suffix":"b","max_tokens":1,"max_output_tokens":1,"options":{"num_predict":1}})", "body");
          const JsonObject all = body.as_object();
          for (const auto& [key, unused] : all.entries()) {
            if (std::ranges::find(route.fields, key, &serve::Field::name) == route.fields.end()) body.as_object().erase(key);
          }
          body.set(field.name, parse_json(value, "value"));
          const HttpAnswer answer = server->post(route.path, dump_json(body));
          EXPECT_TRUE(answer.status == 200 || answer.status == 400 || answer.status == 404) << route.path << " " << dump_json(body) << "\n" << answer.head << answer.body.substr(0, 300);
          if (answer.status == 400) {
            EXPECT_TRUE(answer.json().contains("error")) << answer.body;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace tashika::test
