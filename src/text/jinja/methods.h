// Shared by the methods and the filters that do the same.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/interpreter.h"

namespace tashika::jinja {

std::span<const Method> methods_of_text();

// str.strip and its halves; chars null: white space.
std::string_view strip_text(std::string_view text, const std::string* chars, bool left, bool right);
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);
// str.replace; limit < 0: all.
std::string replace_text(Heap& heap, std::string_view text, std::string_view old, std::string_view with,
                         std::int64_t limit);
// Fills up to `width` characters: on the left, on both sides, else on the right.
std::string pad_text(const Str& str, std::int64_t width, std::string_view fill, bool left, bool both);

// A generator-like view of a list made at once.
std::unique_ptr<Iterator> iterate_items(std::vector<Value> items);

}  // namespace tashika::jinja
