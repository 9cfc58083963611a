// What CPython's str methods know about characters: categories and case mappings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tashika::jinja {

enum CharFlag : std::uint16_t {
  char_alpha = 1 << 0,
  char_decimal = 1 << 1,
  char_digit = 1 << 2,
  char_numeric = 1 << 3,
  char_printable = 1 << 4,
  char_lower = 1 << 5,
  char_upper = 1 << 6,
  char_title = 1 << 7,
  char_space = 1 << 8,
  char_id_start = 1 << 9,
  char_id_continue = 1 << 10,
  char_cased = 1 << 11,
  char_case_ignorable = 1 << 12,
};

std::uint16_t char_flags(char32_t code);
inline bool is_space(char32_t code) {
  return code < 0x80 ? code == ' ' || (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x1f)
                     : (char_flags(code) & char_space) != 0;
}

// str.lower(), upper(), casefold(), capitalize(), title(), swapcase() of CPython. The text is UTF-8.
std::string python_lower(std::string_view text);
std::string python_upper(std::string_view text);
std::string python_casefold(std::string_view text);
std::string python_capitalize(std::string_view text);
std::string python_title(std::string_view text);
std::string python_swapcase(std::string_view text);

namespace unicode_data {
struct CaseRun {
  std::uint32_t first, last, stride;
  std::int32_t delta;
};
struct CaseSpecial {
  std::uint32_t code;
  std::uint32_t mapped[3];  // zero-padded
};
extern const std::uint32_t flag_starts[];
extern const std::uint16_t flag_values[];
extern const std::size_t flag_count;
extern const CaseRun lower_runs[], upper_runs[], title_runs[], fold_runs[];
extern const std::size_t lower_run_count, upper_run_count, title_run_count, fold_run_count;
extern const CaseSpecial lower_specials[], upper_specials[], title_specials[], fold_specials[];
extern const std::size_t lower_special_count, upper_special_count, title_special_count, fold_special_count;
}  // namespace unicode_data

}  // namespace tashika::jinja
