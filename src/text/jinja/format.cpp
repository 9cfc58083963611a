// Python's two ways to format: "%s" % x and "{}".format(x).
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/json.h"
#include "base/utf8.h"
#include "text/jinja/interpreter.h"

namespace tashika::jinja {
namespace {

constexpr std::int64_t max_precision = 1000;

struct Spec {
  std::string fill = " ";
  char align = '\0';
  char sign = '-';
  bool alternate = false, zero = false;
  std::int64_t width = 0, precision = -1;
  char grouping = '\0', type = '\0';
};

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// `text` in `width` columns; '=' puts the filling after the sign and the 0x of a number.
std::string padded(std::string text, const Spec& spec, char default_align, std::size_t prefix = 0) {
  const auto length = static_cast<std::int64_t>(characters(text));
  if (spec.width <= length) return text;
  const std::int64_t spare = spec.width - length;
  Heap::check_text(text.size() + static_cast<std::size_t>(spare) * spec.fill.size());
  const char align = spec.align ? spec.align : default_align;
  const std::int64_t before = align == '<' ? 0 : align == '^' ? spare / 2 : spare;
  std::string left, right;
  for (std::int64_t i = 0; i < before; ++i) left += spec.fill;
  for (std::int64_t i = before; i < spare; ++i) right += spec.fill;
  if (align == '=') return text.insert(prefix, left);
  return left + text + right;
}

std::string real_digits(double value, char type, std::int64_t precision, bool alternate) {
  const bool upper = type == 'E' || type == 'F' || type == 'G';
  if (std::isnan(value)) return upper ? "NAN" : "nan";
  if (std::isinf(value)) return upper ? "INF" : "inf";
  const auto form = type == 'e' || type == 'E'   ? std::chars_format::scientific
                    : type == 'f' || type == 'F' ? std::chars_format::fixed
                                                 : std::chars_format::general;
  if (precision < 0) precision = 6;
  if (form == std::chars_format::general && precision == 0) precision = 1;
  std::string out(static_cast<std::size_t>(precision) + 350, '\0');
  const auto end = std::to_chars(out.data(), out.data() + out.size(), value, form, static_cast<int>(precision)).ptr;
  out.resize(static_cast<std::size_t>(end - out.data()));
  if (alternate && out.find('.') == out.npos) {
    const std::size_t exponent = out.find('e');
    out.insert(exponent == out.npos ? out.size() : exponent, ".");
  }
  if (upper) {
    for (char& c : out) c = c == 'e' ? 'E' : c;
  }
  return out;
}

std::string integer_digits(std::uint64_t magnitude, int base, bool upper) {
  char buffer[72];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, magnitude, base).ptr;
  std::string out(buffer, end);
  if (upper)
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
  return out;
}

std::uint64_t magnitude_of(std::int64_t value) {
  return value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
}

std::string grouped(std::string_view digits, char separator, std::size_t every) {
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % every == 0) out += separator;
    out += digits[i];
  }
  return out;
}

std::string sign_of(bool negative, char sign) {
  if (negative) return "-";
  return sign == '+' ? "+" : sign == ' ' ? " " : "";
}

// Sign and prefix, then the digits with separators; with '=' and zeros the zeros are grouped too.
std::string number_text(const Spec& spec, const std::string& lead, std::string whole, const std::string& rest,
                        std::size_t every) {
  if (spec.grouping) {
    const char separator = spec.grouping;
    if (spec.fill == "0" && spec.align == '=') {
      while (true) {
        const std::string text = grouped(whole, separator, every);
        if (static_cast<std::int64_t>(lead.size() + text.size() + rest.size()) >= spec.width) break;
        Heap::check_text(whole.size());
        whole.insert(0, "0");
      }
    }
    whole = grouped(whole, separator, every);
  }
  return padded(lead + whole + rest, spec, '>', lead.size());
}

[[noreturn]] void unknown_code(char type, std::string_view of) {
  fail_template("Unknown format code '", type, "' for object of type '", of, "'");
}

std::string format_real(double value, const Spec& spec) {
  const bool negative = std::signbit(value) && !std::isnan(value);
  double magnitude = std::fabs(value);
  char type = spec.type;
  std::string digits;
  if (type == '\0' && spec.precision < 0) {
    digits = python_float(magnitude);
  } else if (type == '%') {
    digits = real_digits(magnitude * 100, 'f', spec.precision, spec.alternate) + "%";
  } else if (type == '\0') {
    // As 'g', but with a digit behind the point and the exponent one place earlier.
    digits = real_digits(magnitude, 'g', spec.precision, spec.alternate);
    const std::size_t exponent = digits.find('e');
    if (exponent == digits.npos && std::isfinite(value)) {
      if (digits.find('.') == digits.npos) {
        const auto places = static_cast<std::int64_t>(digits.size());
        if (places >= std::max<std::int64_t>(spec.precision, 1)) {
          digits = real_digits(magnitude, 'e', std::max<std::int64_t>(spec.precision, 1) - 1, spec.alternate);
          const std::size_t e = digits.find('e');
          if (digits.find('.') != digits.npos) {
            std::size_t last = e;
            while (digits[last - 1] == '0') --last;
            if (digits[last - 1] == '.') --last;
            digits.erase(last, e - last);
          }
        } else {
          digits += ".0";
        }
      }
    }
  } else if (std::string_view("eEfFgGn").find(type) != std::string_view::npos) {
    digits = real_digits(magnitude, type == 'n' ? 'g' : type, spec.precision, spec.alternate);
  } else {
    unknown_code(type, "float");
  }
  std::size_t whole = 0;
  while (whole < digits.size() && digits[whole] >= '0' && digits[whole] <= '9') ++whole;
  return number_text(spec, sign_of(negative, spec.sign), digits.substr(0, whole), digits.substr(whole), 3);
}

std::string format_integer(std::int64_t value, const Spec& spec) {
  const char type = spec.type ? spec.type : 'd';
  if (std::string_view("eEfFgG%").find(type) != std::string_view::npos) {
    return format_real(static_cast<double>(value), spec);
  }
  if (spec.precision >= 0) fail_template("Precision not allowed in integer format specifier");
  if (type == 'c') {
    if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
      fail_template("%c arg not in range(0x110000)");
    }
    std::string out;
    append_utf8(out, static_cast<char32_t>(value));
    return padded(std::move(out), spec, '<');
  }
  int base = 10;
  std::string_view prefix;
  switch (type) {
    case 'd':
    case 'n':
      break;
    case 'b':
      base = 2, prefix = "0b";
      break;
    case 'o':
      base = 8, prefix = "0o";
      break;
    case 'x':
      base = 16, prefix = "0x";
      break;
    case 'X':
      base = 16, prefix = "0X";
      break;
    default:
      unknown_code(type, "int");
  }
  std::string lead = sign_of(value < 0, spec.sign);
  if (spec.alternate) lead += prefix;
  if (spec.grouping == ',' && base != 10) fail_template("Cannot specify ',' with '", type, "'.");
  return number_text(spec, lead, integer_digits(magnitude_of(value), base, type == 'X'), "", base == 10 ? 3 : 4);
}

// The count at the front of `text`, which is taken off.
std::int64_t take_count(std::string_view& text, std::int64_t fallback) {
  std::size_t n = 0;
  while (n < text.size() && text[n] >= '0' && text[n] <= '9') ++n;
  if (n == 0) return fallback;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + n, value);
  if (error != std::errc() || value > static_cast<std::int64_t>(max_text)) {
    throw_limit("a width or precision in a format is too large");
  }
  text.remove_prefix(n);
  return value;
}

Spec parse_spec(std::string_view text, std::string_view type) {
  Spec spec;
  const std::string_view whole = text;
  constexpr std::string_view aligns = "<>=^";
  const auto is_align = [&](std::size_t i) { return i < text.size() && aligns.find(text[i]) != aligns.npos; };
  const std::size_t first = text.empty() ? 0 : static_cast<std::size_t>(decode_utf8(text, 0).size);
  bool aligned = false;
  if (first > 0 && is_align(first)) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    text.remove_prefix(first + 1);
    aligned = true;
  } else if (is_align(0)) {
    spec.align = text[0];
    text.remove_prefix(1);
    aligned = true;
  }
  const auto take = [&](std::string_view any) {
    if (text.empty() || any.find(text[0]) == any.npos) return '\0';
    const char c = text[0];
    text.remove_prefix(1);
    return c;
  };
  if (const char sign = take("+- ")) spec.sign = sign;
  if (take("z")) fail_template("the format option 'z' is not supported in chat templates");
  spec.alternate = take("#");
  if (!text.empty() && text[0] == '0') {
    spec.zero = true;
    text.remove_prefix(1);
    if (!aligned) spec.fill = "0", spec.align = '=';
    if (aligned && first > 0 && spec.fill == " " && whole[0] == spec.align) spec.fill = "0";
  }
  spec.width = take_count(text, 0);
  spec.grouping = take(",_");
  if (take(".")) {
    spec.precision = take_count(text, -1);
    if (spec.precision < 0) fail_template("Format specifier missing precision");
    if (spec.precision > max_precision && type != "str") throw_limit("a precision in a format is too large");
  }
  if (text.size() > 1) fail_template("Invalid format specifier '", whole, "' for object of type '", type, "'");
  if (!text.empty()) spec.type = text[0];
  return spec;
}

std::string format_text(const Str& str, const Spec& given) {
  Spec spec = given;
  if (spec.type && spec.type != 's') unknown_code(spec.type, "str");
  if (spec.sign != '-') fail_template("Sign not allowed in string format specifier");
  if (spec.alternate) fail_template("Alternate form (#) not allowed in string format specifier");
  if (spec.grouping) fail_template("Cannot specify '", spec.grouping, "' with 's'.");
  if (spec.align == '=') {
    if (!spec.zero) fail_template("'=' alignment not allowed in string format specifier");
    spec.align = '<';
  }
  std::string text = str.text;
  if (spec.precision >= 0 && spec.precision < static_cast<std::int64_t>(str.length)) {
    std::size_t at = 0;
    for (std::int64_t i = 0; i < spec.precision; ++i) at += static_cast<std::size_t>(decode_utf8(text, at).size);
    text.resize(at);
  }
  return padded(std::move(text), spec, '<');
}

std::string format_value(Interpreter& in, const Value& value, std::string_view text) {
  if (text.empty()) return to_text(in.heap, value);
  if (value.is_string()) return format_text(value.str(), parse_spec(text, "str"));
  if (value.is_integral()) return format_integer(value.integer(), parse_spec(text, "int"));
  if (value.is_real()) return format_real(value.real(), parse_spec(text, "float"));
  fail_template("unsupported format string passed to ", type_name(value), ".__format__");
}

std::string ascii_repr(Interpreter& in, const Value& value) {
  const std::string repr = to_repr(in.heap, value);
  std::string out;
  for (std::size_t i = 0; i < repr.size();) {
    const Utf8Char c = decode_utf8(repr, i);
    i += static_cast<std::size_t>(c.size);
    if (c.code < 0x80) {
      out += static_cast<char>(c.code);
      continue;
    }
    const int digits = c.code < 0x100 ? 2 : c.code < 0x10000 ? 4 : 8;
    const std::string hex = integer_digits(c.code, 16, false);
    out += digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U";
    out.append(static_cast<std::size_t>(digits) - hex.size(), '0');
    out += hex;
  }
  return out;
}

class BraceFormatter {
 public:
  BraceFormatter(Interpreter& in, const Args& args, bool markup) : in_(in), args_(args), markup_(markup) {}

  std::string format(std::string_view text, int depth) {
    if (depth > 2) fail_template("Max string recursion exceeded");
    std::string out;
    while (!text.empty()) {
      const std::size_t brace = text.find_first_of("{}");
      out += text.substr(0, brace);
      Heap::check_text(out.size());
      if (brace == text.npos) break;
      const char c = text[brace];
      text.remove_prefix(brace + 1);
      if (text.starts_with(c)) {
        out += c;
        text.remove_prefix(1);
        continue;
      }
      if (c == '}') fail_template("Single '}' encountered in format string");
      if (text.empty()) fail_template("Single '{' encountered in format string");
      out += field(take_field(text), depth);
    }
    Heap::check_text(out.size());
    return out;
  }

 private:
  // Up to the brace that closes the field, which may hold fields of its own.
  static std::string_view take_field(std::string_view& text) {
    int open = 1;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '[') {  // an index may hold any character
        while (i < text.size() && text[i] != ']') ++i;
        if (i == text.size()) break;
        continue;
      }
      if (text[i] == '{') ++open;
      if (text[i] == '}' && --open == 0) {
        const std::string_view field = text.substr(0, i);
        text.remove_prefix(i + 1);
        return field;
      }
    }
    fail_template("expected '}' before end of string");
  }

  std::string field(std::string_view text, int depth) {
    std::size_t end = 0;
    for (; end < text.size() && text[end] != '!' && text[end] != ':'; ++end) {
      if (text[end] == '[') {
        while (end < text.size() && text[end] != ']') ++end;
      }
      if (end < text.size() && text[end] == '{') fail_template("unexpected '{' in field name");
    }
    end = std::min(end, text.size());
    Value value = lookup(text.substr(0, end));
    text.remove_prefix(end);
    if (text.starts_with("!")) {
      if (text.size() < 2) fail_template("end of string while looking for conversion specifier");
      const char how = text[1];
      text.remove_prefix(2);
      if (!text.empty() && text[0] != ':') fail_template("expected ':' after conversion specifier");
      if (how == 's') {
        value = in_.heap.string(to_text(in_.heap, value));
      } else if (how == 'r') {
        value = in_.heap.string(to_repr(in_.heap, value));
      } else if (how == 'a') {
        value = in_.heap.string(ascii_repr(in_, value));
      } else {
        fail_template("Unknown conversion specifier ", how);
      }
    }
    if (text.starts_with(":")) text.remove_prefix(1);
    const std::string spec = format(text, depth + 1);
    std::string out = format_value(in_, value, spec);
    return markup_ && !(value.is_string() && value.str().markup) ? escape_html(out) : out;
  }

  Value lookup(std::string_view name) {
    const std::size_t first = std::min(name.find_first_of(".["), name.size());
    Value value = argument(name.substr(0, first));
    name.remove_prefix(first);
    while (!name.empty()) {
      if (name[0] == '.') {
        const std::size_t end = std::min(name.find_first_of(".[", 1), name.size());
        if (end == 1) fail_template("Empty attribute in format string");
        value = in_.attribute(value, name.substr(1, end - 1));
        name.remove_prefix(end);
      } else if (name[0] == '[') {
        const std::size_t end = name.find(']');
        if (end == name.npos) fail_template("Missing ']' in format string");
        const std::string_view key = name.substr(1, end - 1);
        if (key.empty()) fail_template("Empty attribute in format string");
        value = in_.item(value, is_number(key) ? Value(number(key)) : in_.heap.string(std::string(key)));
        name.remove_prefix(end + 1);
      } else {
        fail_template("Only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }

  static bool is_number(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  }
  static std::int64_t number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) fail_template("Too many decimal digits in format string");
    return value;
  }

  Value argument(std::string_view name) {
    if (name.empty() || is_number(name)) {
      if (name.empty() && manual_)
        fail_template("cannot switch from manual field specification to automatic field numbering");
      if (!name.empty() && next_ > 0)
        fail_template("cannot switch from automatic field numbering to manual field specification");
      if (!name.empty()) manual_ = true;
      const std::size_t index = name.empty() ? next_++ : static_cast<std::size_t>(number(name));
      if (index >= args_.positional.size()) {
        fail_template("Replacement index ", index, " out of range for positional args tuple");
      }
      return args_.positional[index];
    }
    for (const auto& [key, value] : args_.named) {
      if (key == name) return value;
    }
    fail_template("no argument named '", name, "' in a format");
  }

  Interpreter& in_;
  const Args& args_;
  bool markup_;
  bool manual_ = false;
  std::size_t next_ = 0;
};

class PercentFormatter {
 public:
  PercentFormatter(Interpreter& in, const Str& format, const Value& argument)
      : in_(in), text_(format.text), markup_(format.markup), argument_(argument) {}

  std::string run() {
    std::string out;
    while (!text_.empty()) {
      const std::size_t percent = text_.find('%');
      out += text_.substr(0, percent);
      if (percent == text_.npos) break;
      text_.remove_prefix(percent + 1);
      out += conversion();
      Heap::check_text(out.size());
    }
    const bool mapping = argument_.is_dict() || argument_.is_list() || argument_.is_undefined();
    const std::size_t count = argument_.is_tuple() ? argument_.seq().items.size() : 1;
    if (next_ < count && !mapping) fail_template("not all arguments converted during string formatting");
    return out;
  }

 private:
  Value next_argument() {
    if (argument_.is_tuple()) {
      if (next_ >= argument_.seq().items.size()) fail_template("not enough arguments for format string");
      return argument_.seq().items[next_++];
    }
    if (next_++ > 0) fail_template("not enough arguments for format string");
    return argument_;
  }

  std::int64_t count(std::int64_t fallback) {
    if (!text_.starts_with('*')) return take_count(text_, fallback);
    text_.remove_prefix(1);
    const Value value = next_argument();
    if (!value.is_integral()) fail_template("* wants int");
    if (std::abs(static_cast<double>(value.integer())) > static_cast<double>(max_text)) {
      throw_limit("a width or precision in a format is too large");
    }
    return value.integer();
  }

  std::string conversion() {
    const Value* named = nullptr;
    if (text_.starts_with('(')) {
      if (!argument_.is_dict()) fail_template("format requires a mapping");
      int open = 1;
      std::size_t end = 1;
      for (; end < text_.size() && open > 0; ++end) open += text_[end] == '(' ? 1 : text_[end] == ')' ? -1 : 0;
      if (open > 0) fail_template("incomplete format key");
      const std::string_view key = text_.substr(1, end - 2);
      named = argument_.dict().find(key);
      if (!named) fail_template("the format needs the key '", key, "'");
      text_.remove_prefix(end);
    }
    Spec spec;
    bool left = false;
    for (; !text_.empty() && std::string_view("-+ #0").find(text_[0]) != std::string_view::npos;
         text_.remove_prefix(1)) {
      switch (text_[0]) {
        case '-':
          left = true;
          break;
        case '+':
          spec.sign = '+';
          break;
        case ' ':
          spec.sign = spec.sign == '+' ? '+' : ' ';
          break;
        case '#':
          spec.alternate = true;
          break;
        default:
          spec.zero = true;
          break;
      }
    }
    spec.width = count(0);
    if (spec.width < 0) {
      left = true;
      spec.width = -spec.width;
    }
    if (text_.starts_with('.')) {
      text_.remove_prefix(1);
      spec.precision = std::max<std::int64_t>(count(0), 0);
    }
    while (!text_.empty() && std::string_view("hlL").find(text_[0]) != std::string_view::npos) text_.remove_prefix(1);
    if (text_.empty()) fail_template("incomplete format");
    const char type = text_[0];
    text_.remove_prefix(1);
    if (type == '%') return "%";
    spec.align = left ? '<' : '>';
    return one(type, spec, named ? *named : next_argument(), left);
  }

  std::string one(char type, Spec spec, const Value& value, bool left) {
    switch (type) {
      case 's':
      case 'r':
      case 'a': {
        std::string text = type == 's'   ? to_text(in_.heap, value)
                           : type == 'r' ? to_repr(in_.heap, value)
                                         : ascii_repr(in_, value);
        if (markup_ && !(value.is_string() && value.str().markup)) text = escape_html(text);
        const Value whole = in_.heap.string(std::move(text));
        spec.sign = '-';
        spec.alternate = spec.zero = false;
        return format_text(whole.str(), spec);
      }
      case 'c': {
        spec.precision = -1;
        if (value.is_string() && value.str().length == 1) return padded(value.text(), spec, '>');
        if (!value.is_integral()) fail_template("%c requires int or char");
        spec.type = 'c';
        return format_integer(value.integer(), spec);
      }
      case 'd':
      case 'i':
      case 'u':
      case 'o':
      case 'x':
      case 'X':
        return integer(type, spec, value, left);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        if (!value.is_number()) {
          refuse_undefined(value);
          fail_template("must be real number, not ", type_name(value));
        }
        if (spec.precision > max_precision) throw_limit("a precision in a format is too large");
        if (spec.zero && !left) spec.fill = "0", spec.align = '=';
        spec.type = type;
        return format_real(value.real(), spec);
      default:
        fail_template("unsupported format character '", type, "'");
    }
  }

  std::string integer(char type, Spec spec, const Value& value, bool left) {
    const bool decimal = type == 'd' || type == 'i' || type == 'u';
    if (!value.is_number() || (value.is_real() && !decimal)) {
      refuse_undefined(value);
      fail_template("%", type, " format: ", decimal ? "a real number" : "an integer", " is required, not ",
                    type_name(value));
    }
    std::int64_t number = 0;
    if (value.is_real()) {
      if (!std::isfinite(value.real())) fail_template("cannot convert float infinity or NaN to integer");
      if (std::fabs(value.real()) >= 0x1p63) throw_limit("an integer of the template does not fit into 64 bits");
      number = static_cast<std::int64_t>(value.real());
    } else {
      number = value.integer();
    }
    std::string digits = integer_digits(magnitude_of(number), decimal ? 10 : type == 'o' ? 8 : 16, type == 'X');
    if (spec.precision > static_cast<std::int64_t>(digits.size())) {
      Heap::check_text(static_cast<std::size_t>(spec.precision));
      digits.insert(0, static_cast<std::size_t>(spec.precision) - digits.size(), '0');
    }
    std::string lead = sign_of(number < 0, spec.sign);
    if (spec.alternate && !decimal) lead += type == 'o' ? "0o" : type == 'x' ? "0x" : "0X";
    if (spec.zero && !left) spec.fill = "0", spec.align = '=';
    return padded(lead + digits, spec, '>', lead.size());
  }

  Interpreter& in_;
  std::string_view text_;
  bool markup_;
  const Value& argument_;
  std::size_t next_ = 0;
};

}  // namespace

std::string percent_format(Interpreter& in, const Str& format, const Value& argument) {
  return PercentFormatter(in, format, argument).run();
}

std::string brace_format(Interpreter& in, const Str& format, const Args& args) {
  return BraceFormatter(in, args, format.markup).format(format.text, 0);
}

}  // namespace tashika::jinja
