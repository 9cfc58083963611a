// Arithmetic with Python's semantics on 64-bit integers and doubles.
#include <cmath>

#include "text/jinja/interpreter.h"

namespace tashika::jinja {
namespace {

[[noreturn]] void unsupported(std::string_view op, const Value& a, const Value& b) {
  refuse_undefined(a);
  refuse_undefined(b);
  fail_template("unsupported operand type(s) for ", op, ": '", type_name(a), "' and '", type_name(b), "'");
}

[[noreturn]] void overflow() {
  throw_limit("an integer of the template does not fit into 64 bits");
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) fail_template("integer division or modulo by zero");
  if (a == INT64_MIN && b == -1) overflow();
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a % b < 0) != (b < 0) ? quotient - 1 : quotient;
}

double float_modulo(double a, double b) {
  if (b == 0) fail_template("float modulo");
  double rest = std::fmod(a, b);
  if (rest != 0) {
    if ((b < 0) != (rest < 0)) rest += b;
  } else {
    rest = std::copysign(0.0, b);
  }
  return rest;
}

double float_floor_divide(double a, double b) {
  if (b == 0) fail_template("float floor division by zero");
  const double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

Value power(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral() && b.integer() >= 0) {
    std::int64_t result = 1, base = a.integer();
    for (std::int64_t exponent = b.integer(); exponent > 0;) {
      if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) overflow();
      exponent >>= 1;
      if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) overflow();
    }
    return Value(result);
  }
  const double base = a.real(), exponent = b.real();
  if (base == 0 && exponent < 0) fail_template("0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) && exponent != std::floor(exponent)) {
    fail_template("complex numbers are not supported in chat templates");
  }
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent)) {
    fail_template("numerical result out of range");
  }
  return Value(result);
}

Value integers(BinaryOp op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool bad = false;
  switch (op) {
    case BinaryOp::add:
      bad = __builtin_add_overflow(a, b, &result);
      break;
    case BinaryOp::sub:
      bad = __builtin_sub_overflow(a, b, &result);
      break;
    case BinaryOp::mul:
      bad = __builtin_mul_overflow(a, b, &result);
      break;
    case BinaryOp::floordiv:
      result = floor_divide(a, b);
      break;
    case BinaryOp::mod: {
      if (b == 0) fail_template("integer division or modulo by zero");
      if (b == -1) break;
      result = a % b;
      if (result != 0 && (result < 0) != (b < 0)) result += b;
      break;
    }
    default:
      break;
  }
  if (bad) overflow();
  return Value(result);
}

Value numbers(BinaryOp op, const Value& a, const Value& b) {
  if (op == BinaryOp::pow) return power(a, b);
  if (op == BinaryOp::div) {
    if (b.real() == 0) fail_template("division by zero");
    // Exact for integers above 2^53 too: the quotient is rounded once.
    if (a.is_integral() && b.is_integral()) {
      return Value(static_cast<double>(static_cast<long double>(a.integer()) / static_cast<long double>(b.integer())));
    }
    return Value(a.real() / b.real());
  }
  if (a.is_integral() && b.is_integral()) return integers(op, a.integer(), b.integer());
  const double x = a.real(), y = b.real();
  switch (op) {
    case BinaryOp::add:
      return Value(x + y);
    case BinaryOp::sub:
      return Value(x - y);
    case BinaryOp::mul:
      return Value(x * y);
    case BinaryOp::floordiv:
      return Value(float_floor_divide(x, y));
    default:
      return Value(float_modulo(x, y));
  }
}

Value repeat(Heap& heap, const Value& value, std::int64_t times) {
  if (times < 0) times = 0;
  const std::size_t unit = value.is_string() ? value.text().size() : value.seq().items.size() * sizeof(Value);
  if (unit > 0 && static_cast<std::uint64_t>(times) > max_text / unit) {
    throw_limit("a repetition in the template is longer than 16 MiB");
  }
  const std::size_t count = unit > 0 ? static_cast<std::size_t>(times) : 0;
  if (value.is_string()) {
    std::string out;
    out.reserve(unit * count);
    for (std::size_t i = 0; i < count; ++i) out += value.text();
    heap.work(count / 16);
    return heap.string_like(value.str(), std::move(out));
  }
  std::vector<Value> items;
  items.reserve(value.seq().items.size() * count);
  for (std::size_t i = 0; i < count; ++i) {
    items.insert(items.end(), value.seq().items.begin(), value.seq().items.end());
  }
  return value.is_tuple() ? heap.tuple(std::move(items)) : heap.list(std::move(items));
}

// markupsafe: what is joined to a Markup is escaped.
std::string markup_part(const Str& text) {
  return text.markup ? text.text : escape_html(text.text);
}

Value add_text(Heap& heap, const Str& a, const Str& b) {
  if (a.markup || b.markup) return heap.string(markup_part(a) + markup_part(b), true);
  Heap::check_text(a.text.size() + b.text.size());
  return heap.string(a.text + b.text);
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Value binary(Interpreter& in, BinaryOp op, const Value& a, const Value& b) {
  static constexpr std::string_view symbols[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};
  if (a.is_number() && b.is_number()) return numbers(op, a, b);
  if (op == BinaryOp::add) {
    if (a.is_string() && b.is_string()) return add_text(in.heap, a.str(), b.str());
    if (a.is_seq() && b.is_seq() && a.is_tuple() == b.is_tuple()) {
      std::vector<Value> items = a.seq().items;
      items.insert(items.end(), b.seq().items.begin(), b.seq().items.end());
      return a.is_tuple() ? in.heap.tuple(std::move(items)) : in.heap.list(std::move(items));
    }
    refuse_undefined(a);
    refuse_undefined(b);
    if (a.is_string()) {
      fail_template("can only concatenate str (not \"", type_name(b), "\") to str");
    }
  } else if (op == BinaryOp::mul) {
    if (b.is_integral() && (a.is_string() || a.is_seq())) return repeat(in.heap, a, b.integer());
    if (a.is_integral() && (b.is_string() || b.is_seq())) return repeat(in.heap, b, a.integer());
  } else if (op == BinaryOp::mod && a.is_string()) {
    return in.heap.string_like(a.str(), percent_format(in, a.str(), b));
  }
  unsupported(symbols[static_cast<int>(op)], a, b);
}

Value negate(Interpreter&, const Value& value, bool minus) {
  refuse_undefined(value);
  if (!value.is_number()) fail_template("bad operand type for unary ", minus ? "-" : "+", ": '", type_name(value), "'");
  if (value.is_real()) return Value(minus ? -value.real() : value.real());
  if (minus && value.integer() == INT64_MIN) overflow();
  return Value(minus ? -value.integer() : value.integer());
}

}  // namespace tashika::jinja
