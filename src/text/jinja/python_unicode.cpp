#include "text/jinja/python_unicode.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "base/utf8.h"

namespace tashika::jinja {
namespace {

using unicode_data::CaseRun;
using unicode_data::CaseSpecial;

struct CaseTable {
  std::span<const CaseRun> runs;
  std::span<const CaseSpecial> specials;
};

CaseTable lower_table() {
  using namespace unicode_data;
  return {{lower_runs, lower_run_count}, {lower_specials, lower_special_count}};
}
CaseTable upper_table() {
  using namespace unicode_data;
  return {{upper_runs, upper_run_count}, {upper_specials, upper_special_count}};
}
CaseTable title_table() {
  using namespace unicode_data;
  return {{title_runs, title_run_count}, {title_specials, title_special_count}};
}
CaseTable fold_table() {
  using namespace unicode_data;
  return {{fold_runs, fold_run_count}, {fold_specials, fold_special_count}};
}

void append_mapped(std::string& out, char32_t code, const CaseTable& table) {
  const auto run = std::upper_bound(table.runs.begin(), table.runs.end(), code,
                                    [](char32_t c, const CaseRun& r) { return c < r.first; });
  if (run != table.runs.begin()) {
    const CaseRun& r = *std::prev(run);
    if (code <= r.last && (code - r.first) % r.stride == 0) {
      append_utf8(out, static_cast<char32_t>(static_cast<std::int64_t>(code) + r.delta));
      return;
    }
  }
  const auto special = std::lower_bound(table.specials.begin(), table.specials.end(), code,
                                        [](const CaseSpecial& s, char32_t c) { return s.code < c; });
  if (special != table.specials.end() && special->code == code) {
    for (const std::uint32_t c : special->mapped) {
      if (c != 0) append_utf8(out, c);
    }
    return;
  }
  append_utf8(out, code);
}

// A capital sigma at the end of a word becomes ς (Unicode 3.13, Final_Sigma).
bool final_sigma(std::string_view text, std::size_t at, std::size_t size) {
  bool cased_before = false;
  for (std::size_t i = at; i > 0;) {
    do --i;
    while (i > 0 && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80);
    const std::uint16_t flags = char_flags(decode_utf8(text, i).code);
    if (flags & char_case_ignorable) continue;
    cased_before = flags & char_cased;
    break;
  }
  if (!cased_before) return false;
  for (std::size_t i = at + size; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    const std::uint16_t flags = char_flags(c.code);
    if (!(flags & char_case_ignorable)) return !(flags & char_cased);
    i += c.size;
  }
  return true;
}

void append_lower(std::string& out, std::string_view text, std::size_t at, const Utf8Char& c) {
  if (c.code < 0x80) {
    out += static_cast<char>(c.code >= 'A' && c.code <= 'Z' ? c.code + 32 : c.code);
  } else if (c.code == 0x3A3) {
    append_utf8(out, final_sigma(text, at, c.size) ? 0x3C2 : 0x3C3);
  } else {
    append_mapped(out, c.code, lower_table());
  }
}

template <typename Append>
std::string map_characters(std::string_view text, const Append& append) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    append(out, i, c);
    i += c.size;
  }
  return out;
}

}  // namespace

std::uint16_t char_flags(char32_t code) {
  using namespace unicode_data;
  const auto* end = flag_starts + flag_count;
  const auto* next = std::upper_bound(flag_starts, end, static_cast<std::uint32_t>(code));
  return flag_values[next - flag_starts - 1];
}

std::string python_lower(std::string_view text) {
  return map_characters(text,
                        [&](std::string& out, std::size_t at, const Utf8Char& c) { append_lower(out, text, at, c); });
}

std::string python_upper(std::string_view text) {
  return map_characters(
      text, [](std::string& out, std::size_t, const Utf8Char& c) { append_mapped(out, c.code, upper_table()); });
}

std::string python_casefold(std::string_view text) {
  return map_characters(
      text, [](std::string& out, std::size_t, const Utf8Char& c) { append_mapped(out, c.code, fold_table()); });
}

std::string python_capitalize(std::string_view text) {
  return map_characters(text, [&](std::string& out, std::size_t at, const Utf8Char& c) {
    if (at == 0) {
      append_mapped(out, c.code, title_table());
    } else {
      append_lower(out, text, at, c);
    }
  });
}

std::string python_title(std::string_view text) {
  bool previous_cased = false;
  return map_characters(text, [&](std::string& out, std::size_t at, const Utf8Char& c) {
    if (previous_cased) {
      append_lower(out, text, at, c);
    } else {
      append_mapped(out, c.code, title_table());
    }
    // Case-ignorable characters that are cased count, as _PyUnicode_IsCased says.
    previous_cased = char_flags(c.code) & (char_cased | char_lower | char_upper | char_title);
  });
}

std::string python_swapcase(std::string_view text) {
  return map_characters(text, [&](std::string& out, std::size_t at, const Utf8Char& c) {
    const std::uint16_t flags = char_flags(c.code);
    if (flags & char_upper) {
      append_lower(out, text, at, c);
    } else if (flags & char_lower) {
      append_mapped(out, c.code, upper_table());
    } else {
      append_utf8(out, c.code);
    }
  });
}

}  // namespace tashika::jinja
