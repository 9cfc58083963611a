// Both JSON readers on arbitrary text: they must agree on what JSON is, and what they accept must survive being
// written and read again unchanged.

// links: base

#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/json_cursor.h"

using namespace tashika;

namespace {

bool walks(std::string_view text) {
  try {
    JsonCursor in(text, "input");
    in.skip_value();
    in.finish();
    return true;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) __builtin_trap();
    return false;
  }
}

// Every accessor on every value: each answers or throws an Error.
void visit(const Json& value) {
  const auto attempt = [](const auto& f) {
    try {
      f();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::internal) __builtin_trap();
    }
  };
  attempt([&] { value.as_bool(); });
  attempt([&] { value.as_integer(); });
  attempt([&] { value.as_double(); });
  attempt([&] { value.as_string(); });
  attempt([&] {
    for (const Json& element : value.as_array()) visit(element);
  });
  attempt([&] {
    for (const auto& [key, member] : value.as_object().entries()) {
      if (value.find(key) != &member || &value[key] != &member) __builtin_trap();
      visit(member);
    }
  });
  attempt([&] {
    Json copy = value;
    for (const auto& entry : value.as_object().entries()) {
      copy.set(entry.first, Json(1));
      if (!copy.as_object().erase(entry.first) || copy.contains(entry.first)) __builtin_trap();
    }
    if (!copy.as_object().empty()) __builtin_trap();
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool walked = walks(text);
  try {
    const Json value = parse_json(text, "input");
    if (!walked) __builtin_trap();
    if (size < 4096) visit(value);  // copies at every level
    for (const JsonStyle style : {JsonStyle::compact, JsonStyle::python}) {
      if (!(parse_json(dump_json(value, style, style == JsonStyle::python ? 2 : -1), "rewritten") == value))
        __builtin_trap();
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal || error.message().starts_with("rewritten")) __builtin_trap();
    // A number beyond double is JSON to the cursor, which does not compute it.
    if (walked && error.message().find("number") == std::string::npos) __builtin_trap();
  }
  return 0;
}
