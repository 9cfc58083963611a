// Expanding sets of schemas into shapes; keywords of numbers, strings and arrays.
#include "text/grammar/shapes.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/grammar/formats.h"
#include "text/grammar/program.h"
#include "text/json_schema.h"
#include "text/utf8.h"

namespace tashika::grammar {
namespace {

constexpr std::size_t max_shapes = 300;
constexpr std::uint64_t max_work = 400'000;

bool same_number(const Json& a, double b) { return a.is_number() && a.as_double() == b; }

unsigned types_named(const std::string& name, bool& integer) {
  if (name == "null") return type_bit::null;
  if (name == "boolean") return type_bit::no | type_bit::yes;
  if (name == "number") return type_bit::number;
  if (name == "integer") return integer = true, type_bit::number;
  if (name == "string") return type_bit::string;
  if (name == "array") return type_bit::array;
  if (name == "object") return type_bit::object;
  return 0;
}

unsigned type_of(const Json& v) {
  switch (v.type()) {
    case Json::Type::null: return type_bit::null;
    case Json::Type::truth: return v.as_bool() ? type_bit::yes : type_bit::no;
    case Json::Type::integer:
    case Json::Type::real: return type_bit::number;
    case Json::Type::string: return type_bit::string;
    case Json::Type::array: return type_bit::array;
    case Json::Type::object: return type_bit::object;
  }
  return 0;
}

bool contains_value(const std::vector<Json>& list, const Json& v) {
  return std::ranges::any_of(list, [&](const Json& x) { return type_of(x) == type_of(v) && x == v; });
}

}  // namespace

std::string pointer_token(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

Decimal exact_number(const Json& value, std::string_view place) {
  const std::optional<Decimal> d = value.is_integer() ? decimal_of(value.as_integer()) : decimal_of(value.as_double());
  if (!d) fail(place, ": this number is beyond exact arithmetic");
  return *d;
}

void Shapes::refuse(const std::string& pointer, std::string_view why) const {
  fail(what_, ": ", pointer.empty() ? "/" : printable(pointer, 400), ": ", why);
}

void Shapes::spend(std::uint64_t n) {
  work_ += n;
  if (work_ > max_work) fail_with(ErrorKind::limit, cat(what_, ": the schema has too many alternatives"));
}

Lit Shapes::below(const Lit& lit, std::string_view key, const Json& schema) const {
  return {&schema, cat(lit.pointer, "/", pointer_token(key)), false, lit.made};
}

Lit Shapes::made(const Lit& lit, Json schema) {
  made_.push_back(std::move(schema));
  return {&made_.back(), lit.pointer, false, true};
}

DfaPtr Shapes::pattern(const std::string& source, const std::string& pointer) {
  DfaPtr& dfa = patterns_[source];
  if (!dfa) {
    const std::string place = cat(what_, ": ", pointer);
    spend(50);
    // Only valid text stands in a JSON string.
    dfa = std::make_shared<const Dfa>(combine(any_text(), compile_pattern(parse_pattern(source, place), true, place), DfaOp::both, place));
  }
  return dfa;
}

std::uint32_t Shapes::count(const Lit& lit, const std::string& key, const Json& value) const {
  const bool whole = value.is_number() && value.as_double() >= 0 && value.as_double() == std::floor(value.as_double());
  if (!whole) refuse(cat(lit.pointer, "/", key), "expected a whole number from 0");
  if (value.as_double() > 1e9) refuse(cat(lit.pointer, "/", key), "this count is too large to be enforced");
  return static_cast<std::uint32_t>(value.as_double());
}

std::vector<Shape> Shapes::expand(const Lits& lits) {
  struct Open {
    Shape shape;
    std::vector<Choice> todo;
    std::vector<std::pair<const Json*, bool>> done;
  };
  if (++nesting_ > 60) fail_with(ErrorKind::limit, cat(what_, ": the schema's alternatives are nested too deep"));
  std::vector<Open> stack(1);
  for (std::size_t i = lits.size(); i-- > 0;) stack[0].todo.push_back({{lits[i]}});
  std::vector<Shape> out;
  while (!stack.empty()) {
    Open open = std::move(stack.back());
    stack.pop_back();
    bool dropped = false, forked = false;
    while (!open.todo.empty() && !dropped && !forked) {
      spend();
      Choice choice = std::move(open.todo.back());
      open.todo.pop_back();
      if (choice.empty()) {
        dropped = true;
      } else if (choice.size() > 1) {
        for (std::size_t i = choice.size(); i-- > 0;) {
          Open next = open;
          for (Lit& lit : choice[i]) next.todo.push_back({{std::move(lit)}});
          stack.push_back(std::move(next));
        }
        if (stack.size() > 4 * max_shapes) fail_with(ErrorKind::limit, cat(what_, ": the schema has too many alternatives"));
        forked = true;
      } else {
        for (const Lit& lit : choice[0]) {
          const std::pair key{lit.schema, lit.negative};
          // A schema holds once; what refers to itself says nothing more.
          if (std::ranges::find(open.done, key) != open.done.end()) continue;
          open.done.push_back(key);
          if (lit.negative) {
            open.todo.push_back(negated(lit));
          } else {
            apply(open.shape, lit, open.todo);
          }
          if (open.shape.types == 0) dropped = true;
        }
      }
    }
    if (dropped || forked) continue;
    settle(open.shape);
    if (open.shape.types == 0) continue;
    out.push_back(std::move(open.shape));
    if (out.size() > max_shapes) fail_with(ErrorKind::limit, cat(what_, ": the schema has too many alternatives"));
  }
  --nesting_;
  return out;
}

void Shapes::apply(Shape& shape, const Lit& lit, std::vector<Choice>& choices) {
  const Json& schema = *lit.schema;
  if (schema.is_bool()) {
    if (!schema.as_bool()) shape.types = 0;
    return;
  }
  if (!schema.is_object()) refuse(lit.pointer, "a schema is an object or a boolean");
  if (!lit.made) shape.applied.push_back(lit);
  for (const auto& [key, value] : schema.as_object().entries()) {
    apply_keyword(shape, lit, key, value, choices);
    if (shape.types == 0) return;
  }
}

void Shapes::apply_keyword(Shape& shape, const Lit& lit, const std::string& key, const Json& value, std::vector<Choice>& choices) {
  if (key == "type") {
    unsigned types = 0;
    bool integer = false, number = false;
    const auto add = [&](const Json& name) {
      bool whole = false;
      const unsigned t = name.is_string() ? types_named(name.as_string(), whole) : 0;
      if (t == 0) refuse(cat(lit.pointer, "/type"), "an unknown type");
      integer |= whole, number |= t == type_bit::number && !whole;
      types |= t;
    };
    if (value.is_array()) {
      for (const Json& name : value.as_array()) add(name);
    } else {
      add(value);
    }
    shape.types &= types;
    if (integer && !number) shape.number.integer = true;
    return;
  }
  if (key == "const" || key == "enum") {
    std::vector<Json> values;
    if (key == "const") {
      values.push_back(value);
    } else {
      if (!value.is_array()) refuse(cat(lit.pointer, "/enum"), "expected a list");
      values = value.as_array();
      spend(values.size() / 16);
    }
    if (shape.values) {
      std::erase_if(*shape.values, [&](const Json& v) { return !contains_value(values, v); });
    } else {
      shape.values = std::move(values);
    }
    if (shape.values->empty()) shape.types = 0;
    return;
  }
  if (key == "$exclude") {
    for (const Json& v : value.as_array()) shape.excluded.push_back(v);
    return;
  }
  if (apply_number(shape, lit, key, value) || apply_string(shape, lit, key, value) || apply_array(shape, lit, key, value) ||
      apply_object(shape, lit, key, value, choices)) {
    return;
  }
  apply_combined(shape, lit, key, value, choices);
}

bool Shapes::apply_number(Shape& shape, const Lit& lit, const std::string& key, const Json& value) {
  const auto place = [&] { return cat(what_, ": ", lit.pointer, "/", key); };
  const auto expect_number = [&] {
    if (!value.is_number()) fail(place(), ": expected a number");
    shape.number_place = place();
  };
  NumberRules& n = shape.number;
  const auto bound = [&](bool exclusive) { return NumberRules::Bound{exact_number(value, place()), value.as_double(), exclusive}; };
  // Draft 4 wrote exclusiveMinimum as a switch beside minimum.
  const auto is_switch = [&](std::string_view other) { return (*lit.schema)[other].is_bool() && (*lit.schema)[other].as_bool(); };
  if (key == "minimum") {
    expect_number();
    n.at_least(bound(is_switch("exclusiveMinimum")));
  } else if (key == "maximum") {
    expect_number();
    n.at_most(bound(is_switch("exclusiveMaximum")));
  } else if (key == "exclusiveMinimum") {
    if (value.is_bool()) return true;
    expect_number();
    n.at_least(bound(true));
  } else if (key == "exclusiveMaximum") {
    if (value.is_bool()) return true;
    expect_number();
    n.at_most(bound(true));
  } else if (key == "multipleOf" || key == "$notMultipleOf") {
    expect_number();
    if (value.as_double() <= 0) fail(place(), ": expected a number above 0");
    auto& list = key == "multipleOf" ? n.multiples : n.not_multiples;
    list.push_back({exact_number(value, place()), value.as_double(), value.is_integer()});
  } else if (key == "$notInteger") {
    n.not_integer = true;
  } else {
    return false;
  }
  return true;
}

void Shapes::join_text(Shape& shape, const DfaPtr& dfa, DfaOp op, const std::string& place) {
  shape.text_place = place;
  if (!shape.text && op == DfaOp::both) {
    shape.text = dfa;
    return;
  }
  spend(20);
  shape.text = std::make_shared<const Dfa>(combine(shape.text ? *shape.text : any_text(), *dfa, op, cat(what_, ": ", place)));
}

bool Shapes::apply_string(Shape& shape, const Lit& lit, const std::string& key, const Json& value) {
  const std::string place = cat(lit.pointer, "/", key);
  if (key == "minLength") {
    shape.least_length = std::max(shape.least_length, count(lit, key, value));
    shape.text_place = place;
  } else if (key == "maxLength") {
    shape.most_length = std::min(shape.most_length, count(lit, key, value));
    shape.text_place = place;
  } else if (key == "pattern" || key == "$notPattern") {
    if (!value.is_string()) refuse(place, "expected a text");
    if ((shape.types & type_bit::string) == 0) return true;
    join_text(shape, pattern(value.as_string(), place), key == "pattern" ? DfaOp::both : DfaOp::first_without_second, place);
  } else if (key == "format" || key == "$notFormat") {
    if (!value.is_string()) refuse(place, "expected a text");
    const std::optional<std::string_view> source = format_pattern(value.as_string());
    if (!source) refuse(place, cat("the format \"", printable(value.as_string()), "\" is not known"));
    if (source->empty()) {
      if (key == "$notFormat") shape.types &= ~type_bit::string;
      return true;
    }
    if ((shape.types & type_bit::string) == 0) return true;
    join_text(shape, pattern(cat("^(?:", *source, ")$"), place), key == "format" ? DfaOp::both : DfaOp::first_without_second, place);
  } else {
    return false;
  }
  return true;
}

bool Shapes::apply_array(Shape& shape, const Lit& lit, const std::string& key, const Json& value) {
  const Json& schema = *lit.schema;
  if (key == "minItems") {
    shape.least_items = std::max(shape.least_items, count(lit, key, value));
  } else if (key == "maxItems") {
    shape.most_items = std::min(shape.most_items, count(lit, key, value));
  } else if (key == "uniqueItems") {
    shape.unique |= value.is_bool() && value.as_bool();
  } else if (key == "prefixItems" || (key == "items" && value.is_array())) {
    if (!value.is_array()) refuse(cat(lit.pointer, "/", key), "expected a list");
    Shape::ArrayPart part;
    for (std::size_t i = 0; i < value.as_array().size(); ++i) part.prefix.push_back(below(below(lit, key, value), cat(i), value.as_array()[i]));
    const std::string_view rest = key == "items" ? "additionalItems" : "items";
    if (const Json* r = schema.find(rest)) part.rest = below(lit, rest, *r);
    shape.arrays.push_back(std::move(part));
  } else if (key == "items") {
    if (schema.contains("prefixItems")) return true;
    Shape::ArrayPart part;
    part.rest = below(lit, key, value);
    shape.arrays.push_back(std::move(part));
  } else if (key == "additionalItems") {
    return true;  // with a list of items; without one it says nothing
  } else if (key == "contains") {
    const Json* least = schema.find("minContains");
    if (least != nullptr && same_number(*least, 0) && !schema.contains("maxContains")) return true;
    if ((shape.types & type_bit::array) != 0 || !schema.contains("type")) refuse(cat(lit.pointer, "/contains"), "this keyword cannot be enforced");
  } else if (key == "minContains" || key == "maxContains") {
    return true;  // with contains
  } else if (key == "unevaluatedItems") {
    if (!(value.is_bool() && value.as_bool())) refuse(cat(lit.pointer, "/unevaluatedItems"), "this keyword cannot be enforced");
  } else {
    return false;
  }
  return true;
}

Lits Shapes::item(const Shape& shape, std::size_t at) const {
  Lits out;
  for (const Shape::ArrayPart& part : shape.arrays) {
    if (at < part.prefix.size()) {
      out.push_back(part.prefix[at]);
    } else if (part.rest) {
      out.push_back(*part.rest);
    }
  }
  return out;
}

bool Shape::accepts_scalar(const Json& v) const {
  if ((types & type_of(v)) == 0 || contains_value(excluded, v)) return false;
  if (v.is_number()) {
    const double d = v.as_double();
    if (number.integer && d != std::floor(d)) return false;
    if (number.not_integer && d == std::floor(d)) return false;
    if (number.least && (number.least->exclusive ? d <= number.least->as_double : d < number.least->as_double)) return false;
    if (number.most && (number.most->exclusive ? d >= number.most->as_double : d > number.most->as_double)) return false;
    const Decimal exact = exact_number(v, "enum");
    for (const auto& m : number.multiples) {
      if (!is_multiple(exact, m.of).value_or(false)) return false;
    }
    for (const auto& m : number.not_multiples) {
      if (is_multiple(exact, m.of).value_or(true)) return false;
    }
  }
  if (v.is_string()) {
    const std::size_t n = utf8::count(v.as_string());
    if (n < least_length || n > most_length) return false;
    if (text && !text->matches(v.as_string())) return false;
  }
  if (v.is_array() && (v.as_array().size() < least_items || v.as_array().size() > most_items)) return false;
  if (v.is_object()) {
    for (const std::string& name : required) {
      if (!v.contains(name)) return false;
    }
    for (const std::string& name : forbidden) {
      if (v.contains(name)) return false;
    }
    if (v.as_object().size() < least_members || v.as_object().size() > most_members) return false;
  }
  return true;
}

// Types for which nothing is left go.
void Shapes::settle(Shape& s) {
  spend();
  if (s.values) {
    std::erase_if(*s.values, [&](const Json& v) {
      if (!s.accepts_scalar(v)) return true;
      for (const Lit& lit : s.applied) {
        if (find_schema_violation(*lit.schema, v, root_)) return true;
      }
      return false;
    });
    unsigned types = 0;
    for (const Json& v : *s.values) types |= type_of(v);
    s.types &= types;
    return;
  }
  for (const Json& v : s.excluded) {
    switch (type_of(v)) {
      case type_bit::number: s.number.excluded.push_back(v.as_double()); break;
      case type_bit::string: {
        if ((s.types & type_bit::string) == 0) break;
        const Dfa one = compile_rx(rx_bytes(v.as_string()), false, what_);
        s.text = std::make_shared<const Dfa>(combine(s.text ? *s.text : any_text(), one, DfaOp::first_without_second, what_));
        break;
      }
      case type_bit::array:
      case type_bit::object:
        if ((s.types & type_of(v)) != 0) refuse("/not", "a list or an object cannot be excluded by its value");
        break;
      default: s.types &= ~type_of(v);
    }
  }
  if ((s.types & type_bit::string) != 0 && ((s.text && s.text->empty()) || s.least_length > s.most_length)) s.types &= ~type_bit::string;
  if ((s.types & type_bit::array) != 0 && s.least_items > s.most_items) s.types &= ~type_bit::array;
  if ((s.types & type_bit::object) != 0) {
    bool never = s.least_members > s.most_members || s.required.size() > s.most_members;
    for (const std::string& name : s.required) never |= s.forbidden.contains(name);
    if (never) s.types &= ~type_bit::object;
  }
  if ((s.types & type_bit::number) != 0 && !s.number.free() && !NumberPlan::make(s.number, s.number_place)) s.types &= ~type_bit::number;
}

bool Shapes::impossible(const Lits& lits, int depth) {
  for (const Shape& s : expand(lits)) {
    if ((s.types & ~(type_bit::object | type_bit::array)) != 0 || s.values || depth >= 3) return false;
    if ((s.types & type_bit::array) != 0) {
      if (s.least_items == 0 || s.arrays.empty() || !impossible(item(s, 0), depth + 1)) return false;
    }
    if ((s.types & type_bit::object) != 0) {
      bool never = false;
      for (const std::string& name : s.required) {
        const std::optional<Lits> child = member(s, name);
        never = !child || impossible(*child, depth + 1);
        if (never) break;
      }
      if (!never) return false;
    }
  }
  return true;
}

}  // namespace tashika::grammar
