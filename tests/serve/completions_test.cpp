#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "serve/client.h"

namespace tashika::test {
namespace {

struct Completions : ::testing::Test {
  static void SetUpTestSuite() { server = new TestServer(); }
  static void TearDownTestSuite() {
    delete server;
    server = nullptr;
  }
  static Json ask(const char* body) {
    const HttpAnswer answer = server->post("/v1/completions", body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json();
  }
  static TestServer* server;
};
TestServer* Completions::server = nullptr;

TEST_F(Completions, AnswersATextAndItsIdsAlike) {
  const Json text = ask(R"({"prompt":"Once upon","max_tokens":12,"temperature":0,"return_token_ids":true})");
  const Json& choice = text["choices"].as_array()[0];
  EXPECT_EQ(choice["token_ids"].as_array().size(), 12u);
  EXPECT_EQ(choice["finish_reason"], Json("length"));
  EXPECT_EQ(text["usage"]["completion_tokens"], Json(12));
  EXPECT_EQ(text["object"], Json("text_completion"));
  Json body;
  body.set("prompt", choice["prompt_token_ids"]);
  body.set("max_tokens", 12);
  body.set("temperature", 0);
  body.set("return_token_ids", true);
  const Json ids = server->post_json("/v1/completions", body).json();
  EXPECT_EQ(ids["choices"].as_array()[0]["text"], choice["text"]);
  EXPECT_EQ(ids["choices"].as_array()[0]["token_ids"], choice["token_ids"]);
  EXPECT_GT(ids["usage"]["prompt_tokens_details"]["cached_tokens"].as_integer(), 0);
}

TEST_F(Completions, StreamsTheSameAsWhole) {
  const char* whole = R"({"prompt":"The cat","max_tokens":24,"seed":7,"n":2,"return_token_ids":true,"logprobs":2})";
  const char* stream = R"({"prompt":"The cat","max_tokens":24,"seed":7,"n":2,"return_token_ids":true,"logprobs":2,"stream":true,"stream_options":{"include_usage":true}})";
  const Json expected = ask(whole);
  const HttpAnswer answer = server->post("/v1/completions", stream);
  EXPECT_TRUE(answer.done());
  std::map<std::int64_t, std::string> texts, finishes;
  std::map<std::int64_t, JsonArray> ids, values;
  const std::vector<Json> events = answer.events();
  ASSERT_GT(events.size(), 3u);
  for (const Json& event : events) {
    for (const Json& choice : event["choices"].as_array()) {
      const std::int64_t i = choice["index"].as_integer();
      texts[i] += choice["text"].as_string();
      for (const Json& id : choice["token_ids"].as_array()) ids[i].push_back(id);
      for (const Json& value : choice["logprobs"]["token_logprobs"].as_array()) values[i].push_back(value);
      if (choice["finish_reason"].is_string()) finishes[i] = choice["finish_reason"].as_string();
    }
  }
  EXPECT_TRUE(events.back()["choices"].as_array().empty());
  EXPECT_EQ(events.back()["usage"]["completion_tokens"], expected["usage"]["completion_tokens"]);
  ASSERT_EQ(expected["choices"].as_array().size(), 2u);
  for (const Json& choice : expected["choices"].as_array()) {
    const std::int64_t i = choice["index"].as_integer();
    EXPECT_EQ(choice["text"].as_string(), texts[i]);
    EXPECT_EQ(choice["finish_reason"].as_string(), finishes[i]);
    EXPECT_EQ(choice["token_ids"], Json(ids[i]));
    EXPECT_EQ(choice["logprobs"]["token_logprobs"], Json(values[i]));
    EXPECT_EQ(ids[i].size(), values[i].size());
  }
  EXPECT_NE(texts[0], texts[1]);
}

TEST_F(Completions, PromptListsAreAnsweredInOrder) {
  const Json out = ask(R"({"prompt":["Once upon","The cat"],"n":2,"max_tokens":4,"temperature":0})");
  const JsonArray& choices = out["choices"].as_array();
  ASSERT_EQ(choices.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(choices[i]["index"], Json(i));
  EXPECT_EQ(choices[0]["text"], choices[1]["text"]);
  EXPECT_EQ(choices[2]["text"], choices[3]["text"]);
  EXPECT_NE(choices[0]["text"], choices[2]["text"]);
}

TEST_F(Completions, StopStringsEndTheText) {
  const Json plain = ask(R"({"prompt":"Once upon","max_tokens":12,"temperature":0})");
  const Json cut = ask(R"({"prompt":"Once upon","max_tokens":12,"temperature":0,"stop":[" there"]})");
  const std::string text = plain["choices"].as_array()[0]["text"].as_string();
  ASSERT_NE(text.find(" there"), std::string::npos) << text;
  EXPECT_EQ(cut["choices"].as_array()[0]["text"].as_string(), text.substr(0, text.find(" there")));
  EXPECT_EQ(cut["choices"].as_array()[0]["finish_reason"], Json("stop"));
}

TEST_F(Completions, WrongFieldsAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"prompt":"a","temperature":-1})", "temperature"},      {R"({"prompt":"a","temperature":true})", "temperature"},
      {R"({"prompt":"a","top_p":0})", "top_p"},                   {R"({"prompt":"a","n":1000000000})", "n"},
      {R"({"prompt":"a","n":0})", "n"},                           {R"({"prompt":"a","max_tokens":-5})", "max_tokens"},
      {R"({"prompt":"a","max_tokens":1.5})", "max_tokens"},       {R"({"prompt":"a","presence_penalty":2.5})", "presence_penalty"},
      {R"({"prompt":"a","logit_bias":{"5":101}})", "logit_bias"}, {R"({"prompt":"a","logit_bias":{"99999999":1}})", "logit_bias"},
      {R"({"prompt":"a","logit_bias":{"x":1}})", "logit_bias"},   {R"({"prompt":"a","stop":[1]})", "stop"},
      {R"({"prompt":[99999999]})", "prompt"},                     {R"({"prompt":[-1]})", "prompt"},
      {R"({"prompt":[]})", "prompt"},                             {R"({"prompt":[[1],"a",3]})", "prompt"},
      {R"({})", "prompt"},                                        {R"({"prompt":"a","best_of":3})", "best_of"},
      {R"({"prompt":"a","suffix":"b"})", "suffix"},               {R"({"prompt":"a","stream":"yes"})", "stream"},
      {R"({"prompt":"a","seed":-7})", "seed"},                    {R"({"prompt":"a","logprobs":1000})", "logprobs"},
      {R"({"prompt":["a","b","c","d","e"],"n":16})", "n"},        {R"({"prompt":"a","on_overflow":"guess"})", "on_overflow"},
  };
  for (const auto& [body, name] : cases) {
    const HttpAnswer answer = server->post("/v1/completions", body);
    EXPECT_EQ(answer.status, 400) << body << answer.body;
    const Json error = answer.json()["error"];
    EXPECT_EQ(error["param"], Json(name)) << body << answer.body;
    EXPECT_NE(error["message"].as_string().find(name), std::string::npos) << answer.body;
    EXPECT_EQ(error["type"], Json("invalid_request_error"));
  }
}

TEST_F(Completions, WhatIsNotUsedIsSaid) {
  const Json out = ask(R"({"prompt":"a","max_tokens":1,"user":"me","frobnicate":1,"best_of":1,"echo":false})");
  const std::string warnings = dump_json(out["warnings"]);
  EXPECT_NE(warnings.find("user"), std::string::npos);
  EXPECT_NE(warnings.find("frobnicate"), std::string::npos);
  EXPECT_EQ(out["warnings"].as_array().size(), 2u) << warnings;
}

TEST_F(Completions, AContextThatIsTooShortIsSaidInTheWordsClientsKnow) {
  JsonArray ids(1024, Json(5));
  Json body;
  body.set("prompt", ids);
  HttpAnswer answer = server->post_json("/v1/completions", body);
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.json()["error"]["code"], Json("context_length_exceeded"));
  EXPECT_NE(answer.body.find("maximum context length"), std::string::npos);
  ids.pop_back();
  body.set("prompt", ids);
  body.set("ignore_eos", true);
  answer = server->post_json("/v1/completions", body);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json()["choices"].as_array()[0]["finish_reason"], Json("length"));
  body.set("on_overflow", "shift");
  body.set("max_tokens", 5);
  EXPECT_EQ(server->post_json("/v1/completions", body).json()["usage"]["completion_tokens"], Json(5));
  // More text than any tokenizer could bring under it is not even cut into tokens.
  body = Json();
  body.set("prompt", std::string(4 << 20, 'a'));
  answer = server->post_json("/v1/completions", body);
  EXPECT_EQ(answer.json()["error"]["code"], Json("context_length_exceeded"));
}

TEST_F(Completions, LogprobsAreOfTheModelItself) {
  const Json plain = ask(R"({"prompt":"Once upon","max_tokens":6,"temperature":0,"logprobs":3})");
  const Json bent = ask(R"({"prompt":"Once upon","max_tokens":6,"temperature":0,"logprobs":3,"logit_bias":{"7":0.5},"repeat_penalty":1.01})");
  EXPECT_EQ(plain["choices"].as_array()[0]["logprobs"]["token_logprobs"], bent["choices"].as_array()[0]["logprobs"]["token_logprobs"]);
  for (const Json& value : plain["choices"].as_array()[0]["logprobs"]["token_logprobs"].as_array()) EXPECT_LE(value.as_double(), 0);
}

TEST_F(Completions, ABiasBansAndForces) {
  const Json forced = ask(R"({"prompt":"Once upon","max_tokens":3,"logit_bias":{"300":100},"return_token_ids":true})");
  EXPECT_EQ(dump_json(forced["choices"].as_array()[0]["token_ids"]), "[300,300,300]");
  const Json banned = ask(R"({"prompt":"Once upon","max_tokens":1,"temperature":0,"logit_bias":{"259":-100},"return_token_ids":true})");
  EXPECT_NE(dump_json(banned["choices"].as_array()[0]["token_ids"]), "[259]");
}

TEST_F(Completions, AnUnknownModelIsToldWhatThereIs) {
  const HttpAnswer answer = server->post("/v1/completions", R"({"prompt":"a","model":"nope"})");
  EXPECT_EQ(answer.status, 404);
  EXPECT_NE(answer.json()["error"]["message"].as_string().find("tashika-standin"), std::string::npos);
  EXPECT_EQ(answer.json()["error"]["type"], Json("not_found_error"));
  EXPECT_EQ(server->post("/v1/completions", R"({"prompt":"a","model":"tashika-standin:latest","max_tokens":1})").status, 200);
}

TEST_F(Completions, ChatUsesTheTemplate) {
  const HttpAnswer whole = server->post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"hi"}],"max_tokens":12,"temperature":0,"logprobs":true,"top_logprobs":2})");
  ASSERT_EQ(whole.status, 200) << whole.body;
  const Json choice = whole.json()["choices"].as_array()[0];
  EXPECT_EQ(choice["message"]["role"], Json("assistant"));
  EXPECT_EQ(choice["logprobs"]["content"].as_array().size(), static_cast<std::size_t>(whole.json()["usage"]["completion_tokens"].as_integer()));
  EXPECT_EQ(choice["logprobs"]["content"].as_array()[0]["top_logprobs"].as_array().size(), 2u);
  const HttpAnswer stream = server->post("/v1/chat/completions", R"({"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"max_tokens":12,"temperature":0,"stream":true})");
  std::string text;
  for (const Json& event : stream.events()) {
    EXPECT_TRUE(event["usage"].is_null());
    const Json& delta = event["choices"].as_array()[0]["delta"];
    if (delta["content"].is_string()) text += delta["content"].as_string();
  }
  EXPECT_EQ(Json(text), choice["message"]["content"]);
  EXPECT_TRUE(stream.done());
}

TEST_F(Completions, WrongMessagesAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"messages":[]})", "messages"},
      {R"({"messages":[1]})", "messages[0]"},
      {R"({"messages":[{"role":"king","content":"x"}]})", "messages[0].role"},
      {R"({"messages":[{"role":"user"}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://127.0.0.1/"}}]}]})", "messages[0].content[0]"},
      {R"({"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function"}]})", "tools[0].function.name"},
      {R"({"messages":[{"role":"user","content":"x"}],"top_logprobs":2})", "top_logprobs"},
  };
  for (const auto& [body, name] : cases) {
    const HttpAnswer answer = server->post("/v1/chat/completions", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.json()["error"]["param"], Json(name)) << answer.body;
  }
}

TEST_F(Completions, DeepAndBrokenBodiesAreRefused) {
  std::string deep = R"({"prompt":"a","unknown":)" + std::string(200, '[') + std::string(200, ']') + "}";
  EXPECT_EQ(server->post("/v1/completions", deep).status, 400);
  for (const char* body : {"", "{", "[]", "null", R"({"prompt":"a","temperature":NaN})", R"({"prompt":"a","temperature":1e999})", "\xff"}) {
    EXPECT_EQ(server->post("/v1/completions", body).status, 400) << body;
  }
}

}  // namespace
}  // namespace tashika::test
