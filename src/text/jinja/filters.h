// The filters, split over files by what they work on. args.positional[0] is the filtered value.
#pragma once

#include <span>
#include <string_view>

#include "text/jinja/interpreter.h"

namespace tashika::jinja {

struct Filter {
  std::string_view name;
  Value (*function)(Interpreter& in, Args& args);  // null: jinja2 has it, this does not
};

std::span<const Filter> text_filters();
std::span<const Filter> number_filters();
std::span<const Filter> sequence_filters();
std::span<const Filter> selection_filters();

// jinja2's soft_str: the text of a value; a string stays itself, Markup or not.
Value soft_text(Interpreter& in, const Value& value);
// "a.b.0" or an integer: what follows an attribute path. A default replaces what is undefined.
class AttributePath {
 public:
  AttributePath(Interpreter& in, const Value* attribute, const Value* fallback = nullptr);
  Value get(Interpreter& in, const Value& item) const;

 private:
  std::vector<Value> parts_;
  Value fallback_;
};
// Strings in lower case unless the case counts: what sort, unique, min, max and groupby compare.
Value sort_key(Interpreter& in, const Value& value, bool case_sensitive);
std::int64_t integer_of(std::string_view filter, const Value* value, std::int64_t fallback);

}  // namespace tashika::jinja
