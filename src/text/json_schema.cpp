#include "text/json_schema.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/grammar/dfa.h"
#include "text/grammar/formats.h"
#include "text/grammar/number.h"
#include "text/utf8.h"

namespace tashika {
namespace {

constexpr int max_depth = 200;
constexpr std::uint64_t max_work = 20'000'000;

bool is_type(const Json& v, std::string_view name) {
  if (name == "null") return v.is_null();
  if (name == "boolean") return v.is_bool();
  if (name == "integer") return v.is_number() && v.as_double() == std::floor(v.as_double());
  if (name == "number") return v.is_number();
  if (name == "string") return v.is_string();
  if (name == "array") return v.is_array();
  if (name == "object") return v.is_object();
  fail("the schema names an unknown type \"", printable(name), "\"");
}

// As JSON compares: true is not 1.
bool equal(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a == b;
  if (a.type() != b.type()) return false;
  if (a.is_array()) {
    return a.as_array().size() == b.as_array().size() && std::equal(a.as_array().begin(), a.as_array().end(), b.as_array().begin(), equal);
  }
  if (a.is_object()) {
    if (a.as_object().size() != b.as_object().size()) return false;
    return std::ranges::all_of(a.as_object().entries(), [&](const auto& entry) {
      const Json* other = b.find(entry.first);
      return other != nullptr && equal(entry.second, *other);
    });
  }
  return a == b;
}

std::optional<grammar::Decimal> exact(const Json& v) { return v.is_integer() ? grammar::decimal_of(v.as_integer()) : grammar::decimal_of(v.as_double()); }

bool real_date(std::string_view t) {
  const auto number = [&](std::size_t at, std::size_t n) {
    int value = 0;
    for (std::size_t i = at; i < at + n; ++i) value = value * 10 + (t[i] - '0');
    return value;
  };
  const int year = number(0, 4), month = number(5, 2), day = number(8, 2);
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

}  // namespace

std::optional<std::string> SchemaValidator::check(const Json& schema, const Json& value) {
  problem_.clear();
  work_ = 0;
  if (valid(schema, value, "", 0)) return std::nullopt;
  return problem_;
}

bool SchemaValidator::wrong(const std::string& path, std::string_view key) {
  if (problem_.empty()) problem_ = cat(path.empty() ? "/" : path, ": ", key);
  return false;
}

bool SchemaValidator::matches(const std::string& pattern, const std::string& text) {
  auto& dfa = patterns_[pattern];
  if (!dfa) dfa = std::make_shared<const grammar::Dfa>(grammar::compile_pattern(grammar::parse_pattern(pattern, "pattern"), true, "pattern"));
  return dfa->matches(text);
}

bool SchemaValidator::format(const std::string& name, const std::string& text) {
  const std::optional<std::string_view> pattern = grammar::format_pattern(name);
  if (!pattern || pattern->empty()) return true;
  if (!matches(cat("^(?:", *pattern, ")$"), text)) return false;
  return (name != "date" && name != "date-time") || real_date(text);
}

bool SchemaValidator::valid(const Json& schema, const Json& value, const std::string& path, int depth) {
  if (depth > max_depth) fail_with(ErrorKind::limit, "the schema's references are nested too deep");
  if (++work_ > max_work) fail_with(ErrorKind::limit, "validation takes too much work");
  if (schema.is_bool()) return schema.as_bool() || wrong(path, "false");
  if (!schema.is_object()) fail("a schema is an object or a boolean");
  for (const auto& [key, want] : schema.as_object().entries()) {
    if (!keyword(schema, key, want, value, path, depth)) return wrong(path, key);
  }
  return true;
}

bool SchemaValidator::keyword(const Json& schema, const std::string& key, const Json& want, const Json& value, const std::string& path, int depth) {
  const auto inner = [&](const Json& s) {
    // An alternative that fails is no problem of its own.
    const std::string kept = problem_;
    const bool ok = valid(s, value, path, depth + 1);
    problem_ = kept;
    return ok;
  };
  const auto number = [&](auto&& ok) { return !value.is_number() || !want.is_number() || ok(value.as_double(), want.as_double()); };
  if (key == "$ref" || (key == "$recursiveRef" && want == Json("#"))) {
    std::string problem;
    const Json* target = resolve_schema_reference(root_, want.as_string(), nullptr, &problem);
    if (target == nullptr) fail(problem);
    return valid(*target, value, path, depth + 1);
  }
  if (key == "type") {
    if (!want.is_array()) return is_type(value, want.as_string());
    return std::ranges::any_of(want.as_array(), [&](const Json& t) { return is_type(value, t.as_string()); });
  }
  if (key == "const") return equal(value, want);
  if (key == "enum") return std::ranges::any_of(want.as_array(), [&](const Json& v) { return equal(v, value); });
  if (key == "allOf") return std::ranges::all_of(want.as_array(), [&](const Json& s) { return valid(s, value, path, depth + 1); });
  if (key == "anyOf") return std::ranges::any_of(want.as_array(), inner);
  if (key == "oneOf") return std::ranges::count_if(want.as_array(), inner) == 1;
  if (key == "not") return !inner(want);
  if (key == "if") {
    const Json* branch = schema.find(inner(want) ? "then" : "else");
    return branch == nullptr || valid(*branch, value, path, depth + 1);
  }
  if (key == "minimum") {
    const bool strict = schema["exclusiveMinimum"] == Json(true) && schema["exclusiveMinimum"].is_bool();
    return number([&](double v, double w) { return strict ? v > w : v >= w; });
  }
  if (key == "maximum") {
    const bool strict = schema["exclusiveMaximum"] == Json(true) && schema["exclusiveMaximum"].is_bool();
    return number([&](double v, double w) { return strict ? v < w : v <= w; });
  }
  if (key == "exclusiveMinimum") return number([](double v, double w) { return v > w; });
  if (key == "exclusiveMaximum") return number([](double v, double w) { return v < w; });
  if (key == "multipleOf") {
    if (!value.is_number() || !want.is_number()) return true;
    const auto a = exact(value), b = exact(want);
    return a && b && grammar::is_multiple(*a, *b).value_or(std::fmod(value.as_double(), want.as_double()) == 0);
  }
  if (value.is_string()) {
    const std::string& text = value.as_string();
    if (key == "minLength") return static_cast<double>(utf8::count(text)) >= want.as_double();
    if (key == "maxLength") return static_cast<double>(utf8::count(text)) <= want.as_double();
    if (key == "pattern") return matches(want.as_string(), text);
    if (key == "format" && want.is_string()) return format(want.as_string(), text);
  }
  if (value.is_array()) return array_keyword(schema, key, want, value, path, depth);
  if (value.is_object()) return object_keyword(schema, key, want, value, path, depth);
  return true;
}

bool SchemaValidator::array_keyword(const Json& schema, const std::string& key, const Json& want, const Json& value, const std::string& path, int depth) {
  const JsonArray& items = value.as_array();
  const auto size = static_cast<double>(items.size());
  const auto at = [&](std::size_t i, const Json& s) { return valid(s, items[i], cat(path, "/", i), depth + 1); };
  if (key == "minItems") return size >= want.as_double();
  if (key == "maxItems") return size <= want.as_double();
  if (key == "uniqueItems") {
    if (!want.is_bool() || !want.as_bool()) return true;
    for (std::size_t i = 0; i < items.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) {
        if (equal(items[i], items[k])) return false;
      }
    }
    return true;
  }
  if (key == "prefixItems" || (key == "items" && want.is_array())) {
    const JsonArray& list = want.as_array();
    for (std::size_t i = 0; i < std::min(items.size(), list.size()); ++i) {
      if (!at(i, list[i])) return false;
    }
    return true;
  }
  if (key == "items" || key == "additionalItems") {
    const Json* prefix = key == "items" ? schema.find("prefixItems") : schema.find("items");
    if (key == "additionalItems" && (prefix == nullptr || !prefix->is_array())) return true;
    for (std::size_t i = prefix != nullptr ? prefix->as_array().size() : 0; i < items.size(); ++i) {
      if (!at(i, want)) return false;
    }
    return true;
  }
  if (key == "contains") {
    const std::string kept = problem_;
    double n = 0;
    for (std::size_t i = 0; i < items.size(); ++i) n += at(i, want);
    problem_ = kept;
    const Json *least = schema.find("minContains"), *most = schema.find("maxContains");
    return n >= (least != nullptr ? least->as_double() : 1) && (most == nullptr || n <= most->as_double());
  }
  if (key == "unevaluatedItems" && !(want.is_bool() && want.as_bool())) fail("unevaluatedItems is not supported");
  return true;
}

bool SchemaValidator::object_keyword(const Json& schema, const std::string& key, const Json& want, const Json& value, const std::string& path, int depth) {
  const auto& members = value.as_object().entries();
  const auto at = [&](const std::string& name, const Json& v, const Json& s) { return valid(s, v, cat(path, "/", name), depth + 1); };
  if (key == "minProperties") return static_cast<double>(members.size()) >= want.as_double();
  if (key == "maxProperties") return static_cast<double>(members.size()) <= want.as_double();
  if (key == "required") {
    return !want.is_array() || std::ranges::all_of(want.as_array(), [&](const Json& name) { return value.contains(name.as_string()); });
  }
  if (key == "properties") {
    return std::ranges::all_of(members, [&](const auto& m) {
      const Json* s = want.find(m.first);
      return s == nullptr || at(m.first, m.second, *s);
    });
  }
  if (key == "patternProperties") {
    for (const auto& [source, s] : want.as_object().entries()) {
      for (const auto& [name, v] : members) {
        if (matches(source, name) && !at(name, v, s)) return false;
      }
    }
    return true;
  }
  if (key == "additionalProperties") {
    const Json *own = schema.find("properties"), *patterns = schema.find("patternProperties");
    for (const auto& [name, v] : members) {
      bool known = own != nullptr && own->contains(name);
      if (patterns != nullptr) {
        for (const auto& [source, s] : patterns->as_object().entries()) known = known || matches(source, name);
      }
      if (!known && !at(name, v, want)) return false;
    }
    return true;
  }
  if (key == "propertyNames") {
    return std::ranges::all_of(members, [&](const auto& m) { return valid(want, Json(m.first), path, depth + 1); });
  }
  if (key == "dependentRequired" || key == "dependentSchemas" || key == "dependencies") {
    for (const auto& [name, needs] : want.as_object().entries()) {
      if (!value.contains(name)) continue;
      if (needs.is_array()) {
        if (!std::ranges::all_of(needs.as_array(), [&](const Json& n) { return value.contains(n.as_string()); })) return false;
      } else if (!valid(needs, value, path, depth + 1)) {
        return false;
      }
    }
    return true;
  }
  if (key == "unevaluatedProperties") {
    for (const auto& [name, v] : members) {
      if (!evaluated(schema, value, name, depth + 1) && !at(name, v, want)) return false;
    }
  }
  return true;
}

// Some subschema that holds for the object speaks of the member.
bool SchemaValidator::evaluated(const Json& schema, const Json& value, const std::string& name, int depth) {
  if (depth > max_depth) fail_with(ErrorKind::limit, "the schema's references are nested too deep");
  if (!schema.is_object()) return false;
  if (const Json* own = schema.find("properties"); own != nullptr && own->contains(name)) return true;
  if (const Json* patterns = schema.find("patternProperties")) {
    for (const auto& [source, s] : patterns->as_object().entries()) {
      if (matches(source, name)) return true;
    }
  }
  if (schema.contains("additionalProperties")) return true;
  const auto holds = [&](const Json& s) {
    const std::string kept = problem_;
    const bool ok = valid(s, value, "", depth + 1);
    problem_ = kept;
    return ok && (evaluated(s, value, name, depth + 1) || (s.is_object() && s.contains("unevaluatedProperties")));
  };
  for (const std::string_view key : {"allOf", "anyOf", "oneOf"}) {
    const Json* list = schema.find(key);
    if (list != nullptr && std::ranges::any_of(list->as_array(), holds)) return true;
  }
  if (const Json* ref = schema.find("$ref")) {
    std::string problem;
    const Json* target = resolve_schema_reference(root_, ref->as_string(), nullptr, &problem);
    if (target != nullptr && holds(*target)) return true;
  }
  for (const std::string_view key : {"if", "then", "else"}) {
    const Json* part = schema.find(key);
    if (part != nullptr && holds(*part)) return true;
  }
  return false;
}

std::optional<std::string> find_schema_violation(const Json& schema, const Json& value, const Json& root) {
  return SchemaValidator(root).check(schema, value);
}

namespace {

const Json* find_anchor(const Json& at, std::string_view name, const std::string& path, std::string* pointer, int depth) {
  if (depth > 64) return nullptr;
  if (at.is_object()) {
    const Json* anchor = at.find("$anchor");
    if (anchor != nullptr && anchor->is_string() && anchor->as_string() == name) {
      if (pointer != nullptr) *pointer = path;
      return &at;
    }
    for (const auto& [key, child] : at.as_object().entries()) {
      if (const Json* found = find_anchor(child, name, cat(path, "/", key), pointer, depth + 1)) return found;
    }
  } else if (at.is_array()) {
    for (std::size_t i = 0; i < at.as_array().size(); ++i) {
      if (const Json* found = find_anchor(at.as_array()[i], name, cat(path, "/", i), pointer, depth + 1)) return found;
    }
  }
  return nullptr;
}

int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

}  // namespace

const Json* resolve_schema_reference(const Json& root, std::string_view reference, std::string* pointer, std::string* problem) {
  const auto none = [&](std::string why) {
    *problem = cat("the reference \"", printable(reference), "\" ", why);
    return nullptr;
  };
  std::string_view text = reference;
  if (const Json* id = root.find("$id"); id != nullptr && id->is_string() && !id->as_string().empty() && text.starts_with(id->as_string())) {
    text.remove_prefix(id->as_string().size());
    if (text.empty()) text = "#";
  }
  if (!text.starts_with('#')) return none("leaves this document");
  text.remove_prefix(1);
  std::string path;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      path += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1, low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return none("has a wrong percent escape");
    path += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (!path.empty() && path[0] != '/') {
    const Json* found = find_anchor(root, path, "", pointer, 0);
    return found != nullptr ? found : none("names no anchor of this document");
  }
  const Json* at = &root;
  for (std::size_t begin = 1; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    std::string token;
    for (std::size_t i = begin; i < end; ++i) {
      if (path[i] == '~' && i + 1 < end && (path[i + 1] == '0' || path[i + 1] == '1')) {
        token += path[++i] == '0' ? '~' : '/';
      } else {
        token += path[i];
      }
    }
    const Json* next = nullptr;
    if (at->is_object()) {
      next = at->find(token);
    } else if (at->is_array() && !token.empty() && token.size() < 9 && token.find_first_not_of("0123456789") == std::string::npos) {
      const auto i = static_cast<std::size_t>(std::stoul(token));
      if (i < at->as_array().size()) next = &at->as_array()[i];
    }
    if (next == nullptr) return none("points to nothing");
    at = next;
    begin = end + 1;
  }
  if (pointer != nullptr) *pointer = path;
  return at;
}

}  // namespace tashika
