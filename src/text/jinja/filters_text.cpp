// Filters of text: case, white space, escaping, formatting, JSON.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/python_unicode.h"

namespace tashika::jinja {
namespace {

template <std::string (*Map)(std::string_view)>
Value mapped(Interpreter& in, Args& args) {
  bind("filter", args, {"s"}, 1);
  const Value text = soft_text(in, args.positional[0]);
  in.heap.work(text.text().size() / 8);
  return in.heap.string_like(text.str(), Map(text.text()));
}

// Each word starts with a capital; words start after white space and -({[<.
Value title(Interpreter& in, Args& args) {
  bind("title", args, {"s"}, 1);
  const Value value = soft_text(in, args.positional[0]);
  const std::string_view text = value.text();
  in.heap.work(text.size() / 8);
  const auto separates = [](char32_t c) {
    return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char first = decode_utf8(text, at);
    std::size_t end = at + static_cast<std::size_t>(first.size);
    const bool separator = separates(first.code);
    while (end < text.size()) {
      const Utf8Char c = decode_utf8(text, end);
      if (separates(c.code) != separator) break;
      end += static_cast<std::size_t>(c.size);
    }
    out += python_upper(text.substr(at, static_cast<std::size_t>(first.size)));
    out += python_lower(
        text.substr(at + static_cast<std::size_t>(first.size), end - at - static_cast<std::size_t>(first.size)));
    at = end;
  }
  return in.heap.string(std::move(out));
}

Value trim(Interpreter& in, Args& args) {
  const auto bound = bind("trim", args, {"value", "chars"}, 1);
  const Value text = soft_text(in, *bound[0]);
  const std::string* chars = nullptr;
  if (bound[1] && !bound[1]->is_none()) {
    if (!bound[1]->is_string()) fail_template("strip arg must be None or str");
    chars = &bound[1]->text();
  }
  in.heap.work(text.text().size() / 16);
  return in.heap.string_like(text.str(), std::string(strip_text(text.text(), chars, true, true)));
}

Value replace(Interpreter& in, Args& args) {
  const auto bound = bind("replace", args, {"s", "old", "new", "count"}, 3);
  const std::int64_t limit = bound[3] && !bound[3]->is_none() ? integer_of("replace", bound[3], -1) : -1;
  return in.heap.string(replace_text(in.heap, to_text(in.heap, *bound[0]), to_text(in.heap, *bound[1]),
                                     to_text(in.heap, *bound[2]), limit));
}

Value string(Interpreter& in, Args& args) {
  bind("string", args, {"s"}, 1);
  return soft_text(in, args.positional[0]);
}

Value center(Interpreter& in, Args& args) {
  const auto bound = bind("center", args, {"value", "width"}, 1);
  const Value text = soft_text(in, *bound[0]);
  return in.heap.string_like(text.str(), pad_text(text.str(), integer_of("center", bound[1], 80), " ", false, true));
}

Value indent(Interpreter& in, Args& args) {
  const auto bound = bind("indent", args, {"s", "width", "first", "blank"}, 1);
  refuse_undefined(*bound[0]);
  if (!bound[0]->is_string()) fail_template("the filter indent needs a string, not ", type_name(*bound[0]));
  std::string space(4, ' ');
  if (bound[1] && bound[1]->is_string()) {
    space = bound[1]->text();
  } else if (bound[1]) {
    const std::int64_t width = std::max<std::int64_t>(integer_of("indent", bound[1], 4), 0);
    if (width > static_cast<std::int64_t>(max_text)) throw_limit("a string of the template is longer than 16 MiB");
    space.assign(static_cast<std::size_t>(width), ' ');
  }
  const bool first = bound[2] && truthy(*bound[2]), blank = bound[3] && truthy(*bound[3]);
  const std::string text = bound[0]->text() + "\n";
  in.heap.work(text.size() / 16);
  std::string out;
  bool first_line = true;
  for (const std::string_view line : split_lines(text, false)) {
    Heap::check_text(out.size() + space.size() + line.size() + 1);
    if (!first_line) out += '\n';
    if (first_line ? first : blank || !line.empty()) out += space;
    out += line;
    first_line = false;
  }
  return in.heap.string_like(bound[0]->str(), std::move(out));
}

Value truncate(Interpreter& in, Args& args) {
  const auto bound = bind("truncate", args, {"s", "length", "killwords", "end", "leeway"}, 1);
  const Value& value = *bound[0];
  const std::int64_t length = integer_of("truncate", bound[1], 255);
  const Value end = bound[3] ? *bound[3] : in.heap.string("...");
  if (!end.is_string()) fail_template("truncate: end must be a string");
  const std::int64_t leeway = bound[4] && !bound[4]->is_none() ? integer_of("truncate", bound[4], 5) : 5;
  const auto end_length = static_cast<std::int64_t>(end.str().length);
  if (length < end_length) fail_template("expected length >= ", end_length, ", got ", length);
  if (leeway < 0) fail_template("expected leeway >= 0, got ", leeway);
  const auto size = static_cast<std::int64_t>(length_of(value));
  if (size - leeway <= length) return value;
  if (!value.is_string()) fail_template("the filter truncate needs a string, not ", type_name(value));
  const Value head = in.slice(value, Value(), Value(length - end_length), Value());
  std::string text = head.text();
  if (!bound[2] || !truthy(*bound[2])) text = text.substr(0, text.rfind(' '));
  return in.heap.string_like(value.str(), text + end.text());
}

Value wordcount(Interpreter& in, Args& args) {
  bind("wordcount", args, {"s"}, 1);
  const Value value = soft_text(in, args.positional[0]);
  const std::string& text = value.text();
  in.heap.work(text.size() / 8);
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    const bool word = c.code == '_' || (char_flags(c.code) & (char_alpha | char_decimal | char_digit | char_numeric));
    words += word && !inside;
    inside = word;
    at += static_cast<std::size_t>(c.size);
  }
  return Value(words);
}

Value safe(Interpreter& in, Args& args) {
  bind("safe", args, {"value"}, 1);
  return in.heap.string(to_text(in.heap, args.positional[0]), true);
}

Value escape(Interpreter& in, Args& args) {
  bind("escape", args, {"s"}, 1);
  const Value& value = args.positional[0];
  if (value.is_string() && value.str().markup) return value;
  return in.heap.string(escape_html(to_text(in.heap, value)), true);
}

Value force_escape(Interpreter& in, Args& args) {
  bind("forceescape", args, {"value"}, 1);
  return in.heap.string(escape_html(to_text(in.heap, args.positional[0])), true);
}

Value format(Interpreter& in, Args& args) {
  const Value format_text = soft_text(in, args.positional[0]);
  if (!args.named.empty() && args.positional.size() > 1) {
    fail_template("can't handle positional and keyword arguments at the same time");
  }
  Value argument;
  if (!args.named.empty()) {
    Entries entries;
    for (auto& [name, value] : args.named) entries.emplace_back(in.heap.string(name), value);
    argument = in.heap.dict(std::move(entries));
  } else {
    argument = in.heap.tuple(std::vector<Value>(args.positional.begin() + 1, args.positional.end()));
  }
  return in.heap.string_like(format_text.str(), percent_format(in, format_text.str(), argument));
}

std::string quote(std::string_view text, bool query) {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                       c == '.' || c == '-' || c == '~' || (c == '/' && !query);
    if (plain) {
      out += c;
    } else if (c == ' ' && query) {
      out += '+';
    } else {
      out += '%';
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
  }
  return out;
}

Value urlencode(Interpreter& in, Args& args) {
  bind("urlencode", args, {"value"}, 1);
  const Value& value = args.positional[0];
  const bool iterable =
      value.is_seq() || value.is_dict() || value.is_undefined() || (value.is_object() && value.object().iterable());
  if (!iterable) return in.heap.string(quote(to_text(in.heap, value), false));
  Entries pairs;
  if (value.is_dict()) {
    pairs = value.dict().entries;
  } else {
    for (const Value& item : in.items_of(value)) {
      const std::vector<Value> parts = in.items_of(item);
      if (parts.size() != 2) fail_template("urlencode needs pairs");
      pairs.emplace_back(parts[0], parts[1]);
    }
  }
  std::string out;
  for (const auto& [key, item] : pairs) {
    if (!out.empty()) out += '&';
    out += quote(to_text(in.heap, key), true) + "=" + quote(to_text(in.heap, item), true);
    Heap::check_text(out.size());
  }
  return in.heap.string(std::move(out));
}

// transformers' own: json.dumps with ensure_ascii off.
Value tojson(Interpreter& in, Args& args) {
  const auto bound = bind("tojson", args, {"x", "ensure_ascii", "indent", "separators", "sort_keys"}, 1);
  JsonFormat format;
  format.ensure_ascii = bound[1] && truthy(*bound[1]);
  format.sort_keys = bound[4] && truthy(*bound[4]);
  if (bound[2] && !bound[2]->is_none()) {
    refuse_undefined(*bound[2]);
    format.indented = true;
    format.item_separator = ",";
    if (bound[2]->is_string()) {
      format.indent = bound[2]->text();
    } else {
      const std::int64_t width = integer_of("tojson", bound[2], 0);
      if (width > 65536) throw_limit("tojson: the indent is too large");
      format.indent.assign(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
    }
  }
  if (bound[3] && !bound[3]->is_none()) {
    const std::vector<Value> parts = in.items_of(*bound[3]);
    if (parts.size() != 2 || !parts[0].is_string() || !parts[1].is_string()) {
      fail_template("tojson: separators must be a pair of strings");
    }
    format.item_separator = parts[0].text();
    format.key_separator = parts[1].text();
  }
  return in.heap.string(to_json(in.heap, *bound[0], format));
}

constexpr Filter filters[] = {
    {"capitalize", mapped<python_capitalize>},
    {"center", center},
    {"e", escape},
    {"escape", escape},
    {"forceescape", force_escape},
    {"format", format},
    {"indent", indent},
    {"lower", mapped<python_lower>},
    {"pprint", nullptr},
    {"replace", replace},
    {"safe", safe},
    {"string", string},
    {"striptags", nullptr},
    {"title", title},
    {"tojson", tojson},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", mapped<python_upper>},
    {"urlencode", urlencode},
    {"urlize", nullptr},
    {"wordcount", wordcount},
    {"wordwrap", nullptr},
    {"xmlattr", nullptr},
};

}  // namespace

std::span<const Filter> text_filters() {
  return filters;
}

}  // namespace tashika::jinja
