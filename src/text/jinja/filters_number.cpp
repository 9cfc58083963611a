// Filters of numbers.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "text/jinja/filters.h"
#include "text/jinja/methods.h"

namespace tashika::jinja {
namespace {

// Digits with single underscores between them; the underscores are taken out.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const auto alnum = [&](std::size_t k) {
      return k < text.size() &&
             ((text[k] >= '0' && text[k] <= '9') || ((text[k] | 32) >= 'a' && (text[k] | 32) <= 'z'));
    };
    if (i == 0 || !alnum(i - 1) || !alnum(i + 1)) return std::nullopt;
  }
  return out;
}

// Python's int(text, base); nothing when it is none.
std::optional<std::int64_t> parse_integer(std::string_view given, std::int64_t base) {
  if (base != 0 && (base < 2 || base > 36)) fail_template("int() base must be >= 2 and <= 36, or 0");
  std::string_view text = strip_text(given, nullptr, true, true);
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int radix = static_cast<int>(base);
  if (text.size() > 1 && text[0] == '0') {
    const char mark = static_cast<char>(text[1] | 32);
    const int marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (marked && (base == 0 || base == marked)) {
      radix = marked;
      text.remove_prefix(2);
      if (text.starts_with('_')) text.remove_prefix(1);
    }
  }
  if (radix == 0) {
    radix = 10;
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != text.npos) return std::nullopt;
  }
  const auto digits = without_underscores(text);
  if (!digits || digits->empty() || (*digits)[0] == '-') return std::nullopt;
  std::uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), magnitude, radix);
  if (end != digits->data() + digits->size() || error == std::errc::invalid_argument) return std::nullopt;
  const std::uint64_t limit = negative ? std::uint64_t{1} << 63 : static_cast<std::uint64_t>(INT64_MAX);
  if (error != std::errc() || magnitude > limit) throw_limit("an integer of the template does not fit into 64 bits");
  return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

std::optional<double> parse_real(std::string_view given) {
  std::string_view text = strip_text(given, nullptr, true, true);
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.empty() || text[0] == '-' || text[0] == '+') return std::nullopt;
  std::string word;
  for (const char c : text) word += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  double value = 0;
  if (word == "inf" || word == "infinity") {
    value = INFINITY;
  } else if (word == "nan") {
    value = NAN;
  } else {
    const auto digits = without_underscores(text);
    if (!digits || ((*digits)[0] != '.' && !((*digits)[0] >= '0' && (*digits)[0] <= '9'))) return std::nullopt;
    if (digits->find_first_not_of("0123456789.eE+-") != std::string::npos) return std::nullopt;
    const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), value);
    if (error == std::errc::invalid_argument || end != digits->data() + digits->size()) return std::nullopt;
    if (error == std::errc::result_out_of_range) {
      // from_chars does not say which way: a huge exponent or a tiny one.
      const std::size_t e = digits->find_first_of("eE");
      value = e != std::string::npos && (*digits)[e + 1] == '-' ? 0.0 : INFINITY;
    }
  }
  return negative ? -value : value;
}

std::int64_t truncated(double value) {
  if (std::isnan(value)) fail_template("cannot convert float NaN to integer");
  if (std::isinf(value)) fail_template("cannot convert float infinity to integer");
  if (std::fabs(value) >= 0x1p63) throw_limit("an integer of the template does not fit into 64 bits");
  return static_cast<std::int64_t>(value);
}

Value to_int(Interpreter&, Args& args) {
  const auto bound = bind("int", args, {"value", "default", "base"}, 1);
  const Value& value = *bound[0];
  const Value fallback = bound[1] ? *bound[1] : Value(std::int64_t{0});
  refuse_undefined(value);
  if (value.is_integral()) return Value(value.integer());
  if (value.is_real()) {
    if (std::isnan(value.real())) return fallback;
    return Value(truncated(value.real()));
  }
  if (!value.is_string()) return fallback;
  if (const auto integer = parse_integer(value.text(), integer_of("int", bound[2], 10))) return Value(*integer);
  const auto real = parse_real(value.text());
  if (!real || !std::isfinite(*real)) return fallback;
  return Value(truncated(*real));
}

Value to_float(Interpreter&, Args& args) {
  const auto bound = bind("float", args, {"value", "default"}, 1);
  const Value& value = *bound[0];
  refuse_undefined(value);
  if (value.is_number()) return Value(value.real());
  if (value.is_string()) {
    if (const auto real = parse_real(value.text())) return Value(*real);
  }
  return bound[1] ? *bound[1] : Value(0.0);
}

Value absolute(Interpreter& in, Args& args) {
  bind("abs", args, {"/x"}, 1);
  const Value& value = args.positional[0];
  refuse_undefined(value);
  if (!value.is_number()) fail_template("bad operand type for abs(): '", type_name(value), "'");
  if (value.is_real()) return Value(std::fabs(value.real()));
  return value.integer() < 0 ? negate(in, value, true) : Value(value.integer());
}

double round_to(double value, std::int64_t places) {
  if (!std::isfinite(value) || places > 340) return value;
  if (places < -310) return std::copysign(0.0, value);
  if (places >= 0) {
    // Correctly rounded decimal digits, half to even on the exact value, as CPython's.
    char buffer[1100];
    const auto end =
        std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, static_cast<int>(places)).ptr;
    double result = 0;
    std::from_chars(buffer, end, result);
    return result;
  }
  const double unit = std::pow(10.0, static_cast<double>(-places));
  return std::nearbyint(value / unit) * unit;
}

std::int64_t round_integer(std::int64_t value, std::int64_t places) {
  if (places >= 0) return value;
  if (places < -18) return 0;
  std::int64_t unit = 1;
  for (; places < 0; ++places) unit *= 10;
  std::int64_t rest = value % unit;
  if (rest < 0) rest += unit;
  std::int64_t result = 0;
  const bool up = rest > unit - rest || (rest == unit - rest && ((value - rest) / unit) % 2 != 0);
  if (__builtin_add_overflow(value - rest, up ? unit : 0, &result)) {
    throw_limit("an integer of the template does not fit into 64 bits");
  }
  return result;
}

Value round_filter(Interpreter&, Args& args) {
  const auto bound = bind("round", args, {"value", "precision", "method"}, 1);
  const Value& value = *bound[0];
  const std::int64_t places = integer_of("round", bound[1], 0);
  const std::string method = bound[2] && bound[2]->is_string() ? bound[2]->text() : bound[2] ? "" : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    fail_template("method must be common, ceil or floor");
  }
  refuse_undefined(value);
  if (!value.is_number()) fail_template("type ", type_name(value), " doesn't define __round__ method");
  if (method == "common") {
    if (value.is_real()) return Value(round_to(value.real(), places));
    return Value(round_integer(value.integer(), places));
  }
  const double unit = std::pow(10.0, static_cast<double>(places));
  const double scaled = value.real() * unit;
  return Value(static_cast<double>(truncated(method == "ceil" ? std::ceil(scaled) : std::floor(scaled))) / unit);
}

Value filesizeformat(Interpreter& in, Args& args) {
  const auto bound = bind("filesizeformat", args, {"value", "binary"}, 1);
  const Value& value = *bound[0];
  refuse_undefined(value);
  const std::optional<double> size = value.is_number()   ? std::optional<double>(value.real())
                                     : value.is_string() ? parse_real(value.text())
                                                         : std::nullopt;
  if (!size) fail_template("filesizeformat needs a number");
  const bool binary_units = bound[1] && truthy(*bound[1]);
  const double base = binary_units ? 1024 : 1000;
  if (*size == 1) return in.heap.string("1 Byte");
  if (!(*size >= base)) return in.heap.string(cat(truncated(*size), " Bytes"));
  static constexpr std::string_view prefixes = "kMGTPEZY";
  double unit = base;
  std::size_t i = 0;
  for (; i < prefixes.size(); ++i) {
    unit *= base;
    if (*size < unit || i + 1 == prefixes.size()) break;
  }
  char buffer[400];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, base * *size / unit, std::chars_format::fixed, 1).ptr;
  std::string out(buffer, end);
  out += ' ';
  out += binary_units && prefixes[i] == 'k' ? 'K' : prefixes[i];
  out += binary_units ? "iB" : "B";
  return in.heap.string(std::move(out));
}

constexpr Filter filters[] = {
    {"abs", absolute},       {"filesizeformat", filesizeformat}, {"float", to_float}, {"int", to_int},
    {"round", round_filter},
};

}  // namespace

std::span<const Filter> number_filters() {
  return filters;
}

}  // namespace tashika::jinja
