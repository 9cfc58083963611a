#include "text/jinja/filters.h"

#include <algorithm>
#include <charconv>

#include "text/jinja/ast.h"
#include "text/jinja/python_unicode.h"

namespace tashika::jinja {
namespace {

const Filter* find_filter(std::string_view name) {
  for (const auto filters : {text_filters(), number_filters(), sequence_filters(), selection_filters()}) {
    for (const Filter& filter : filters) {
      if (filter.name == name) return &filter;
    }
  }
  return nullptr;
}

}  // namespace

bool filter_exists(std::string_view name) {
  return find_filter(name) != nullptr;
}

Value Interpreter::filter(std::string_view name, Args& args) {
  const Filter* found = find_filter(name);
  if (!found) fail_template("No filter named '", name, "' found.");
  if (!found->function) fail_template("the filter '", name, "' is not supported in chat templates");
  return found->function(*this, args);
}

Value soft_text(Interpreter& in, const Value& value) {
  return value.is_string() ? value : in.heap.string(to_text(in.heap, value));
}

AttributePath::AttributePath(Interpreter& in, const Value* attribute, const Value* fallback) {
  if (fallback) fallback_ = *fallback;
  if (!attribute || attribute->is_none()) return;
  if (!attribute->is_string()) {
    parts_.push_back(*attribute);
    return;
  }
  std::string_view text = attribute->text();
  for (;;) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    std::int64_t index = 0;
    const bool digits =
        !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits && std::from_chars(part.data(), part.data() + part.size(), index).ec == std::errc()) {
      parts_.push_back(Value(index));
    } else {
      parts_.push_back(in.heap.string(std::string(part)));
    }
    if (dot == text.npos) return;
    text.remove_prefix(dot + 1);
  }
}

Value AttributePath::get(Interpreter& in, const Value& item) const {
  Value value = item;
  for (const Value& part : parts_) {
    value = in.item(value, part);
    if (value.is_undefined() && !fallback_.is_none()) value = fallback_;
  }
  return value;
}

Value sort_key(Interpreter& in, const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.is_string()) return value;
  in.heap.work(value.text().size() / 16);
  return in.heap.string(python_lower(value.text()));
}

std::int64_t integer_of(std::string_view filter, const Value* value, std::int64_t fallback) {
  if (!value) return fallback;
  refuse_undefined(*value);
  if (!value->is_integral()) fail_template(filter, ": an integer is required, not ", type_name(*value));
  return value->integer();
}

}  // namespace tashika::jinja
