// Figures for people: sizes, counts, columns.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tashika::cli {

std::string fixed(double value, int digits);
std::string human_bytes(std::int64_t bytes);  // "885.97 MiB"
std::string human_count(std::int64_t count);  // "1.54 B", "7.25 M"
std::string left(std::string_view text, std::size_t width);
std::string right(std::string_view text, std::size_t width);

}  // namespace tashika::cli
