// YAML 1.2 documents as JSON values.
//
// One document, core schema (YAML 1.2.2, chapter 10.3): plain scalars are null, truth values, whole numbers, numbers or
// text, quoted ones are text. Keys must be text. Aliases are copied; the whole may have a bounded number of values, so that
// no short text becomes a huge one.
#pragma once

#include <string_view>

#include "base/json.h"

namespace tashika {

// Throws Error "`what`: … at line N" on anything that is no such document.
Json parse_yaml(std::string_view text, std::string_view what);

}  // namespace tashika
