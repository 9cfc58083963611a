// The `format`s of JSON schema that are enforced, as patterns of the whole text.
#pragma once

#include <optional>
#include <string_view>

namespace tashika::grammar {

// Empty: every text is allowed (an annotation). nullopt: unknown.
std::optional<std::string_view> format_pattern(std::string_view format);

}  // namespace tashika::grammar
