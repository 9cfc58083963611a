// JSON values that keep their key order, parsed within a depth budget.
//
// Objects keep insertion order (chat templates print it) and find keys in O(1) once large (a
// tokenizer's vocabulary has 10^5). Integers that fit int64 are integers, every other number is a
// double; a later duplicate key replaces the earlier value in place, as Python's parser does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tashika {

class Json;

class JsonObject {
 public:
  JsonObject();
  JsonObject(const JsonObject& other);
  JsonObject(JsonObject&& other) noexcept;
  JsonObject& operator=(JsonObject other) noexcept;
  ~JsonObject();

  using Entry = std::pair<std::string, Json>;
  std::size_t size() const;
  bool empty() const { return size() == 0; }
  const Json* find(std::string_view key) const;  // null when absent
  Json* find(std::string_view key);
  Json& operator[](std::string_view key);  // inserts null when absent
  bool erase(std::string_view key);        // O(n)
  const std::vector<Entry>& entries() const;
  std::vector<Entry>& entries();  // values may be changed, keys may not

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

using JsonArray = std::vector<Json>;

class Json {
 public:
  enum class Type { null, truth, integer, real, string, array, object };

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(static_cast<std::int64_t>(value)) {}
  Json(std::int64_t value) : value_(value) {}
  Json(std::size_t value) : value_(static_cast<std::int64_t>(value)) {}
  Json(double value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(JsonArray value) : value_(std::move(value)) {}
  Json(JsonObject value) : value_(std::move(value)) {}

  Type type() const { return static_cast<Type>(value_.index()); }
  bool is_null() const { return type() == Type::null; }
  bool is_bool() const { return type() == Type::truth; }
  bool is_integer() const { return type() == Type::integer; }
  bool is_number() const { return type() == Type::integer || type() == Type::real; }
  bool is_string() const { return type() == Type::string; }
  bool is_array() const { return type() == Type::array; }
  bool is_object() const { return type() == Type::object; }

  // Each throws Error naming the expected and the actual type.
  bool as_bool() const;
  std::int64_t as_integer() const;  // also a real without a fraction
  double as_double() const;
  const std::string& as_string() const;
  const JsonArray& as_array() const;
  JsonArray& as_array();
  const JsonObject& as_object() const;
  JsonObject& as_object();

  // Member of an object; a shared null when this is no object or the key is absent.
  const Json& operator[](std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  const Json* find(std::string_view key) const;  // null when absent or no object
  Json& set(std::string_view key, Json value);   // makes a null value an object

  // As in Python: 1 == 1.0, the order of keys does not matter.
  bool operator==(const Json& other) const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, JsonArray, JsonObject> value_;
};

struct JsonLimits {
  int depth = 128;  // open arrays and objects; at most 1024
};

// Parses one JSON text (RFC 8259, UTF-8 checked; `NaN` and `Infinity` refused). Throws Error
// "`what`: … at offset N" on anything else (ErrorKind::limit when too deep). `what` names the file or
// field for the message. A byte order mark is skipped, a number beyond double's range refused.
Json parse_json(std::string_view text, std::string_view what, JsonLimits limits = {});

enum class JsonStyle {
  compact,  // {"a":1,"b":[1,2]}: non-ASCII as it is
  python,   // json.dumps(value, ensure_ascii=False): {"a": 1, "b": [1, 2]}
};

// Numbers round-trip and are written as Python's repr does (1e-07, 1.0); non-finite numbers are
// NaN, Infinity, -Infinity as in Python. indent < 0: one line. Bytes that are no UTF-8 become U+FFFD.
std::string dump_json(const Json& value, JsonStyle style = JsonStyle::compact, int indent = -1);

// Python's repr of a float: "1.0", "1e-07", "inf", "nan".
std::string python_float(double value);

std::string_view json_type_name(Json::Type type);

}  // namespace tashika
