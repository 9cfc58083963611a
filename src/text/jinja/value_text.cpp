// str(), repr() and json.dumps() of values.
#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "base/utf8.h"
#include "text/jinja/python_unicode.h"
#include "text/jinja/value.h"

namespace tashika::jinja {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

void append_hex(std::string& out, char32_t code, int digits) {
  for (int i = digits - 1; i >= 0; --i) out += hex_digits[code >> (4 * i) & 15];
}

class JsonDump {
 public:
  JsonDump(Heap& heap, const JsonFormat& format) : heap_(heap), format_(format) {}

  void write(const Value& value, int depth) {
    heap_.work(1);
    Heap::check_text(out.size());
    switch (value.kind()) {
      case Kind::none:
        out += "null";
        return;
      case Kind::boolean:
        out += value.boolean() ? "true" : "false";
        return;
      case Kind::integer:
        detail::append(out, value.integer());
        return;
      case Kind::real:
        out += number(value.real());
        return;
      case Kind::string:
        write_string(value.text());
        return;
      case Kind::seq: {
        const auto& items = value.seq().items;
        write_items('[', ']', items.size(), depth, [&](std::size_t i) { write(items[i], depth + 1); });
        return;
      }
      case Kind::dict:
        write_dict(value.dict(), depth);
        return;
      default:
        break;
    }
    fail_template("Object of type ", type_name(value), " is not JSON serializable");
  }

  std::string out;

 private:
  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return python_float(value);
  }

  void write_dict(const Dict& dict, int depth) {
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (format_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto* a, const auto* b) { return compare(heap_, a->first, b->first, "<") == -1; });
    }
    write_items('{', '}', entries.size(), depth, [&](std::size_t i) {
      const Value& key = entries[i]->first;
      switch (key.kind()) {
        case Kind::none:
          write_string("null");
          break;
        case Kind::boolean:
          write_string(key.boolean() ? "true" : "false");
          break;
        case Kind::integer:
          write_string(cat(key.integer()));
          break;
        case Kind::real:
          write_string(number(key.real()));
          break;
        case Kind::string:
          write_string(key.text());
          break;
        default:
          fail_template("keys must be str, int, float, bool or None, not ", type_name(key));
      }
      out += format_.key_separator;
      write(entries[i]->second, depth + 1);
    });
  }

  template <typename WriteItem>
  void write_items(char open, char close, std::size_t count, int depth, const WriteItem& write_item) {
    out += open;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out += format_.item_separator;
      new_line(depth + 1);
      write_item(i);
    }
    if (count > 0) new_line(depth);
    out += close;
  }

  void new_line(int depth) {
    if (!format_.indented) return;
    out += '\n';
    heap_.work(1 + format_.indent.size() * depth / 64);
    Heap::check_text(out.size() + format_.indent.size() * depth);
    for (int i = 0; i < depth; ++i) out += format_.indent;
  }

  void write_string(std::string_view text) {
    heap_.work(1 + text.size() / 64);
    Heap::check_text(out.size() + text.size());
    out += '"';
    for (std::size_t i = 0; i < text.size();) {
      const Utf8Char c = decode_utf8(text, i);
      i += c.size;
      switch (c.code) {
        case '"':
          out += "\\\"";
          continue;
        case '\\':
          out += "\\\\";
          continue;
        case '\n':
          out += "\\n";
          continue;
        case '\r':
          out += "\\r";
          continue;
        case '\t':
          out += "\\t";
          continue;
        case '\b':
          out += "\\b";
          continue;
        case '\f':
          out += "\\f";
          continue;
        default:
          break;
      }
      if (c.code >= 0x20 && (c.code < 0x7f || !format_.ensure_ascii)) {
        append_utf8(out, c.code);
      } else if (c.code < 0x10000) {
        out += "\\u";
        append_hex(out, c.code, 4);
      } else {
        out += "\\u";
        append_hex(out, 0xD800 + ((c.code - 0x10000) >> 10), 4);
        out += "\\u";
        append_hex(out, 0xDC00 + ((c.code - 0x10000) & 0x3FF), 4);
      }
    }
    out += '"';
  }

  Heap& heap_;
  const JsonFormat& format_;
};

}  // namespace

std::string repr_text(std::string_view text) {
  const bool single = text.find('\'') != text.npos, both = single && text.find('"') != text.npos;
  const char quote = single && !both ? '"' : '\'';
  std::string out(1, quote);
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    i += c.size;
    if (c.code == static_cast<unsigned char>(quote) || c.code == '\\') {
      out += '\\';
      out += static_cast<char>(c.code);
    } else if (c.code == '\n') {
      out += "\\n";
    } else if (c.code == '\r') {
      out += "\\r";
    } else if (c.code == '\t') {
      out += "\\t";
    } else if (c.code < 0x20 || c.code == 0x7f) {
      out += "\\x";
      append_hex(out, c.code, 2);
    } else if (c.code < 0x7f || (char_flags(c.code) & char_printable)) {
      append_utf8(out, c.code);
    } else if (c.code < 0x100) {
      out += "\\x";
      append_hex(out, c.code, 2);
    } else if (c.code < 0x10000) {
      out += "\\u";
      append_hex(out, c.code, 4);
    } else {
      out += "\\U";
      append_hex(out, c.code, 8);
    }
  }
  out += quote;
  return out;
}

namespace {

void append_repr(Heap& heap, const Value& value, int depth, std::string& out) {
  heap.work(1);
  if (depth > max_depth) throw_limit("values of the template are nested too deeply");
  Heap::check_text(out.size());
  switch (value.kind()) {
    case Kind::undefined:
      out += "Undefined";
      return;
    case Kind::none:
      out += "None";
      return;
    case Kind::boolean:
      out += value.boolean() ? "True" : "False";
      return;
    case Kind::integer:
      detail::append(out, value.integer());
      return;
    case Kind::real:
      out += python_float(value.real());
      return;
    case Kind::string:
      heap.work(value.text().size() / 64);
      if (value.str().markup) out += "Markup(";
      out += repr_text(value.text());
      if (value.str().markup) out += ')';
      return;
    case Kind::seq: {
      const Seq& seq = value.seq();
      out += seq.tuple ? '(' : '[';
      for (std::size_t i = 0; i < seq.items.size(); ++i) {
        if (i > 0) out += ", ";
        append_repr(heap, seq.items[i], depth + 1, out);
      }
      if (seq.tuple && seq.items.size() == 1) out += ',';
      out += seq.tuple ? ')' : ']';
      return;
    }
    case Kind::dict: {
      out += '{';
      bool first = true;
      for (const auto& [key, item] : value.dict().entries) {
        if (!first) out += ", ";
        first = false;
        append_repr(heap, key, depth + 1, out);
        out += ": ";
        append_repr(heap, item, depth + 1, out);
      }
      out += '}';
      return;
    }
    case Kind::object:
      out += value.object().repr(heap, depth + 1);
      return;
  }
}

}  // namespace

std::string to_repr(Heap& heap, const Value& value, int depth) {
  std::string out;
  append_repr(heap, value, depth, out);
  Heap::check_text(out.size());
  return out;
}

std::string to_text(Heap& heap, const Value& value) {
  if (value.is_string()) return value.text();
  if (value.is_undefined()) return "";
  return to_repr(heap, value);
}

std::string to_json(Heap& heap, const Value& value, const JsonFormat& format) {
  JsonDump dump(heap, format);
  dump.write(value, 0);
  return std::move(dump.out);
}

}  // namespace tashika::jinja
