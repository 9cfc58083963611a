// A conversation as the chat surfaces send it, made what templates take.
#pragma once

#include <string>

#include "base/json.h"

namespace tashika::serve {

// OpenAI's messages: checks their shape, joins text parts, parses the arguments of tool calls, calls "developer"
// "system". ApiError(400) names the member that is wrong.
Json template_messages(const Json& messages);

// "tools" as OpenAI has them; null for none. ApiError(400) names the member that is wrong.
Json template_tools(const Json& tools);

}  // namespace tashika::serve
