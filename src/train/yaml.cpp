#include "train/yaml.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"

namespace tashika {
namespace {

constexpr int max_depth = 32;
constexpr std::size_t max_values = 100000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// [-+]? [0-9]+ of the core schema, and its octal and hexadecimal forms.
bool read_whole(std::string_view text, std::int64_t& out) {
  int base = 10;
  bool negative = false;
  if (text.starts_with("0o") || text.starts_with("0x")) {
    base = text[1] == 'o' ? 8 : 16;
    text.remove_prefix(2);
  } else if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.empty() || text[0] == '-' || text[0] == '+') return false;
  const std::string digits = negative ? cat("-", text) : std::string(text);
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), out, base);
  return code == std::errc() && end == digits.data() + digits.size();
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool read_real(std::string_view text, double& out) {
  std::string_view rest = text;
  const bool negative = !rest.empty() && rest[0] == '-';
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
  if (rest == ".inf" || rest == ".Inf" || rest == ".INF") {
    out = negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    return true;
  }
  if (text == ".nan" || text == ".NaN" || text == ".NAN") {
    out = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  std::size_t i = 0, digits = 0;
  for (; i < rest.size() && is_digit(rest[i]); ++i) ++digits;
  if (i < rest.size() && rest[i] == '.') {
    for (++i; i < rest.size() && is_digit(rest[i]); ++i) ++digits;
  }
  if (digits == 0) return false;
  if (i < rest.size() && (rest[i] == 'e' || rest[i] == 'E')) {
    ++i;
    if (i < rest.size() && (rest[i] == '-' || rest[i] == '+')) ++i;
    const std::size_t exponent = i;
    while (i < rest.size() && is_digit(rest[i])) ++i;
    if (i == exponent) return false;
  }
  if (i != rest.size()) return false;
  double value = 0;
  const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (code != std::errc() || end != rest.data() + rest.size()) return false;
  out = negative ? -value : value;
  return true;
}

Json scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return text;  // "!" marks a quoted scalar
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (std::int64_t whole = 0; read_whole(text, whole)) return whole;
  if (double real = 0; read_real(text, real)) return real;
  return text;
}

class Converter {
 public:
  explicit Converter(std::string_view what) : what_(what) {}

  Json convert(const YAML::Node& node, int depth) {
    if (depth > max_depth) bad(node, ErrorKind::limit, "nested too deeply");
    if (++values_ > max_values) bad(node, ErrorKind::limit, "too many values");
    if (node.IsScalar()) return scalar(node);
    if (node.IsSequence()) {
      JsonArray out;
      for (const YAML::Node& item : node) out.push_back(convert(item, depth + 1));
      return out;
    }
    if (!node.IsMap()) return nullptr;
    JsonObject out;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) bad(entry.first, ErrorKind::input, "a key that is no text");
      const std::string& key = entry.first.Scalar();
      if (out.find(key) != nullptr) bad(entry.first, ErrorKind::input, cat("the key \"", printable(key), "\" is given twice"));
      out[key] = convert(entry.second, depth + 1);
    }
    return out;
  }

 private:
  [[noreturn]] void bad(const YAML::Node& node, ErrorKind kind, std::string_view message) const {
    fail_with(kind, cat(what_, ": ", message, " at line ", node.Mark().line + 1));
  }
  std::string_view what_;
  std::size_t values_ = 0;
};

}  // namespace

Json parse_yaml(std::string_view text, std::string_view what) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) fail(what, ": expected one YAML document, found ", documents.size());
    if (documents.empty()) return nullptr;
    return Converter(what).convert(documents[0], 0);
  } catch (const YAML::Exception& error) {
    fail(what, ": ", error.msg, error.mark.is_null() ? std::string() : cat(" at line ", error.mark.line + 1));
  }
}

}  // namespace tashika
