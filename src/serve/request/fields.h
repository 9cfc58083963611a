// The fields of a request, each declared once: its type, its range, and whether it is honoured.
//
// A request's body is checked against the table before anything is done with it. What is wrong is 400 that names the
// field; what is known and of no use here, or unknown, is listed in the reply's `warnings`. /v1/capabilities and
// /openapi.json are made from the same tables.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tashika::serve {

enum class Kind { any, truth, integer, number, text, list, object, text_or_list, truth_or_object, text_or_object };
enum class Support {
  honoured,
  ignored,  // taken, without effect, and said so
  refused,  // 400, unless it asks for what happens anyway
};

struct Field {
  std::string_view name;
  Kind kind = Kind::any;
  std::string_view about = {};
  double low = -1e18, high = 1e18;  // of a number
  Support support = Support::honoured;
  std::string_view option = {};   // the engine's option of that name takes the value
  std::string_view neutral = {};  // JSON text of the value that a refused field may have; null and false always may
  bool required = false;
};

// Checks `body` against the table. Throws ApiError(400) with the field's name. Returns the warnings.
std::vector<std::string> check_fields(const Json& body, std::span<const Field> fields);
// One field. `where` is its name in messages.
void check_value(const Json& value, const Field& field, std::string_view where);

Json fields_schema(std::span<const Field> fields);        // JSON Schema of the object
Json fields_capabilities(std::span<const Field> fields);  // name to "honoured", "ignored", "refused"
Json warning_list(const std::vector<std::string>& warnings);

}  // namespace tashika::serve
