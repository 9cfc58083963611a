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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool walked = walks(text);
  try {
    const Json value = parse_json(text, "input");
    if (!walked) __builtin_trap();
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
