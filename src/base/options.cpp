#include "base/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/error.h"

namespace tashika {
namespace {

template <typename... Args>
[[noreturn]] void wrong(std::string_view where, const Args&... what) {
  fail_with(ErrorKind::usage, cat(where, ": ", what...));
}

std::string quoted(std::string_view text) { return cat("\"", text, "\""); }

void check_range(const Option& option, double value, std::string_view where) {
  if (value >= option.low && value <= option.high) return;
  const auto bound = [](double v) { return std::abs(v) < 1e15 && v == std::floor(v) ? cat(static_cast<std::int64_t>(v)) : cat(v); };
  if (option.high >= 1e300) wrong(where, "must be at least ", bound(option.low));
  if (option.low <= -1e300) wrong(where, "must be at most ", bound(option.high));
  wrong(where, "must be from ", bound(option.low), " to ", bound(option.high));
}

std::vector<std::string> split_flags(std::string_view flags) {
  std::vector<std::string> out;
  while (!flags.empty()) {
    const std::size_t comma = std::min(flags.find(", "), flags.size());
    out.emplace_back(flags.substr(0, comma));
    flags.remove_prefix(std::min(comma + 2, flags.size()));
  }
  return out;
}

}  // namespace

std::string Option::name() const {
  const auto longest = std::ranges::find_if(flags, [](const std::string& f) { return f.starts_with("--"); });
  std::string out = longest != flags.end() ? longest->substr(2) : flags.front().substr(1);
  std::ranges::replace(out, '-', '_');
  return out;
}

std::string Option::env() const {
  std::string out = cat("TASHIKA_", name());
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

bool parse_switch(std::string_view text, std::string_view where) {
  for (const std::string_view yes : {"1", "on", "true", "yes", "enabled"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "off", "false", "no", "disabled"}) {
    if (text == no) return false;
  }
  wrong(where, "expected on or off, found ", quoted(text));
}

std::int64_t parse_integer(std::string_view text, std::string_view where) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) wrong(where, quoted(text), " is too large");
  if (error != std::errc() || end != text.data() + text.size()) wrong(where, "expected a whole number, found ", quoted(text));
  return value;
}

double parse_number(std::string_view text, std::string_view where) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    wrong(where, "expected a number, found ", quoted(text));
  }
  return value;
}

std::vector<std::int64_t> parse_id_list(std::string_view text, std::string_view where) {
  std::vector<std::int64_t> out;
  while (true) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view item = text.substr(0, comma);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (item.empty()) wrong(where, "expected whole numbers separated by commas, such as 1,5,9");
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), id);
    if ((error != std::errc() && error != std::errc::result_out_of_range) || end != item.data() + item.size()) {
      wrong(where, "expected whole numbers separated by commas, such as 1,5,9, found ", quoted(item));
    }
    if (error != std::errc() || id < 0 || id > 0x7FFFFFFF) fail(where, ": ", item, " is out of range: ids are 0 to 2147483647");
    out.push_back(id);
    if (comma == text.size()) return out;
    text.remove_prefix(comma + 1);
  }
}

Option& Options::add(std::string_view flags, std::string_view placeholder, std::string_view help) {
  Option& o = options_.emplace_back();
  o.flags = split_flags(flags);
  o.placeholder = placeholder;
  o.help = help;
  o.group = group_;
  return o;
}

Option& Options::toggle(std::string_view flags, bool& field, std::string_view help) {
  Option& o = add(flags, "", help);
  o.on_by_default = field;
  o.set = [&field](std::string_view text, std::string_view where) { field = parse_switch(text, where); };
  o.set_json = [&field](const Json& value, std::string_view where) {
    if (!value.is_bool()) wrong(where, "expected true or false, found ", json_type_name(value.type()));
    field = value.as_bool();
  };
  return o;
}

template <typename T>
Option& Options::number(std::string_view flags, std::string_view placeholder, T& field, std::string_view help) {
  Option& o = add(flags, placeholder, help);
  if constexpr (std::is_floating_point_v<T>) {
    o.fallback = cat(field);
  } else {
    o.fallback = cat(field);
    o.range(static_cast<double>(std::numeric_limits<T>::lowest()), static_cast<double>(std::numeric_limits<T>::max()));
  }
  o.set = [&field, &o](std::string_view text, std::string_view where) {
    if constexpr (std::is_floating_point_v<T>) {
      const double value = parse_number(text, where);
      check_range(o, value, where);
      field = static_cast<T>(value);
    } else {
      const std::int64_t value = parse_integer(text, where);
      check_range(o, static_cast<double>(value), where);
      field = static_cast<T>(value);
    }
  };
  o.set_json = [&field, &o](const Json& value, std::string_view where) {
    const bool whole = value.is_integer();
    if (std::is_floating_point_v<T> ? !value.is_number() : !whole) {
      wrong(where, "expected ", std::is_floating_point_v<T> ? "a number" : "a whole number", ", found ", json_type_name(value.type()));
    }
    check_range(o, value.as_double(), where);
    field = whole ? static_cast<T>(value.as_integer()) : static_cast<T>(value.as_double());
  };
  return o;
}

Option& Options::value(std::string_view flags, std::string_view placeholder, int& field, std::string_view help) {
  return number(flags, placeholder, field, help);
}
Option& Options::value(std::string_view flags, std::string_view placeholder, std::int64_t& field, std::string_view help) {
  return number(flags, placeholder, field, help);
}
Option& Options::value(std::string_view flags, std::string_view placeholder, float& field, std::string_view help) {
  return number(flags, placeholder, field, help);
}

Option& Options::value(std::string_view flags, std::string_view placeholder, std::string& field, std::string_view help) {
  Option& o = add(flags, placeholder, help);
  o.fallback = field;
  o.set = [&field](std::string_view text, std::string_view) { field = text; };
  o.set_json = [&field](const Json& value, std::string_view where) {
    if (!value.is_string()) wrong(where, "expected a string, found ", json_type_name(value.type()));
    field = value.as_string();
  };
  return o;
}

Option& Options::value(std::string_view flags, std::string_view placeholder, std::optional<std::string>& field, std::string_view help) {
  Option& o = add(flags, placeholder, help);
  if (field) o.fallback = *field;
  o.set = [&field](std::string_view text, std::string_view) { field = std::string(text); };
  o.set_json = [&field](const Json& value, std::string_view where) {
    if (!value.is_string()) wrong(where, "expected a string, found ", json_type_name(value.type()));
    field = value.as_string();
  };
  return o;
}

Option& Options::value(std::string_view flags, std::string_view placeholder, std::vector<std::string>& field, std::string_view help) {
  Option& o = add(flags, placeholder, help);
  o.repeats = true;
  o.set = [&field](std::string_view text, std::string_view) { field.emplace_back(text); };
  o.set_json = [&field](const Json& value, std::string_view where) {
    std::vector<std::string> list;
    if (value.is_string()) {
      list.push_back(value.as_string());
    } else if (value.is_array() && std::ranges::all_of(value.as_array(), [](const Json& v) { return v.is_string(); })) {
      for (const Json& v : value.as_array()) list.push_back(v.as_string());
    } else {
      wrong(where, "expected a string or a list of strings");
    }
    field = std::move(list);
  };
  return o;
}

Option& Options::value(std::string_view flags, std::string_view placeholder, std::vector<std::int64_t>& field, std::string_view help) {
  Option& o = add(flags, placeholder, help);
  for (const std::int64_t v : field) o.fallback += cat(o.fallback.empty() ? "" : ",", v);
  o.set = [&field, &o](std::string_view text, std::string_view where) {
    std::vector<std::int64_t> list = parse_id_list(text, where);
    for (const std::int64_t v : list) check_range(o, static_cast<double>(v), where);
    field = std::move(list);
  };
  o.set_json = [&field, &o](const Json& value, std::string_view where) {
    std::vector<std::int64_t> list;
    if (!value.is_array()) wrong(where, "expected a list of whole numbers, found ", json_type_name(value.type()));
    for (const Json& v : value.as_array()) {
      if (!v.is_integer()) wrong(where, "expected whole numbers, found ", json_type_name(v.type()));
      check_range(o, static_cast<double>(v.as_integer()), where);
      list.push_back(v.as_integer());
    }
    field = std::move(list);
  };
  return o;
}

Option& Options::choice_of(std::string_view flags, std::string_view placeholder, std::vector<std::string> names, std::string fallback,
                           std::string_view help, std::function<void(std::size_t)> set) {
  Option& o = add(flags, placeholder, help);
  o.choices = std::move(names);
  o.fallback = std::move(fallback);
  o.set = [&o, set = std::move(set)](std::string_view text, std::string_view where) {
    const auto it = std::ranges::find(o.choices, text);
    if (it != o.choices.end()) return set(static_cast<std::size_t>(it - o.choices.begin()));
    std::string list;
    for (const std::string& name : o.choices) list += cat(list.empty() ? "" : ", ", name);
    wrong(where, quoted(text), " is none of ", list);
  };
  o.set_json = [&o](const Json& value, std::string_view where) {
    if (!value.is_string()) wrong(where, "expected a string, found ", json_type_name(value.type()));
    o.set(value.as_string(), where);
  };
  return o;
}

Option& Options::custom(std::string_view flags, std::string_view placeholder, std::string_view help,
                        std::function<void(std::string_view, std::string_view)> set) {
  Option& o = add(flags, placeholder, help);
  o.set = std::move(set);
  o.set_json = [&o](const Json& value, std::string_view where) {
    o.set(value.is_string() ? value.as_string() : dump_json(value), where);
  };
  return o;
}

Positional& Options::positional(std::string_view placeholder, std::string& field, std::string_view help) {
  Positional& p = positionals_.emplace_back();
  p.placeholder = placeholder;
  p.help = help;
  p.set = [&field](std::string_view text) { field = text; };
  return p;
}

Positional& Options::positional(std::string_view placeholder, std::optional<std::string>& field, std::string_view help) {
  Positional& p = positionals_.emplace_back();
  p.placeholder = placeholder;
  p.help = help;
  p.required = false;
  p.set = [&field](std::string_view text) { field = std::string(text); };
  return p;
}

Positional& Options::positional(std::string_view placeholder, std::vector<std::string>& field, std::string_view help) {
  Positional& p = positionals_.emplace_back();
  p.placeholder = placeholder;
  p.help = help;
  p.rest = true;
  p.set = [&field](std::string_view text) { field.emplace_back(text); };
  return p;
}

Option* Options::find_flag(std::string_view flag) {
  for (Option& o : options_) {
    if (std::ranges::find(o.flags, flag) != o.flags.end()) return &o;
  }
  return nullptr;
}

Option* Options::find_name(std::string_view name) {
  std::string flag = cat("--", name);
  std::ranges::replace(flag, '_', '-');
  return find_flag(flag);
}

int edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, 64), b = b.substr(0, 64);
  std::vector<int> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

std::string nearest_word(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  int distance = static_cast<int>(word.size()) / 3 + 1;
  for (const std::string& candidate : known) {
    const bool begins = word.size() >= 3 && std::string_view(candidate).substr(0, word.size()) == word;
    const int d = begins ? 1 : edit_distance(word, candidate);
    if (d < distance || (d == distance && best.empty())) best = candidate, distance = d;
  }
  return best;
}

}  // namespace tashika
