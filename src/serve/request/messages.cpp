#include "serve/request/messages.h"

#include <array>

#include "base/error.h"
#include "serve/request/error.h"

namespace tashika::serve {
namespace {

[[noreturn]] void wrong(const std::string& where, const std::string& message) { throw ApiError(400, cat(where, ": ", message), where); }

// A string, null, or parts of text.
Json content_of(const Json& content, const std::string& where) {
  if (content.is_string() || content.is_null()) return content;
  if (!content.is_array()) wrong(where, cat("expected a string or an array of parts, found ", json_type_name(content.type())));
  std::string out;
  for (std::size_t i = 0; i < content.as_array().size(); ++i) {
    const Json& part = content.as_array()[i];
    const std::string here = cat(where, "[", i, "]");
    const Json& type = part["type"];
    if (!type.is_string()) wrong(here, "a part needs the string \"type\"");
    const std::string& kind = type.as_string();
    if (kind == "text" || kind == "input_text" || kind == "output_text") {
      if (!part["text"].is_string()) wrong(here, "a text part needs the string \"text\"");
      out += part["text"].as_string();
    } else if (kind == "refusal" && part["refusal"].is_string()) {
      out += part["refusal"].as_string();
    } else {
      wrong(here, cat("parts of type \"", printable(kind), "\" are not taken; this server reads text"));
    }
  }
  return Json(std::move(out));
}

Json call_of(const Json& call, const std::string& where) {
  const Json& function = call["function"];
  if (!function["name"].is_string()) wrong(where, "a tool call needs \"function\" with the string \"name\"");
  Json inner, out;
  inner.set("name", function["name"]);
  const Json& arguments = function["arguments"];
  Json parsed = arguments;
  if (arguments.is_string()) {
    // Templates print arguments as the model wrote them: an object where they are one.
    try {
      if (Json value = parse_json(arguments.as_string(), "arguments"); value.is_object()) parsed = std::move(value);
    } catch (const Error&) {
      parsed = arguments;
    }
  }
  inner.set("arguments", parsed.is_null() ? Json(JsonObject()) : std::move(parsed));
  if (!call["id"].is_null()) out.set("id", call["id"]);
  out.set("type", "function");
  out.set("function", std::move(inner));
  return out;
}

}  // namespace

Json template_messages(const Json& messages) {
  if (!messages.is_array() || messages.as_array().empty()) throw ApiError(400, "messages: expected an array of at least one message", "messages");
  constexpr std::array<std::string_view, 6> roles = {"system", "developer", "user", "assistant", "tool", "function"};
  JsonArray out;
  for (std::size_t i = 0; i < messages.as_array().size(); ++i) {
    const Json& message = messages.as_array()[i];
    const std::string where = cat("messages[", i, "]");
    if (!message.is_object()) wrong(where, cat("expected an object, found ", json_type_name(message.type())));
    if (!message["role"].is_string()) wrong(where + ".role", "expected a string");
    std::string role = message["role"].as_string();
    bool known = false;
    for (const std::string_view r : roles) known = known || r == role;
    if (!known) wrong(where + ".role", cat("\"", printable(role), "\" is none of system, developer, user, assistant, tool"));
    if (role == "developer") role = "system";
    Json one;
    one.set("role", role);
    Json content = content_of(message["content"], where + ".content");
    const Json& calls = message["tool_calls"];
    if (content.is_null() && role != "assistant") wrong(where + ".content", "is missing");
    one.set("content", content.is_null() ? Json("") : std::move(content));
    for (const char* name : {"reasoning_content", "reasoning"}) {
      if (message[name].is_string()) one.set("reasoning_content", message[name]);
    }
    for (const char* name : {"name", "tool_call_id"}) {
      if (message[name].is_string()) one.set(name, message[name]);
    }
    if (!calls.is_null()) {
      if (!calls.is_array()) wrong(where + ".tool_calls", "expected an array");
      JsonArray list;
      for (std::size_t j = 0; j < calls.as_array().size(); ++j) list.push_back(call_of(calls.as_array()[j], cat(where, ".tool_calls[", j, "]")));
      if (!list.empty()) one.set("tool_calls", std::move(list));
    }
    out.push_back(std::move(one));
  }
  return Json(std::move(out));
}

Json template_tools(const Json& tools) {
  if (tools.is_null()) return {};
  if (!tools.is_array()) throw ApiError(400, "tools: expected an array", "tools");
  for (std::size_t i = 0; i < tools.as_array().size(); ++i) {
    const Json& tool = tools.as_array()[i];
    const std::string where = cat("tools[", i, "]");
    if (tool["type"] != Json("function")) wrong(where, "expected {\"type\": \"function\", \"function\": {…}}");
    if (!tool["function"]["name"].is_string()) wrong(where + ".function.name", "expected a string");
    if (const Json& parameters = tool["function"]["parameters"]; !parameters.is_null() && !parameters.is_object()) wrong(where + ".function.parameters", "expected an object");
  }
  return tools.as_array().empty() ? Json() : tools;
}

}  // namespace tashika::serve
