// The tests of `is`. args.positional[0] is the value.
#include <algorithm>
#include <cmath>

#include "text/jinja/interpreter.h"
#include "text/jinja/python_unicode.h"

namespace tashika::jinja {
namespace {

using TestFunction = bool (*)(Interpreter& in, Args& args);

const Value& one(Args& args) {
  bind("test", args, {"value"}, 1);
  return args.positional[0];
}

// The value and one argument.
std::pair<const Value*, const Value*> two(Args& args) {
  const auto bound = bind("test", args, {"value", "other"}, 2);
  return {bound[0], bound[1]};
}

bool modulo_is(Interpreter& in, const Value& value, const Value& by, std::int64_t wanted) {
  return equal(in.heap, binary(in, BinaryOp::mod, value, by), Value(wanted));
}

bool odd(Interpreter& in, Args& args) {
  return modulo_is(in, one(args), Value(std::int64_t{2}), 1);
}
bool even(Interpreter& in, Args& args) {
  return modulo_is(in, one(args), Value(std::int64_t{2}), 0);
}
bool divisible_by(Interpreter& in, Args& args) {
  const auto bound = bind("divisibleby", args, {"value", "num"}, 2);
  return modulo_is(in, *bound[0], *bound[1], 0);
}
bool defined(Interpreter&, Args& args) {
  return !one(args).is_undefined();
}
bool undefined(Interpreter&, Args& args) {
  return one(args).is_undefined();
}
bool filter_test(Interpreter&, Args& args) {
  return one(args).is_string() && filter_exists(one(args).text());
}
bool test_test(Interpreter&, Args& args) {
  return one(args).is_string() && test_exists(one(args).text());
}
bool none(Interpreter&, Args& args) {
  return one(args).is_none();
}
bool boolean(Interpreter&, Args& args) {
  return one(args).is_bool();
}
bool is_false(Interpreter&, Args& args) {
  return one(args).is_bool() && !args.positional[0].boolean();
}
bool is_true(Interpreter&, Args& args) {
  return one(args).is_bool() && args.positional[0].boolean();
}
bool integer(Interpreter&, Args& args) {
  return one(args).is_int();
}
bool real(Interpreter&, Args& args) {
  return one(args).is_real();
}
bool number(Interpreter&, Args& args) {
  return one(args).is_number();
}
bool string(Interpreter&, Args& args) {
  return one(args).is_string();
}
bool mapping(Interpreter&, Args& args) {
  return one(args).is_dict();
}
bool escaped(Interpreter&, Args& args) {
  return one(args).is_string() && args.positional[0].str().markup;
}
bool callable(Interpreter&, Args& args) {
  const Value& value = one(args);
  return value.is_undefined() || (value.is_object() && value.object().callable());
}
bool iterable(Interpreter&, Args& args) {
  const Value& value = one(args);
  return value.is_undefined() || value.is_string() || value.is_seq() || value.is_dict() ||
         (value.is_object() && value.object().iterable());
}
bool sequence(Interpreter&, Args& args) {
  const Value& value = one(args);
  return value.is_undefined() || value.is_string() || value.is_seq() || value.is_dict() ||
         (value.is_object() && value.object().sized() && value.object().subscriptable());
}

// str.islower() and isupper() of the value's text.
bool case_is(Interpreter& in, Args& args, const char* method) {
  const Value text = in.heap.string(to_text(in.heap, one(args)));
  Args none_given;
  const Value function = in.attribute(text, method);
  return truthy(in.call(function, none_given));
}
bool lower(Interpreter& in, Args& args) {
  return case_is(in, args, "islower");
}
bool upper(Interpreter& in, Args& args) {
  return case_is(in, args, "isupper");
}

bool same_as(Interpreter&, Args& args) {
  const auto [a, b] = two(args);
  return a->same_as(*b);
}
bool is_in(Interpreter& in, Args& args) {
  const auto bound = bind("in", args, {"value", "seq"}, 2);
  return in.contains(*bound[1], *bound[0]);
}
bool eq(Interpreter& in, Args& args) {
  const auto [a, b] = two(args);
  return equal(in.heap, *a, *b);
}
bool ne(Interpreter& in, Args& args) {
  return !eq(in, args);
}
bool lt(Interpreter& in, Args& args) {
  const auto [a, b] = two(args);
  return compare(in.heap, *a, *b, "<") == -1;
}
bool gt(Interpreter& in, Args& args) {
  const auto [a, b] = two(args);
  return compare(in.heap, *a, *b, ">") == 1;
}
bool le(Interpreter& in, Args& args) {
  const auto [a, b] = two(args);
  const int order = compare(in.heap, *a, *b, "<=");
  return order == -1 || order == 0;
}
bool ge(Interpreter& in, Args& args) {
  const auto [a, b] = two(args);
  const int order = compare(in.heap, *a, *b, ">=");
  return order == 1 || order == 0;
}

constexpr std::pair<std::string_view, TestFunction> tests[] = {
    {"odd", odd},
    {"even", even},
    {"divisibleby", divisible_by},
    {"defined", defined},
    {"undefined", undefined},
    {"filter", filter_test},
    {"test", test_test},
    {"none", none},
    {"boolean", boolean},
    {"false", is_false},
    {"true", is_true},
    {"integer", integer},
    {"float", real},
    {"lower", lower},
    {"upper", upper},
    {"string", string},
    {"mapping", mapping},
    {"number", number},
    {"sequence", sequence},
    {"iterable", iterable},
    {"callable", callable},
    {"sameas", same_as},
    {"escaped", escaped},
    {"in", is_in},
    {"==", eq},
    {"eq", eq},
    {"equalto", eq},
    {"!=", ne},
    {"ne", ne},
    {">", gt},
    {"gt", gt},
    {"greaterthan", gt},
    {"ge", ge},
    {">=", ge},
    {"<", lt},
    {"lt", lt},
    {"lessthan", lt},
    {"<=", le},
    {"le", le},
};

TestFunction find_test(std::string_view name) {
  for (const auto& [key, function] : tests) {
    if (key == name) return function;
  }
  return nullptr;
}

}  // namespace

bool test_exists(std::string_view name) {
  return find_test(name) != nullptr;
}

bool Interpreter::test(std::string_view name, Args& args) {
  const TestFunction function = find_test(name);
  if (!function) fail_template("No test named '", name, "' found.");
  return function(*this, args);
}

}  // namespace tashika::jinja
