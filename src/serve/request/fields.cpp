#include "serve/request/fields.h"

#include <algorithm>
#include <cmath>

#include "serve/request/error.h"

namespace tashika::serve {
namespace {

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::any: return "any value";
    case Kind::truth: return "true or false";
    case Kind::integer: return "a whole number";
    case Kind::number: return "a number";
    case Kind::text: return "a string";
    case Kind::list: return "an array";
    case Kind::object: return "an object";
    case Kind::text_or_list: return "a string or an array";
    case Kind::truth_or_object: return "true, false or an object";
    case Kind::text_or_object: return "a string or an object";
  }
  return "a value";
}

bool fits(const Json& v, Kind kind) {
  switch (kind) {
    case Kind::any: return true;
    case Kind::truth: return v.is_bool();
    case Kind::integer: return v.is_integer() || (v.is_number() && std::trunc(v.as_double()) == v.as_double() && std::abs(v.as_double()) < 9e15);
    case Kind::number: return v.is_number();
    case Kind::text: return v.is_string();
    case Kind::list: return v.is_array();
    case Kind::object: return v.is_object();
    case Kind::text_or_list: return v.is_string() || v.is_array();
    case Kind::truth_or_object: return v.is_bool() || v.is_object();
    case Kind::text_or_object: return v.is_string() || v.is_object();
  }
  return false;
}

Json types_of(Kind kind) {
  const auto list = [](std::initializer_list<const char*> names) {
    JsonArray out;
    for (const char* name : names) out.emplace_back(name);
    out.emplace_back("null");
    return Json(std::move(out));
  };
  switch (kind) {
    case Kind::any: return {};
    case Kind::truth: return list({"boolean"});
    case Kind::integer: return list({"integer"});
    case Kind::number: return list({"number"});
    case Kind::text: return list({"string"});
    case Kind::list: return list({"array"});
    case Kind::object: return list({"object"});
    case Kind::text_or_list: return list({"string", "array"});
    case Kind::truth_or_object: return list({"boolean", "object"});
    case Kind::text_or_object: return list({"string", "object"});
  }
  return {};
}

Json bound(double value) { return std::trunc(value) == value ? Json(static_cast<std::int64_t>(value)) : Json(value); }

std::string_view support_name(Support support) {
  return support == Support::honoured ? "honoured" : support == Support::ignored ? "ignored" : "refused";
}

}  // namespace

void check_value(const Json& value, const Field& field, std::string_view where) {
  const auto wrong = [&](const std::string& message) { throw ApiError(400, cat(where, ": ", message), std::string(where)); };
  if (field.support == Support::refused) {
    const bool harmless = (value.is_bool() && !value.as_bool()) || (!field.neutral.empty() && value == parse_json(field.neutral, where));
    if (!harmless) wrong(cat("this server does not do that", field.about.empty() ? "" : ": ", field.about));
    return;
  }
  if (!fits(value, field.kind)) wrong(cat("expected ", kind_name(field.kind), ", found ", json_type_name(value.type())));
  if (!value.is_number() || (field.kind != Kind::integer && field.kind != Kind::number)) return;
  const double number = value.as_double();
  if (number < field.low || number > field.high) {
    wrong(cat(dump_json(value), " is out of range: ", dump_json(bound(field.low)), " to ", dump_json(bound(field.high))));
  }
}

std::vector<std::string> check_fields(const Json& body, std::span<const Field> fields) {
  if (!body.is_object()) throw ApiError(400, cat("the request's body must be a JSON object, not ", json_type_name(body.type())));
  std::vector<std::string> warnings;
  for (const Field& field : fields) {
    if (field.required && body[field.name].is_null()) throw ApiError(400, cat("\"", field.name, "\" is missing"), std::string(field.name));
  }
  for (const auto& [name, value] : body.as_object().entries()) {
    const auto field = std::ranges::find(fields, name, &Field::name);
    if (field == fields.end()) {
      warnings.push_back(cat(printable(name), ": unknown field, not used"));
      continue;
    }
    if (value.is_null()) continue;
    check_value(value, *field, field->name);
    if (field->support == Support::ignored) warnings.push_back(cat(field->name, ": not used by this server", field->about.empty() ? "" : "; ", field->about));
  }
  return warnings;
}

Json fields_schema(std::span<const Field> fields) {
  Json schema, properties;
  schema.set("type", "object");
  JsonArray required;
  properties = JsonObject();
  for (const Field& field : fields) {
    Json property = JsonObject();
    if (const Json types = types_of(field.kind); !types.is_null() && field.support != Support::refused) property.set("type", types);
    if (field.kind == Kind::integer || field.kind == Kind::number) {
      if (field.low > -1e17) property.set("minimum", bound(field.low));
      if (field.high < 1e17) property.set("maximum", bound(field.high));
    }
    if (!field.about.empty()) property.set("description", field.about);
    property.set("x-support", support_name(field.support));
    properties.set(field.name, std::move(property));
    if (field.required) required.emplace_back(field.name);
  }
  schema.set("properties", std::move(properties));
  if (!required.empty()) schema.set("required", std::move(required));
  return schema;
}

Json fields_capabilities(std::span<const Field> fields) {
  Json out = JsonObject();
  for (const Field& field : fields) out.set(field.name, support_name(field.support));
  return out;
}

Json warning_list(const std::vector<std::string>& warnings) {
  JsonArray out;
  for (const std::string& warning : warnings) out.emplace_back(warning);
  return Json(std::move(out));
}

}  // namespace tashika::serve
