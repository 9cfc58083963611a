#include "base/json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"

namespace tashika {
namespace {

constexpr int deepest_budget = 1024;  // destroying and comparing recurse: no caller may ask for more

[[noreturn]] void wrong_type(std::string_view expected, Json::Type actual) {
  fail("expected ", expected, " in JSON, found ", json_type_name(actual));
}

// Counts the bytes that the lexer has taken, so that errors of ours have an offset too.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** progress) : at_(at), progress_(progress) {}
  const char& operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    *progress_ = at_;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** progress_;
};

// Receives the parser's events and builds the value. The parser itself keeps its nesting on the
// heap, and so does this.
class Builder {
 public:
  Builder(std::string_view text, std::string_view what, int depth) : text_(text), what_(what), depth_(depth) {}

  const char* progress = nullptr;

  Json take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) {
    if (value <= static_cast<std::uint64_t>(INT64_MAX)) return add(static_cast<std::int64_t>(value));
    return add(static_cast<double>(value));
  }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(std::vector<std::uint8_t>&) { return false; }
  bool start_object(std::size_t) { return open(JsonObject()); }
  bool start_array(std::size_t) { return open(JsonArray()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    // An earlier value of the same key goes, its place stays.
    slot_ = &open_.back()->as_object()[name];
    *slot_ = Json();
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) {
    // The library's text is "[json.exception.…] parse error at line 1, column 5: syntax error …".
    std::string_view message = error.what();
    for (std::string_view skip : {"] ", ": "}) {
      const std::size_t at = message.find(skip);
      if (at != message.npos && (skip != ": " || message.starts_with("parse error")))
        message.remove_prefix(at + skip.size());
    }
    std::string printable;
    for (std::size_t i = 0; i < message.size();) {
      const Utf8Char c = decode_utf8(message, i);
      append_utf8(printable, c.code);
      i += c.size;
    }
    // A range error comes without a position.
    const std::size_t offset = position > 0 ? position - 1 : static_cast<std::size_t>(progress - text_.data());
    fail(what_, ": no valid JSON at offset ", offset, ": ", printable);
  }

 private:
  bool add(Json value) {
    *place() = std::move(value);
    return true;
  }

  Json* place() {
    if (open_.empty()) return &root_;
    if (!open_.back()->is_array()) return slot_;
    return &open_.back()->as_array().emplace_back();
  }

  bool open(Json value) {
    if (static_cast<int>(open_.size()) >= depth_) {
      fail_with(ErrorKind::limit, cat(what_, ": JSON nested deeper than ", depth_, " at offset ",
                                      static_cast<std::size_t>(progress - text_.data()) - 1));
    }
    Json* at = place();
    *at = std::move(value);
    // Stays valid: a container does not grow while one of its elements is open.
    open_.push_back(at);
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  std::string_view what_;
  int depth_;
  Json root_;
  std::vector<Json*> open_;
  Json* slot_ = nullptr;
};

}  // namespace

bool Json::as_bool() const {
  if (const bool* value = std::get_if<bool>(&value_)) return *value;
  wrong_type("a boolean", type());
}

std::int64_t Json::as_integer() const {
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return *value;
  if (const auto* value = std::get_if<double>(&value_)) {
    if (*value >= -0x1p63 && *value < 0x1p63 && *value == std::trunc(*value)) return static_cast<std::int64_t>(*value);
    fail("expected an integer in JSON, found ", python_float(*value));
  }
  wrong_type("an integer", type());
}

double Json::as_double() const {
  if (const auto* value = std::get_if<double>(&value_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*value);
  wrong_type("a number", type());
}

const std::string& Json::as_string() const {
  if (const auto* value = std::get_if<std::string>(&value_)) return *value;
  wrong_type("a string", type());
}

const JsonArray& Json::as_array() const {
  if (const auto* value = std::get_if<JsonArray>(&value_)) return *value;
  wrong_type("an array", type());
}

JsonArray& Json::as_array() {
  return const_cast<JsonArray&>(std::as_const(*this).as_array());
}

const JsonObject& Json::as_object() const {
  if (const auto* value = std::get_if<JsonObject>(&value_)) return *value;
  wrong_type("an object", type());
}

JsonObject& Json::as_object() {
  return const_cast<JsonObject&>(std::as_const(*this).as_object());
}

const Json* Json::find(std::string_view key) const {
  const auto* object = std::get_if<JsonObject>(&value_);
  return object ? object->find(key) : nullptr;
}

const Json& Json::operator[](std::string_view key) const {
  static const Json null;
  const Json* found = find(key);
  return found ? *found : null;
}

Json& Json::set(std::string_view key, Json value) {
  if (is_null()) value_ = JsonObject();
  Json& slot = as_object()[key];
  slot = std::move(value);
  return slot;
}

bool Json::operator==(const Json& other) const {
  if (is_number() && other.is_number() && type() != other.type()) {
    const double real = is_integer() ? other.as_double() : as_double();
    const std::int64_t integer = is_integer() ? as_integer() : other.as_integer();
    return real >= -0x1p63 && real < 0x1p63 && real == std::trunc(real) && static_cast<std::int64_t>(real) == integer;
  }
  if (type() != other.type()) return false;
  switch (type()) {
    case Type::null:
      return true;
    case Type::truth:
      return as_bool() == other.as_bool();
    case Type::integer:
      return as_integer() == other.as_integer();
    case Type::real:
      return as_double() == other.as_double();
    case Type::string:
      return as_string() == other.as_string();
    case Type::array:
      return as_array() == other.as_array();
    case Type::object:
      break;
  }
  if (as_object().size() != other.as_object().size()) return false;
  for (const auto& [key, value] : as_object().entries()) {
    const Json* theirs = other.find(key);
    if (!theirs || !(value == *theirs)) return false;
  }
  return true;
}

std::string_view json_type_name(Json::Type type) {
  switch (type) {
    case Json::Type::null:
      return "null";
    case Json::Type::truth:
      return "a boolean";
    case Json::Type::integer:
      return "an integer";
    case Json::Type::real:
      return "a number";
    case Json::Type::string:
      return "a string";
    case Json::Type::array:
      return "an array";
    case Json::Type::object:
      return "an object";
  }
  return "?";
}

Json parse_json(std::string_view text, std::string_view what, JsonLimits limits) {
  check(limits.depth >= 0 && limits.depth <= deepest_budget, "JSON depth budget out of range");
  // The library takes a NUL for the end of the text, whatever follows.
  if (const std::size_t nul = text.find('\0'); nul != text.npos) {
    fail(what, ": no valid JSON at offset ", nul, ": a NUL byte");
  }
  Builder builder(text, what, limits.depth);
  const char* begin = text.data();
  builder.progress = begin;
  const char* end = begin + text.size();
  const bool ok = nlohmann::json::sax_parse(CountingIterator(begin, &builder.progress),
                                            CountingIterator(end, &builder.progress), &builder);
  check(ok, "the JSON parser stopped without an error");
  return builder.take();
}

}  // namespace tashika
