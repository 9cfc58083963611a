// Base64 as JSON files carry it.
#pragma once

#include <string>
#include <string_view>

namespace tashika {

// Throws Error naming `what` on a character outside the alphabet or a wrong length.
std::string decode_base64(std::string_view text, std::string_view what);

}  // namespace tashika
