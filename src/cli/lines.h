// Verbs that answer standard input line by line.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace tashika::cli {

// Calls `answer` for each line of standard input (split at \n only; a last line need not end in one)
// with its number from 1, and writes what it returns. Answers go out as they come.
void for_each_line(const std::function<std::string(std::string_view line, std::int64_t number)>& answer);

}  // namespace tashika::cli
