#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

namespace tashika {
namespace {

constexpr int deepest_written = 1024;

class Writer {
 public:
  Writer(JsonStyle style, int indent) : indent_(indent) {
    const bool spaced = style == JsonStyle::python;
    colon_ = spaced || indent >= 0 ? ": " : ":";
    comma_ = spaced && indent < 0 ? ", " : ",";
  }

  void write(const Json& value, int depth) {
    if (depth > deepest_written) fail_with(ErrorKind::limit, cat("JSON nested deeper than ", deepest_written));
    switch (value.type()) {
      case Json::Type::null:
        out += "null";
        return;
      case Json::Type::truth:
        out += value.as_bool() ? "true" : "false";
        return;
      case Json::Type::integer:
        detail::append(out, value.as_integer());
        return;
      case Json::Type::real:
        write_real(value.as_double());
        return;
      case Json::Type::string:
        write_string(value.as_string());
        return;
      case Json::Type::array: {
        const JsonArray& items = value.as_array();
        write_items('[', ']', items.size(), depth, [&](std::size_t i) { write(items[i], depth + 1); });
        return;
      }
      case Json::Type::object: {
        const auto& entries = value.as_object().entries();
        write_items('{', '}', entries.size(), depth, [&](std::size_t i) {
          write_string(entries[i].first);
          out += colon_;
          write(entries[i].second, depth + 1);
        });
        return;
      }
    }
  }

  std::string out;

 private:
  template <typename WriteItem>
  void write_items(char open, char close, std::size_t count, int depth, const WriteItem& write_item) {
    out += open;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out += comma_;
      new_line(depth + 1);
      write_item(i);
    }
    if (count > 0) new_line(depth);
    out += close;
  }

  void new_line(int depth) {
    if (indent_ < 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent_) * depth, ' ');
  }

  void write_real(double value) {
    if (std::isnan(value)) {
      out += "NaN";
    } else if (std::isinf(value)) {
      out += value < 0 ? "-Infinity" : "Infinity";
    } else {
      out += python_float(value);
    }
  }

  // What is no UTF-8 becomes U+FFFD, so that the result is JSON whatever the string holds.
  void write_string(std::string_view text) {
    static constexpr char hex[] = "0123456789abcdef";
    out += '"';
    for (std::size_t i = 0; i < text.size();) {
      const char c = text[i];
      switch (c) {
        case '"':
          out += "\\\"";
          ++i;
          continue;
        case '\\':
          out += "\\\\";
          ++i;
          continue;
        case '\n':
          out += "\\n";
          ++i;
          continue;
        case '\r':
          out += "\\r";
          ++i;
          continue;
        case '\t':
          out += "\\t";
          ++i;
          continue;
        case '\b':
          out += "\\b";
          ++i;
          continue;
        case '\f':
          out += "\\f";
          ++i;
          continue;
        default:
          break;
      }
      const Utf8Char next = decode_utf8(text, i);
      if (next.code < 0x20) {
        out += "\\u00";
        out += hex[next.code >> 4];
        out += hex[next.code & 15];
      } else {
        append_utf8(out, next.code);
      }
      i += next.size;
    }
    out += '"';
  }

  int indent_;
  std::string_view colon_;
  std::string_view comma_;
};

}  // namespace

std::string dump_json(const Json& value, JsonStyle style, int indent) {
  Writer writer(style, indent);
  writer.write(value, 0);
  return std::move(writer.out);
}

// CPython's float_repr_style "short": the shortest digits that round-trip, fixed notation for
// decimal points from -3 to 16.
std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  std::string out;
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  std::string digits(text.substr(0, 1));
  if (e > 1) digits += text.substr(2, e - 2);
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out.append(".").append(digits, 1);
    out += exponent < 0 ? "e-" : "e+";
    if (std::abs(exponent) < 10) out += '0';
    return out += std::to_string(std::abs(exponent));
  }
  if (exponent < 0) return out.append("0.").append(static_cast<std::size_t>(-exponent - 1), '0') += digits;
  if (exponent + 1 >= count)
    return out.append(digits).append(static_cast<std::size_t>(exponent + 1 - count), '0') += ".0";
  return out.append(digits, 0, static_cast<std::size_t>(exponent + 1)).append(".").append(digits, exponent + 1);
}

}  // namespace tashika
