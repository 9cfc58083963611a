#include "text/chat_template.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "text/jinja/ast.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/lexer.h"

namespace tashika {
namespace {

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm out{};
  localtime_r(&now, &out);
  return out;
}

// Bounded by the values' own depth limit.
jinja::Value to_value(jinja::Heap& heap, const Json& json, int depth = 0) {
  using jinja::Value;
  if (depth > jinja::max_depth) jinja::throw_limit("the data for the template is nested too deeply");
  switch (json.type()) {
    case Json::Type::null:
      return Value();
    case Json::Type::truth:
      return Value(json.as_bool());
    case Json::Type::integer:
      return Value(json.as_integer());
    case Json::Type::real:
      return Value(json.as_double());
    case Json::Type::string:
      if (find_invalid_utf8(json.as_string()) != std::string_view::npos) {
        jinja::throw_failure("a string of the data for the template is no UTF-8");
      }
      return heap.string(json.as_string());
    case Json::Type::array: {
      std::vector<Value> items;
      items.reserve(json.as_array().size());
      for (const Json& item : json.as_array()) items.push_back(to_value(heap, item, depth + 1));
      return heap.list(std::move(items));
    }
    case Json::Type::object: {
      jinja::Entries entries;
      entries.reserve(json.as_object().size());
      for (const auto& [key, item] : json.as_object().entries()) {
        entries.emplace_back(heap.string(key), to_value(heap, item, depth + 1));
      }
      return heap.dict(std::move(entries));
    }
  }
  return Value();
}

// As transformers prepares a message: no null members, and reasoning under each of its names.
Json prepared(const Json& message) {
  JsonObject plain;
  for (const auto& [key, value] : message.as_object().entries()) {
    if (!value.is_null()) plain[key] = value;
  }
  for (const std::string_view name : {"reasoning_content", "thinking", "reasoning"}) {
    const Json* found = plain.find(name);
    if (!found) continue;
    const Json reasoning = *found;
    JsonObject aliased;
    aliased["thinking"] = reasoning;
    for (auto& [key, value] : plain.entries()) aliased[key] = std::move(value);
    aliased["reasoning_content"] = reasoning;
    return Json(std::move(aliased));
  }
  return Json(std::move(plain));
}

void check_objects(const Json& list, std::string_view what, std::string_view name) {
  if (!list.is_array()) fail(name, ": ", what, " must be an array, found ", json_type_name(list.type()));
  for (std::size_t i = 0; i < list.as_array().size(); ++i) {
    if (!list.as_array()[i].is_object()) {
      fail(name, ": ", what, "[", i, "] must be an object, found ", json_type_name(list.as_array()[i].type()));
    }
  }
}

}  // namespace

struct ChatTemplate::Tree {
  jinja::Template root;
};

ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

ChatTemplate::ChatTemplate(std::string_view source, std::string name)
    : source_(source), name_(std::move(name)), clock_(local_time) {
  if (const std::size_t bad = find_invalid_utf8(source); bad != source.npos) {
    fail(name_, ": no UTF-8 at offset ", bad);
  }
  try {
    tree_ = std::make_unique<const Tree>(Tree{jinja::parse_template(source_)});
  } catch (const jinja::SyntaxError& e) {
    fail(name_, ": line ", e.line, ": ", e.message);
  }
}

std::string ChatTemplate::run(const std::vector<std::pair<std::string_view, const Json*>>& variables,
                              std::vector<GenerationSpan>* spans) const {
  jinja::Interpreter interpreter({limits_.steps, limits_.work}, clock_);
  try {
    std::vector<std::pair<std::string_view, jinja::Value>> inputs;
    for (const auto& [key, value] : variables) inputs.emplace_back(key, to_value(interpreter.heap, *value));
    std::string text = interpreter.render(tree_->root, std::move(inputs));
    if (spans) {
      for (const auto& span : interpreter.generated()) spans->push_back({span.begin, span.end});
    }
    return text;
  } catch (const jinja::Failure& e) {
    fail_with(e.limit ? ErrorKind::limit : ErrorKind::input,
              cat(name_, ": line ", interpreter.line(), ": ", e.message));
  }
}

std::string ChatTemplate::render(const ChatInput& input, std::vector<GenerationSpan>* spans) const {
  std::vector<std::pair<std::string_view, const Json*>> variables;
  const auto overridden = [&](std::string_view name) { return input.variables.find(name) != nullptr; };
  const auto add = [&](std::string_view name, const Json& value) {
    if (!overridden(name)) variables.emplace_back(name, &value);
  };
  Json messages{JsonArray()};
  if (!overridden("messages")) {
    check_objects(input.messages, "messages", name_);
    if (input.messages.as_array().empty()) fail(name_, ": there must be at least one message");
    for (const Json& message : input.messages.as_array()) messages.as_array().push_back(prepared(message));
  }
  if (!input.tools.is_null()) check_objects(input.tools, "tools", name_);
  if (!input.documents.is_null()) check_objects(input.documents, "documents", name_);
  const Json prompt(input.add_generation_prompt);
  const Json bos(input.bos_token.value_or("")), eos(input.eos_token.value_or(""));
  add("messages", messages);
  add("tools", input.tools);
  add("documents", input.documents);
  add("add_generation_prompt", prompt);
  if (input.bos_token) add("bos_token", bos);
  if (input.eos_token) add("eos_token", eos);
  for (const auto& [name, value] : input.variables.entries()) variables.emplace_back(name, &value);
  return run(variables, spans);
}

std::string ChatTemplate::render_plain(const JsonObject& values) const {
  std::vector<std::pair<std::string_view, const Json*>> variables;
  for (const auto& [name, value] : values.entries()) variables.emplace_back(name, &value);
  return run(variables, nullptr);
}

}  // namespace tashika
