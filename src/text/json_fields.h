// Reading the parts of a tokenizer file, with errors that say where they are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace tashika {

// A JSON object and its place in the file ("tokenizer.json: decoder.decoders[2]").
class Fields {
 public:
  Fields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) fail(where_, ": expected an object, found ", json_type_name(json.type()));
  }
  const Json& json() const { return json_; }
  const std::string& where() const { return where_; }
  const Json* find(std::string_view key) const {
    const Json* value = json_.find(key);
    return value && !value->is_null() ? value : nullptr;
  }
  std::string place(std::string_view key) const { return cat(where_, ".", key); }

  const Json& required(std::string_view key) const {
    const Json* value = find(key);
    if (!value) fail(where_, ": the field '", key, "' is missing");
    return *value;
  }
  const std::string& string(std::string_view key) const {
    const Json& value = required(key);
    if (!value.is_string()) wrong(key, value, "a string");
    return value.as_string();
  }
  std::string string_or(std::string_view key, std::string fallback) const { return find(key) ? string(key) : fallback; }
  bool boolean(std::string_view key) const {
    const Json& value = required(key);
    if (!value.is_bool()) wrong(key, value, "true or false");
    return value.as_bool();
  }
  bool boolean_or(std::string_view key, bool fallback) const { return find(key) ? boolean(key) : fallback; }
  std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most) const {
    const Json& value = required(key);
    if (!value.is_integer()) wrong(key, value, "an integer");
    const std::int64_t n = value.as_integer();
    if (n < least || n > most) fail(place(key), ": ", n, " is outside ", least, " to ", most);
    return n;
  }
  std::int64_t integer_or(std::string_view key, std::int64_t fallback, std::int64_t least, std::int64_t most) const {
    return find(key) ? integer(key, least, most) : fallback;
  }
  const JsonArray& array(std::string_view key) const {
    const Json& value = required(key);
    if (!value.is_array()) wrong(key, value, "a list");
    return value.as_array();
  }
  const JsonObject& object(std::string_view key) const {
    const Json& value = required(key);
    if (!value.is_object()) wrong(key, value, "an object");
    return value.as_object();
  }
  Fields fields(std::string_view key) const { return Fields(required(key), place(key)); }

  [[noreturn]] void wrong(std::string_view key, const Json& value, std::string_view expected) const {
    fail(place(key), ": expected ", expected, ", found ", json_type_name(value.type()));
  }

 private:
  const Json& json_;
  std::string where_;
};

inline constexpr std::int64_t max_token_id = 0x7FFFFFFF;
inline constexpr int max_component_depth = 32;  // sequences within sequences

}  // namespace tashika
