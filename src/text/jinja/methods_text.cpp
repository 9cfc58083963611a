// The methods of str.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/methods.h"
#include "text/jinja/python_unicode.h"

namespace tashika::jinja {
namespace {

const std::string& text_argument(std::string_view method, const Value& value) {
  if (!value.is_string()) fail_template(method, "() argument must be str, not ", type_name(value));
  return value.text();
}

std::int64_t integer_argument(std::string_view method, const Value* value, std::int64_t fallback) {
  if (!value) return fallback;
  if (!value->is_integral()) {
    fail_template(method, "(): '", type_name(*value), "' object cannot be interpreted as an integer");
  }
  return value->integer();
}

std::size_t characters(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return n;
}

// The part of the text between two character positions, as the start and end arguments of find say.
struct Window {
  std::string_view text;
  std::int64_t first;  // character position of its start; -1: it lies outside
};

Window window(const Str& str, const Value* start, const Value* end) {
  const auto position = [](const Value* value, std::int64_t fallback) {
    return value && !value->is_none() ? integer_argument("find", value, 0) : fallback;
  };
  const auto size = static_cast<std::int64_t>(str.length);
  std::int64_t from = position(start, 0), to = position(end, size);
  if (from < 0) from = std::max<std::int64_t>(from + size, 0);
  if (to < 0) to = std::max<std::int64_t>(to + size, 0);
  to = std::min(to, size);
  if (from > to) return {{}, -1};
  const auto byte_of = [&](std::int64_t character) {
    if (str.ascii()) return static_cast<std::size_t>(character);
    std::size_t at = 0;
    for (; character > 0; --character) at += static_cast<std::size_t>(decode_utf8(str.text, at).size);
    return at;
  };
  const std::size_t begin = byte_of(from);
  return {std::string_view(str.text).substr(begin, byte_of(to) - begin), from};
}

Value str_find(Interpreter& in, const Value& self, Args& args, std::string_view name, bool last, bool must) {
  const auto bound = bind(name, args, {"/sub", "/start", "/end"}, 1);
  const std::string& wanted = text_argument(name, *bound[0]);
  const Window part = window(self.str(), bound[1], bound[2]);
  in.heap.work(self.text().size() / 64);
  const std::size_t at = part.first < 0 ? std::string_view::npos
                         : last         ? part.text.rfind(wanted)
                                        : part.text.find(wanted);
  if (at != std::string_view::npos) {
    return Value(part.first + static_cast<std::int64_t>(characters(part.text.substr(0, at))));
  }
  if (must) fail_template("substring not found");
  return Value(std::int64_t{-1});
}

Value find_first(Interpreter& in, const Value& self, Args& args) {
  return str_find(in, self, args, "find", false, false);
}
Value find_last(Interpreter& in, const Value& self, Args& args) {
  return str_find(in, self, args, "rfind", true, false);
}
Value index_first(Interpreter& in, const Value& self, Args& args) {
  return str_find(in, self, args, "index", false, true);
}
Value index_last(Interpreter& in, const Value& self, Args& args) {
  return str_find(in, self, args, "rindex", true, true);
}

Value count(Interpreter& in, const Value& self, Args& args) {
  const auto bound = bind("count", args, {"/sub", "/start", "/end"}, 1);
  const std::string& wanted = text_argument("count", *bound[0]);
  const Window part = window(self.str(), bound[1], bound[2]);
  in.heap.work(self.text().size() / 16);
  if (part.first < 0) return Value(std::int64_t{0});
  if (wanted.empty()) return Value(static_cast<std::int64_t>(characters(part.text)) + 1);
  std::int64_t n = 0;
  for (std::size_t at = part.text.find(wanted); at != part.text.npos; at = part.text.find(wanted, at + wanted.size()))
    ++n;
  return Value(n);
}

Value affix(Interpreter&, const Value& self, Args& args, std::string_view name, bool prefix) {
  const auto bound = bind(name, args, {"/prefix", "/start", "/end"}, 1);
  const Window part = window(self.str(), bound[1], bound[2]);
  const auto matches = [&](const Value& wanted) {
    if (!wanted.is_string()) {
      fail_template(name, " first arg must be str or a tuple of str, not ", type_name(wanted));
    }
    if (part.first < 0) return false;
    return prefix ? part.text.starts_with(wanted.text()) : part.text.ends_with(wanted.text());
  };
  if (!bound[0]->is_tuple()) return Value(matches(*bound[0]));
  const auto& items = bound[0]->seq().items;
  return Value(std::any_of(items.begin(), items.end(), matches));
}

Value starts_with(Interpreter& in, const Value& self, Args& args) {
  return affix(in, self, args, "startswith", true);
}
Value ends_with(Interpreter& in, const Value& self, Args& args) {
  return affix(in, self, args, "endswith", false);
}

Value strip_method(Interpreter& in, const Value& self, Args& args, std::string_view name, bool left, bool right) {
  const auto bound = bind(name, args, {"/chars"}, 0);
  const std::string* chars = nullptr;
  if (bound[0] && !bound[0]->is_none()) {
    if (!bound[0]->is_string()) fail_template(name, " arg must be None or str");
    chars = &bound[0]->text();
  }
  in.heap.work(self.text().size() / 16);
  return in.heap.string_like(self.str(), std::string(strip_text(self.text(), chars, left, right)));
}

Value strip(Interpreter& in, const Value& self, Args& args) {
  return strip_method(in, self, args, "strip", true, true);
}
Value lstrip(Interpreter& in, const Value& self, Args& args) {
  return strip_method(in, self, args, "lstrip", true, false);
}
Value rstrip(Interpreter& in, const Value& self, Args& args) {
  return strip_method(in, self, args, "rstrip", false, true);
}

void add_piece(Interpreter& in, const Value& self, std::vector<Value>& pieces, std::string_view piece) {
  in.heap.work(1);
  pieces.push_back(in.heap.string_like(self.str(), std::string(piece)));
}

void split_spaces(Interpreter& in, const Value& self, std::int64_t limit, std::vector<Value>& pieces) {
  const std::string_view text = self.text();
  std::size_t at = 0;
  const auto skip = [&](bool space) {
    while (at < text.size()) {
      const Utf8Char c = decode_utf8(text, at);
      if (is_space(c.code) != space) break;
      at += static_cast<std::size_t>(c.size);
    }
  };
  for (;;) {
    skip(true);
    if (at >= text.size()) return;
    if (limit >= 0 && static_cast<std::int64_t>(pieces.size()) >= limit) {
      add_piece(in, self, pieces, text.substr(at));
      return;
    }
    const std::size_t begin = at;
    skip(false);
    add_piece(in, self, pieces, text.substr(begin, at - begin));
  }
}

void rsplit_spaces(Interpreter& in, const Value& self, std::int64_t limit, std::vector<Value>& pieces) {
  std::string_view text = self.text();
  for (;;) {
    text = strip_text(text, nullptr, false, true);
    if (text.empty()) break;
    if (limit >= 0 && static_cast<std::int64_t>(pieces.size()) >= limit) {
      add_piece(in, self, pieces, text);
      break;
    }
    std::size_t begin = text.size();
    while (begin > 0) {
      std::size_t previous = begin;
      do --previous;
      while (previous > 0 && (static_cast<unsigned char>(text[previous]) & 0xC0) == 0x80);
      if (is_space(decode_utf8(text, previous).code)) break;
      begin = previous;
    }
    add_piece(in, self, pieces, text.substr(begin));
    text = text.substr(0, begin);
  }
  std::reverse(pieces.begin(), pieces.end());
}

Value split_method(Interpreter& in, const Value& self, Args& args, std::string_view name, bool from_right) {
  const auto bound = bind(name, args, {"sep", "maxsplit"}, 0);
  const std::int64_t limit = integer_argument(name, bound[1], -1);
  std::vector<Value> pieces;
  in.heap.work(self.text().size() / 16);
  if (!bound[0] || bound[0]->is_none()) {
    from_right ? rsplit_spaces(in, self, limit, pieces) : split_spaces(in, self, limit, pieces);
    return in.heap.list(std::move(pieces));
  }
  if (!bound[0]->is_string()) fail_template("must be str or None, not ", type_name(*bound[0]));
  const std::string& separator = bound[0]->text();
  if (separator.empty()) fail_template("empty separator");
  std::string_view text = self.text();
  const auto done = [&] { return limit >= 0 && static_cast<std::int64_t>(pieces.size()) >= limit; };
  if (from_right) {
    for (std::size_t at; !done() && (at = text.rfind(separator)) != text.npos;) {
      add_piece(in, self, pieces, text.substr(at + separator.size()));
      text = text.substr(0, at);
    }
  } else {
    for (std::size_t at; !done() && (at = text.find(separator)) != text.npos;) {
      add_piece(in, self, pieces, text.substr(0, at));
      text = text.substr(at + separator.size());
    }
  }
  add_piece(in, self, pieces, text);
  if (from_right) std::reverse(pieces.begin(), pieces.end());
  return in.heap.list(std::move(pieces));
}

Value split(Interpreter& in, const Value& self, Args& args) {
  return split_method(in, self, args, "split", false);
}
Value rsplit(Interpreter& in, const Value& self, Args& args) {
  return split_method(in, self, args, "rsplit", true);
}

Value splitlines(Interpreter& in, const Value& self, Args& args) {
  const auto bound = bind("splitlines", args, {"keepends"}, 0);
  const bool keep = bound[0] && truthy(*bound[0]);
  std::vector<Value> lines;
  for (const std::string_view line : split_lines(self.text(), keep)) add_piece(in, self, lines, line);
  return in.heap.list(std::move(lines));
}

Value partition_method(Interpreter& in, const Value& self, Args& args, std::string_view name, bool last) {
  const auto bound = bind(name, args, {"/sep"}, 1);
  const std::string& separator = text_argument(name, *bound[0]);
  if (separator.empty()) fail_template("empty separator");
  const std::string_view text = self.text();
  const std::size_t at = last ? text.rfind(separator) : text.find(separator);
  std::vector<Value> parts;
  if (at == text.npos) {
    add_piece(in, self, parts, last ? std::string_view() : text);
    add_piece(in, self, parts, "");
    add_piece(in, self, parts, last ? text : std::string_view());
  } else {
    add_piece(in, self, parts, text.substr(0, at));
    add_piece(in, self, parts, separator);
    add_piece(in, self, parts, text.substr(at + separator.size()));
  }
  return in.heap.tuple(std::move(parts));
}

Value partition(Interpreter& in, const Value& self, Args& args) {
  return partition_method(in, self, args, "partition", false);
}
Value rpartition(Interpreter& in, const Value& self, Args& args) {
  return partition_method(in, self, args, "rpartition", true);
}

Value replace(Interpreter& in, const Value& self, Args& args) {
  const auto bound = bind("replace", args, {"/old", "/new", "/count"}, 2);
  const std::string& old = text_argument("replace", *bound[0]);
  std::string with = text_argument("replace", *bound[1]);
  if (self.str().markup && !bound[1]->str().markup) with = escape_html(with);
  return in.heap.string_like(self.str(),
                             replace_text(in.heap, self.text(), old, with, integer_argument("replace", bound[2], -1)));
}

Value join(Interpreter& in, const Value& self, Args& args) {
  const auto bound = bind("join", args, {"/iterable"}, 1);
  std::string out;
  bool first = true;
  std::size_t n = 0;
  const std::unique_ptr<Iterator> items = in.iterate(*bound[0]);
  Value item;
  while (items->next(in, item)) {
    in.heap.work(1);
    if (self.str().markup) {
      item = in.heap.string(item.is_string() && item.str().markup ? item.text() : escape_html(to_text(in.heap, item)));
    }
    if (!item.is_string()) fail_template("sequence item ", n, ": expected str instance, ", type_name(item), " found");
    Heap::check_text(out.size() + self.text().size() + item.text().size());
    if (!first) out += self.text();
    first = false;
    out += item.text();
    ++n;
  }
  return in.heap.string_like(self.str(), std::move(out));
}

template <std::string (*Map)(std::string_view)>
Value mapped(Interpreter& in, const Value& self, Args& args) {
  bind("method", args, {}, 0);
  in.heap.work(self.text().size() / 8);
  return in.heap.string_like(self.str(), Map(self.text()));
}

// True when the text has a character and all have one of the flags.
template <int Flags>
Value all_are(Interpreter& in, const Value& self, Args& args) {
  bind("method", args, {}, 0);
  const std::string& text = self.text();
  in.heap.work(text.size() / 8);
  if (text.empty()) return Value(Flags == char_printable);
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    if (!(char_flags(c.code) & Flags)) return Value(false);
    i += static_cast<std::size_t>(c.size);
  }
  return Value(true);
}

// A cased character is there and none of the other case: islower, isupper.
template <int Wanted, int Other>
Value case_is(Interpreter& in, const Value& self, Args& args) {
  bind("method", args, {}, 0);
  in.heap.work(self.text().size() / 8);
  bool cased = false;
  for (std::size_t i = 0; i < self.text().size();) {
    const Utf8Char c = decode_utf8(self.text(), i);
    const std::uint16_t flags = char_flags(c.code);
    // A title case character is itself "istitle" and so are capitals.
    if ((flags & Other) || ((flags & char_title) && !(flags & (char_upper | char_lower)))) return Value(false);
    cased = cased || (flags & Wanted);
    i += static_cast<std::size_t>(c.size);
  }
  return Value(cased);
}

Value is_title(Interpreter& in, const Value& self, Args& args) {
  bind("istitle", args, {}, 0);
  in.heap.work(self.text().size() / 8);
  bool cased = false, previous_cased = false;
  for (std::size_t i = 0; i < self.text().size();) {
    const Utf8Char c = decode_utf8(self.text(), i);
    const std::uint16_t flags = char_flags(c.code);
    if (flags & (char_upper | char_title)) {
      if (previous_cased) return Value(false);
      previous_cased = cased = true;
    } else if (flags & char_lower) {
      if (!previous_cased) return Value(false);
      cased = true;
    } else {
      previous_cased = false;
    }
    i += static_cast<std::size_t>(c.size);
  }
  return Value(cased);
}

Value is_ascii(Interpreter&, const Value& self, Args& args) {
  bind("isascii", args, {}, 0);
  return Value(self.str().ascii());
}

Value is_identifier(Interpreter&, const Value& self, Args& args) {
  bind("isidentifier", args, {}, 0);
  const std::string& text = self.text();
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    if (!(char_flags(c.code) & (i == 0 ? char_id_start : char_id_continue))) return Value(false);
    i += static_cast<std::size_t>(c.size);
  }
  return Value(!text.empty());
}

enum class Side { left, right, both };

Value pad(Interpreter& in, const Value& self, Args& args, std::string_view name, Side side) {
  const auto bound = bind(name, args, {"/width", "/fillchar"}, 1);
  const std::int64_t width = integer_argument(name, bound[0], 0);
  std::string fill = " ";
  if (bound[1]) {
    fill = text_argument(name, *bound[1]);
    if (bound[1]->str().length != 1) fail_template("The fill character must be exactly one character long");
  }
  return in.heap.string_like(self.str(), pad_text(self.str(), width, fill, side == Side::left, side == Side::both));
}

Value ljust(Interpreter& in, const Value& self, Args& args) {
  return pad(in, self, args, "ljust", Side::right);
}
Value rjust(Interpreter& in, const Value& self, Args& args) {
  return pad(in, self, args, "rjust", Side::left);
}
Value center(Interpreter& in, const Value& self, Args& args) {
  return pad(in, self, args, "center", Side::both);
}

Value zfill(Interpreter& in, const Value& self, Args& args) {
  const auto bound = bind("zfill", args, {"/width"}, 1);
  const std::int64_t width = integer_argument("zfill", bound[0], 0);
  const auto length = static_cast<std::int64_t>(self.str().length);
  std::string out = self.text();
  if (width > length) {
    Heap::check_text(static_cast<std::size_t>(std::min<std::int64_t>(width, INT32_MAX)));
    const bool sign = !out.empty() && (out[0] == '+' || out[0] == '-');
    out.insert(sign ? 1 : 0, static_cast<std::size_t>(width - length), '0');
  }
  return in.heap.string_like(self.str(), std::move(out));
}

Value remove_affix(Interpreter& in, const Value& self, Args& args, std::string_view name, bool prefix) {
  const auto bound = bind(name, args, {"/affix"}, 1);
  const std::string& affix_text = text_argument(name, *bound[0]);
  std::string_view text = self.text();
  if (prefix && text.starts_with(affix_text)) text.remove_prefix(affix_text.size());
  if (!prefix && text.ends_with(affix_text)) text.remove_suffix(affix_text.size());
  return in.heap.string_like(self.str(), std::string(text));
}

Value remove_prefix(Interpreter& in, const Value& self, Args& args) {
  return remove_affix(in, self, args, "removeprefix", true);
}
Value remove_suffix(Interpreter& in, const Value& self, Args& args) {
  return remove_affix(in, self, args, "removesuffix", false);
}

Value expand_tabs(Interpreter& in, const Value& self, Args& args) {
  const auto bound = bind("expandtabs", args, {"tabsize"}, 0);
  const std::int64_t size = integer_argument("expandtabs", bound[0], 8);
  if (size > 65536) throw_limit("expandtabs() with more than 65536 columns");
  std::string out;
  std::int64_t column = 0;
  for (const char c : self.text()) {
    if (c == '\t') {
      const std::int64_t spaces = size > 0 ? size - column % size : 0;
      Heap::check_text(out.size() + static_cast<std::size_t>(spaces));
      out.append(static_cast<std::size_t>(spaces), ' ');
      column += spaces;
    } else {
      out += c;
      if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++column;
      if (c == '\n' || c == '\r') column = 0;
    }
  }
  return in.heap.string_like(self.str(), std::move(out));
}

Value format(Interpreter& in, const Value& self, Args& args) {
  return in.heap.string_like(self.str(), brace_format(in, self.str(), args));
}

constexpr Method text_methods[] = {
    {"capitalize", mapped<python_capitalize>},
    {"casefold", mapped<python_casefold>},
    {"center", center},
    {"count", count},
    {"encode", nullptr},
    {"endswith", ends_with},
    {"expandtabs", expand_tabs},
    {"find", find_first},
    {"format", format},
    {"format_map", nullptr},
    {"index", index_first},
    {"isalnum", all_are<char_alpha | char_decimal | char_digit | char_numeric>},
    {"isalpha", all_are<char_alpha>},
    {"isascii", is_ascii},
    {"isdecimal", all_are<char_decimal>},
    {"isdigit", all_are<char_digit>},
    {"isidentifier", is_identifier},
    {"islower", case_is<char_lower, char_upper>},
    {"isnumeric", all_are<char_numeric>},
    {"isprintable", all_are<char_printable>},
    {"isspace", all_are<char_space>},
    {"istitle", is_title},
    {"isupper", case_is<char_upper, char_lower>},
    {"join", join},
    {"ljust", ljust},
    {"lower", mapped<python_lower>},
    {"lstrip", lstrip},
    {"maketrans", nullptr},
    {"partition", partition},
    {"removeprefix", remove_prefix},
    {"removesuffix", remove_suffix},
    {"replace", replace},
    {"rfind", find_last},
    {"rindex", index_last},
    {"rjust", rjust},
    {"rpartition", rpartition},
    {"rsplit", rsplit},
    {"rstrip", rstrip},
    {"split", split},
    {"splitlines", splitlines},
    {"startswith", starts_with},
    {"strip", strip},
    {"swapcase", mapped<python_swapcase>},
    {"title", mapped<python_title>},
    {"translate", nullptr},
    {"upper", mapped<python_upper>},
    {"zfill", zfill},
};

}  // namespace

std::span<const Method> methods_of_text() {
  return text_methods;
}

std::string_view strip_text(std::string_view text, const std::string* chars, bool left, bool right) {
  const auto drops = [&](std::string_view character, char32_t code) {
    if (!chars) return is_space(code);
    // A character of UTF-8 is never part of another one.
    return chars->find(character) != std::string::npos;
  };
  while (left && !text.empty()) {
    const Utf8Char c = decode_utf8(text, 0);
    if (!drops(text.substr(0, static_cast<std::size_t>(c.size)), c.code)) break;
    text.remove_prefix(static_cast<std::size_t>(c.size));
  }
  while (right && !text.empty()) {
    std::size_t at = text.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
    if (!drops(text.substr(at), decode_utf8(text, at).code)) break;
    text = text.substr(0, at);
  }
  return text;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    std::size_t end = at + static_cast<std::size_t>(c.size);
    const bool breaks = (c.code >= 0x0A && c.code <= 0x0D) || (c.code >= 0x1C && c.code <= 0x1E) || c.code == 0x85 ||
                        c.code == 0x2028 || c.code == 0x2029;
    if (breaks) {
      if (c.code == '\r' && end < text.size() && text[end] == '\n') ++end;
      lines.push_back(text.substr(begin, (keep_ends ? end : at) - begin));
      begin = end;
    }
    at = end;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::string replace_text(Heap& heap, std::string_view text, std::string_view old, std::string_view with,
                         std::int64_t limit) {
  std::string out;
  heap.work(text.size() / 16);
  const auto more = [&] { return limit != 0; };
  const auto add = [&](std::string_view piece) {
    Heap::check_text(out.size() + piece.size());
    out += piece;
  };
  if (old.empty()) {
    for (std::size_t at = 0; at < text.size();) {
      if (more()) add(with), --limit;
      const auto size = static_cast<std::size_t>(decode_utf8(text, at).size);
      out.append(text.substr(at, size));
      at += size;
    }
    if (more()) add(with);
    return out;
  }
  std::size_t begin = 0;
  for (std::size_t at = text.find(old); at != text.npos && more(); at = text.find(old, begin), --limit) {
    add(text.substr(begin, at - begin));
    add(with);
    begin = at + old.size();
  }
  add(text.substr(begin));
  return out;
}

std::string pad_text(const Str& str, std::int64_t width, std::string_view fill, bool left, bool both) {
  const auto length = static_cast<std::int64_t>(str.length);
  if (width <= length) return str.text;
  if (width > static_cast<std::int64_t>(max_text)) throw_limit("a string of the template is longer than 16 MiB");
  const std::int64_t spare = width - length;
  Heap::check_text(str.text.size() + static_cast<std::size_t>(spare) * fill.size());
  // CPython's rounding of the odd one.
  const std::int64_t before = both ? spare / 2 + (spare & width & 1) : left ? spare : 0;
  std::string out;
  for (std::int64_t i = 0; i < before; ++i) out += fill;
  out += str.text;
  for (std::int64_t i = before; i < spare; ++i) out += fill;
  return out;
}

}  // namespace tashika::jinja
