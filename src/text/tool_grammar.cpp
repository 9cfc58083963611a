#include "text/tool_grammar.h"

#include <algorithm>

#include "base/error.h"
#include "text/tokenizer.h"

namespace tashika {
namespace {

using Part = GrammarBuilder::Part;

struct Function {
  std::string name, place;
  Json parameters;
};

std::vector<Function> functions_of(const Json& tools, std::string_view name) {
  std::vector<Function> out;
  if (!tools.is_array()) fail("tools: expected a list");
  for (std::size_t i = 0; i < tools.as_array().size(); ++i) {
    const Json& f = tools.as_array()[i]["function"];
    if (!f["name"].is_string()) fail("tools[", i, "].function.name: expected a text");
    if (!name.empty() && f["name"].as_string() != name) continue;
    Function one{f["name"].as_string(), cat("tools[", i, "].function.parameters"), f["parameters"]};
    if (one.parameters.is_null()) one.parameters = Json(JsonObject());
    if (!one.parameters.is_object()) fail(one.place, ": expected a schema of an object");
    // Arguments are an object, said or not.
    if (!one.parameters.contains("type")) one.parameters.set("type", "object");
    out.push_back(std::move(one));
  }
  if (out.empty()) fail(name.empty() ? "tools: there is none to call" : cat("tools: there is no function \"", printable(name), "\""));
  return out;
}

// {"name": "f", "KEY": ARGUMENTS}
Part json_call(GrammarBuilder& b, const Function& f, std::string_view key) {
  return b.sequence({b.literal(cat("{\"name\": ", dump_json(Json(f.name)), ", \"", key, "\": ")), b.schema(f.parameters, f.place), b.literal("}")});
}

// <function=NAME> <parameter=KEY> VALUE </parameter> … </function>: texts as they are, all else as JSON.
Part tagged_parameters(GrammarBuilder& b, const Function& f) {
  std::vector<Part> parts{b.literal(cat("<function=", f.name, ">\n"))};
  const Json& required = f.parameters["required"];
  if (const Json* properties = f.parameters.find("properties"); properties != nullptr && properties->is_object()) {
    for (const auto& [key, schema] : properties->as_object().entries()) {
      const bool text = schema["type"] == Json("string") && !schema.contains("enum") && !schema.contains("const");
      Part value = b.text_without("</parameter>");
      if (text && schema.contains("pattern")) {
        value = b.regex(schema["pattern"].as_string(), f.place);
      } else if (schema["enum"].is_array() && std::ranges::all_of(schema["enum"].as_array(), [](const Json& v) { return v.is_string(); })) {
        std::vector<Part> choices;
        for (const Json& v : schema["enum"].as_array()) choices.push_back(b.literal(v.as_string()));
        value = b.any_of(choices);
      } else if (!text) {
        Json whole = schema;
        for (const char* defs : {"$defs", "definitions"}) {
          if (whole.is_object() && f.parameters.contains(defs)) whole.set(defs, f.parameters[defs]);
        }
        value = b.schema(whole, cat(f.place, ": /properties/", key));
      }
      const Part one = b.sequence({b.literal(cat("<parameter=", key, ">\n")), value, b.literal("\n</parameter>\n")});
      const bool needed = required.is_array() && std::ranges::find(required.as_array(), Json(key)) != required.as_array().end();
      parts.push_back(needed ? one : b.repeat(one, 0, 1));
    }
  }
  parts.push_back(b.literal("</function>"));
  return b.sequence(parts);
}

}  // namespace

Grammar tool_call_grammar(std::string_view source, const Json& tools, const Tokenizer& tokenizer, std::string_view name, bool parallel) {
  const std::vector<Function> functions = functions_of(tools, name);
  const auto has = [&](std::string_view text) { return source.find(text) != std::string_view::npos; };
  GrammarBuilder b;
  const auto each = [&](auto&& call) {
    std::vector<Part> out;
    for (const Function& f : functions) out.push_back(call(f));
    return b.any_of(out);
  };
  // PART (BETWEEN PART)*
  const auto several = [&](Part part, Part between) { return parallel ? b.sequence({part, b.repeat(b.sequence({between, part}), 0)}) : part; };
  if (has("<function=") && has("<parameter=")) {
    const Part call = each([&](const Function& f) { return tagged_parameters(b, f); });
    const Part whole = b.sequence({b.marker(tokenizer, "<tool_call>"), b.literal("\n"), call, b.literal("\n"), b.marker(tokenizer, "</tool_call>")});
    return b.build(several(whole, b.literal("\n")));
  }
  if (has("<tool_call>")) {
    const Part call = each([&](const Function& f) { return json_call(b, f, "arguments"); });
    const Part whole = b.sequence({b.marker(tokenizer, "<tool_call>"), b.literal("\n"), call, b.literal("\n"), b.marker(tokenizer, "</tool_call>")});
    return b.build(several(whole, b.literal("\n")));
  }
  if (has("[TOOL_CALLS]") && has("[ARGS]")) {
    const Part call = each([&](const Function& f) {
      return b.sequence({b.marker(tokenizer, "[TOOL_CALLS]"), b.literal(f.name), b.marker(tokenizer, "[ARGS]"), b.schema(f.parameters, f.place)});
    });
    return b.build(several(call, b.literal("")));
  }
  if (has("[TOOL_CALLS]")) {
    const Part call = each([&](const Function& f) { return json_call(b, f, "arguments"); });
    return b.build(b.sequence({b.marker(tokenizer, "[TOOL_CALLS]"), b.literal("["), several(call, b.literal(", ")), b.literal("]")}));
  }
  // Llama 3.1's JSON, which is what models without a spelling of their own are asked for too.
  return b.build(each([&](const Function& f) { return json_call(b, f, "parameters"); }));
}

}  // namespace tashika
