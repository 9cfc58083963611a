// Objects, and what combines schemas: references, allOf, anyOf, oneOf, not, if.
#include <algorithm>

#include "base/error.h"
#include "text/grammar/shapes.h"
#include "text/json_schema.h"

namespace tashika::grammar {
namespace {

// Keywords that say nothing about a value.
bool is_annotation(std::string_view key) {
  return key != "$dynamicRef" && key != "$recursiveRef" && key != "unevaluatedProperties" && key != "unevaluatedItems";
}

Json one_entry(std::string_view key, Json value) {
  Json out;
  out.set(key, std::move(value));
  return out;
}

Json typed(std::string_view type, std::string_view key, Json value) {
  Json out = one_entry("type", type);
  out.set(key, std::move(value));
  return out;
}

}  // namespace

bool Shapes::apply_object(Shape& shape, const Lit& lit, const std::string& key, const Json& value, std::vector<Choice>& choices) {
  const Json& schema = *lit.schema;
  const auto object = [&]() -> const JsonObject& {
    if (!value.is_object()) refuse(cat(lit.pointer, "/", key), "expected an object");
    return value.as_object();
  };
  if (key == "properties" || key == "patternProperties" || key == "additionalProperties") {
    if (key != "additionalProperties") object();
    // The three belong together: whichever comes first makes the part.
    for (const std::string_view other : {"properties", "patternProperties", "additionalProperties"}) {
      if (other == key) break;
      if (schema.contains(other)) return true;
    }
    Shape::ObjectPart part;
    part.pointer = lit.pointer;
    part.made = lit.made;
    part.properties = schema.find("properties");
    if (part.properties != nullptr && !part.properties->is_object()) refuse(cat(lit.pointer, "/properties"), "expected an object");
    if (const Json* patterns = schema.find("patternProperties")) {
      if (!patterns->is_object()) refuse(cat(lit.pointer, "/patternProperties"), "expected an object");
      for (const auto& [source, child] : patterns->as_object().entries()) {
        const Lit at = below(below(lit, "patternProperties", *patterns), source, child);
        part.patterns.emplace_back(pattern(source, at.pointer), at);
      }
    }
    if (const Json* rest = schema.find("additionalProperties")) part.rest = below(lit, "additionalProperties", *rest);
    shape.objects.push_back(std::move(part));
  } else if (key == "required") {
    if (value.is_bool()) return true;  // draft 3's spelling, ignored since
    if (!value.is_array()) refuse(cat(lit.pointer, "/required"), "expected a list of names");
    for (const Json& name : value.as_array()) {
      if (!name.is_string()) refuse(cat(lit.pointer, "/required"), "expected a list of names");
      shape.required.insert(name.as_string());
    }
  } else if (key == "$forbidden") {
    for (const Json& name : value.as_array()) shape.forbidden.insert(name.as_string());
  } else if (key == "minProperties") {
    shape.least_members = std::max(shape.least_members, count(lit, key, value));
  } else if (key == "maxProperties") {
    shape.most_members = std::min(shape.most_members, count(lit, key, value));
  } else if (key == "propertyNames") {
    shape.names.push_back(below(lit, key, value));
  } else if (key == "dependentRequired" || key == "dependentSchemas" || key == "dependencies") {
    for (const auto& [name, needs] : object().entries()) {
      // Either the name is not there, or it is and what it needs holds.
      Json present = typed("object", "required", JsonArray{Json(name)});
      Json absent;
      absent.set("$forbidden", JsonArray{Json(name)});
      Choice choice{{made(lit, std::move(absent))}};
      if (needs.is_array()) {
        JsonArray all{Json(name)};
        for (const Json& n : needs.as_array()) {
          if (!n.is_string()) refuse(cat(lit.pointer, "/", key), "expected lists of names");
          all.push_back(n);
        }
        present.set("required", std::move(all));
        choice.push_back({made(lit, std::move(present))});
      } else {
        choice.push_back({made(lit, std::move(present)), below(below(lit, key, value), name, needs)});
      }
      choices.push_back(std::move(choice));
    }
  } else if (key == "unevaluatedProperties") {
    if (value.is_bool() && value.as_bool()) return true;
    if (schema.contains("additionalProperties")) return true;
    Json closed = evaluated(schema, lit.pointer, 0);
    closed.set("additionalProperties", value);
    Lit made_lit = made(lit, std::move(closed));
    choices.push_back({{made_lit}});
  } else {
    return false;
  }
  return true;
}

// The names and patterns that a schema and what it surely includes speak of, each allowing anything.
Json Shapes::evaluated(const Json& schema, const std::string& pointer, int depth) {
  JsonObject names, patterns;
  const auto merge = [&](const Json* members, JsonObject& into) {
    if (members == nullptr || !members->is_object()) return;
    for (const auto& [name, unused] : members->as_object().entries()) into[name] = true;
  };
  const auto done = [&] {
    Json out;
    out.set("properties", std::move(names));
    out.set("patternProperties", std::move(patterns));
    return out;
  };
  if (!schema.is_object()) return done();
  if (depth > 30) refuse(cat(pointer, "/unevaluatedProperties"), "this keyword cannot be enforced here");
  for (const std::string_view key : {"anyOf", "oneOf", "if", "dependentSchemas", "$dynamicRef", "then", "else"}) {
    if (schema.contains(key)) refuse(cat(pointer, "/unevaluatedProperties"), cat("this keyword cannot be enforced beside ", key));
  }
  const auto include = [&](const Json& part) {
    const Json more = evaluated(part, pointer, depth + 1);
    merge(more.find("properties"), names);
    merge(more.find("patternProperties"), patterns);
  };
  merge(schema.find("properties"), names);
  merge(schema.find("patternProperties"), patterns);
  if (const Json* all = schema.find("allOf"); all != nullptr && all->is_array()) {
    for (const Json& part : all->as_array()) include(part);
  }
  if (const Json* ref = schema.find("$ref")) {
    std::string place;
    include(*resolve({&schema, pointer, false, false}, *ref, place));
  }
  return done();
}

std::optional<Lits> Shapes::member(const Shape& shape, const std::string& name) {
  if (shape.forbidden.contains(name)) return std::nullopt;
  for (const Lit& lit : shape.names) {
    if (find_schema_violation(*lit.schema, Json(name), root_)) return std::nullopt;
  }
  Lits out;
  for (const Shape::ObjectPart& part : shape.objects) {
    bool known = false;
    if (const Json* own = part.properties != nullptr ? part.properties->find(name) : nullptr) {
      out.push_back({own, cat(part.pointer, "/properties/", pointer_token(name)), false, part.made});
      known = true;
    }
    for (const auto& [dfa, lit] : part.patterns) {
      if (dfa->matches(name)) out.push_back(lit), known = true;
    }
    if (!known && part.rest) out.push_back(*part.rest);
  }
  return out;
}

const Json* Shapes::resolve(const Lit& lit, const Json& ref, std::string& pointer) {
  if (!ref.is_string()) refuse(cat(lit.pointer, "/$ref"), "expected a text");
  std::string problem;
  const Json* found = resolve_schema_reference(root_, ref.as_string(), &pointer, &problem);
  if (found == nullptr) refuse(cat(lit.pointer, "/$ref"), problem);
  return found;
}

void Shapes::apply_combined(Shape& shape, const Lit& lit, const std::string& key, const Json& value, std::vector<Choice>& choices) {
  const auto list = [&]() -> const JsonArray& {
    if (!value.is_array() || value.as_array().empty()) refuse(cat(lit.pointer, "/", key), "expected a list of schemas");
    return value.as_array();
  };
  const auto part = [&](std::size_t i) { return below(below(lit, key, value), cat(i), value.as_array()[i]); };
  if (key == "$ref" || (key == "$recursiveRef" && value == Json("#"))) {
    std::string pointer;
    const Json* target = resolve(lit, value, pointer);
    choices.push_back({{Lit{target, pointer, false, false}}});
  } else if (key == "allOf") {
    Lits all;
    for (std::size_t i = 0; i < list().size(); ++i) all.push_back(part(i));
    choices.push_back({std::move(all)});
  } else if (key == "anyOf") {
    Choice any;
    for (std::size_t i = 0; i < list().size(); ++i) any.push_back({part(i)});
    choices.push_back(std::move(any));
  } else if (key == "oneOf") {
    choices.push_back(one_of(lit, list()));
  } else if (key == "not") {
    Lit inner = below(lit, key, value);
    inner.negative = true;
    choices.push_back({{std::move(inner)}});
  } else if (key == "if") {
    const Json* then = lit.schema->find("then");
    const Json* otherwise = lit.schema->find("else");
    if (then == nullptr && otherwise == nullptr) return;
    const Lit condition = below(lit, "if", value);
    Lit against = condition;
    against.negative = true;
    Lits holds{condition}, fails{against};
    if (then != nullptr) holds.push_back(below(lit, "then", *then));
    if (otherwise != nullptr) fails.push_back(below(lit, "else", *otherwise));
    choices.push_back({std::move(holds), std::move(fails)});
  } else if (!is_annotation(key)) {
    refuse(cat(lit.pointer, "/", key), "this keyword cannot be enforced");
  }
  (void)shape;
}

// Exactly one: alternatives that share values exclude each other.
Choice Shapes::one_of(const Lit& lit, const JsonArray& list) {
  if (list.size() > 100) refuse(cat(lit.pointer, "/oneOf"), "more than 100 alternatives cannot be told apart");
  Lits parts;
  for (std::size_t i = 0; i < list.size(); ++i) parts.push_back({&list[i], cat(lit.pointer, "/oneOf/", i), false, lit.made});
  Choice out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Lits branch{parts[i]};
    for (std::size_t k = 0; k < parts.size(); ++k) {
      if (k == i || impossible({parts[i], parts[k]})) continue;
      Lit other = parts[k];
      other.negative = true;
      branch.push_back(std::move(other));
    }
    out.push_back(std::move(branch));
  }
  return out;
}

// What holds when a schema does not: one of its keywords fails.
Choice Shapes::negated(const Lit& lit) {
  const Json& schema = *lit.schema;
  if (schema.is_bool()) return Choice(schema.as_bool() ? 0 : 1);
  if (!schema.is_object()) refuse(lit.pointer, "a schema is an object or a boolean");
  Choice out;
  for (const auto& [key, value] : schema.as_object().entries()) negate_keyword(lit, key, value, out);
  return out;
}

void Shapes::negate_keyword(const Lit& lit, const std::string& key, const Json& value, Choice& out) {
  const auto place = [&] { return cat(lit.pointer, "/", key); };
  const auto add = [&](Json schema) { out.push_back({made(lit, std::move(schema))}); };
  const auto against = [&](const Json& schema, const std::string& pointer) { return Lit{&schema, pointer, true, lit.made}; };
  const Json& all = *lit.schema;
  if (key == "type") {
    JsonArray rest;
    bool number = false, integer = false;
    const auto named = [&](std::string_view name) {
      return value.is_array() ? std::ranges::find(value.as_array(), Json(name)) != value.as_array().end() : value == Json(name);
    };
    number = named("number"), integer = named("integer");
    for (const std::string_view name : {"null", "boolean", "string", "array", "object"}) {
      if (!named(name)) rest.emplace_back(name);
    }
    if (!number && !integer) rest.emplace_back("number");
    if (!rest.empty()) add(one_entry("type", std::move(rest)));
    if (integer && !number) add(typed("number", "$notInteger", true));
  } else if (key == "const") {
    add(one_entry("$exclude", JsonArray{value}));
  } else if (key == "enum") {
    add(one_entry("$exclude", value));
  } else if (key == "minimum") {
    add(typed("number", "exclusiveMaximum", value));
  } else if (key == "maximum") {
    add(typed("number", "exclusiveMinimum", value));
  } else if (key == "exclusiveMinimum" && value.is_number()) {
    add(typed("number", "maximum", value));
  } else if (key == "exclusiveMaximum" && value.is_number()) {
    add(typed("number", "minimum", value));
  } else if (key == "multipleOf") {
    add(typed("number", "$notMultipleOf", value));
  } else if (key == "minLength" || key == "minItems" || key == "minProperties") {
    const std::uint32_t n = count(lit, key, value);
    const bool string = key == "minLength", array = key == "minItems";
    if (n > 0) add(typed(string ? "string" : array ? "array" : "object", string ? "maxLength" : array ? "maxItems" : "maxProperties", std::size_t{n - 1}));
  } else if (key == "maxLength" || key == "maxItems" || key == "maxProperties") {
    const std::uint32_t n = count(lit, key, value);
    const bool string = key == "maxLength", array = key == "maxItems";
    add(typed(string ? "string" : array ? "array" : "object", string ? "minLength" : array ? "minItems" : "minProperties", std::size_t{n} + 1));
  } else if (key == "pattern") {
    add(typed("string", "$notPattern", value));
  } else if (key == "format") {
    add(typed("string", "$notFormat", value));
  } else if (key == "required" && value.is_array()) {
    for (const Json& name : value.as_array()) add(typed("object", "$forbidden", JsonArray{name}));
  } else if (key == "properties" && value.is_object()) {
    for (const auto& [name, child] : value.as_object().entries()) {
      Json member;
      member.set("not", child);
      Json schema = typed("object", "required", JsonArray{Json(name)});
      schema.set("properties", one_entry(name, std::move(member)));
      add(std::move(schema));
    }
  } else if (key == "items" && !value.is_array() && !all.contains("prefixItems")) {
    refuse(place(), "this keyword cannot be negated");
  } else if (key == "allOf" && value.is_array()) {
    for (std::size_t i = 0; i < value.as_array().size(); ++i) out.push_back({against(value.as_array()[i], cat(place(), "/", i))});
  } else if (key == "anyOf" && value.is_array()) {
    Lits none;
    for (std::size_t i = 0; i < value.as_array().size(); ++i) none.push_back(against(value.as_array()[i], cat(place(), "/", i)));
    out.push_back(std::move(none));
  } else if (key == "not") {
    out.push_back({below(lit, key, value)});
  } else if (key == "$ref") {
    std::string pointer;
    const Json* target = resolve(lit, value, pointer);
    out.push_back({Lit{target, pointer, true, false}});
  } else if (key == "uniqueItems" && (!value.is_bool() || !value.as_bool())) {
    return;
  } else if (key == "additionalProperties" && ((value.is_bool() && value.as_bool()) || (value.is_object() && value.as_object().empty()))) {
    return;
  } else {
    for (const std::string_view strict : {"items", "prefixItems", "additionalItems", "contains", "uniqueItems", "patternProperties", "additionalProperties",
                                          "propertyNames", "dependentRequired", "dependentSchemas", "dependencies", "oneOf", "if", "unevaluatedItems",
                                          "unevaluatedProperties", "$dynamicRef", "$recursiveRef", "exclusiveMinimum", "exclusiveMaximum", "$notPattern",
                                          "$exclude", "$notMultipleOf", "$notInteger", "$forbidden", "$notFormat"}) {
      if (key == strict) refuse(place(), "this keyword cannot be negated");
    }
  }
}

}  // namespace tashika::grammar
