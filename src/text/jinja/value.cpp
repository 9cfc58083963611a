#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "base/utf8.h"

namespace tashika::jinja {

void throw_failure(std::string message) {
  throw Failure{std::move(message), false};
}
void throw_limit(std::string message) {
  throw Failure{std::move(message), true};
}

Charge::Charge(Heap* heap, std::size_t bytes) : heap_(heap), bytes_(bytes) {
  if (!heap_) return;
  heap_->work(1 + bytes_ / 64);
  if (bytes_ > max_live - heap_->live_) throw_limit("the values of the template take more than 256 MiB");
  heap_->live_ += bytes_;
}

Charge::~Charge() {
  if (heap_) heap_->live_ -= bytes_;
}

Heap::~Heap() = default;

void Heap::too_many_steps() const {
  throw_limit(cat("the template does more than ", budget_.steps, " loop rounds and calls"));
}

int Heap::checked_depth(int depth) const {
  if (depth > max_depth) throw_limit("values of the template are nested too deeply");
  return depth;
}

namespace {

std::size_t count_characters(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return n;
}

constexpr std::size_t ordered_from = 16;

}  // namespace

Value Heap::string(std::string text, bool markup) {
  check_text(text.size());
  const std::size_t length = count_characters(text), bytes = text.size() + sizeof(Str);
  return Value(std::shared_ptr<const Str>(new Str{std::move(text), length, markup, Charge(this, bytes)}));
}

Value constant_string(std::string text) {
  const std::size_t length = count_characters(text);
  return Value(std::shared_ptr<const Str>(new Str{std::move(text), length, false, Charge(nullptr, 0)}));
}

Value Heap::sequence(std::vector<Value> items, bool tuple, bool group) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, depth_of(item));
  depth = checked_depth(depth + 1);
  const std::size_t bytes = items.capacity() * sizeof(Value) + sizeof(Seq);
  return Value(std::shared_ptr<const Seq>(new Seq{std::move(items), tuple, depth, Charge(this, bytes), group}));
}

Value Heap::pair(Value a, Value b, bool group) {
  std::vector<Value> items;
  items.reserve(2);
  items.push_back(std::move(a));
  items.push_back(std::move(b));
  return sequence(std::move(items), true, group);
}

Value Heap::dict(Entries entries) {
  int depth = 0;
  for (const auto& [key, value] : entries) depth = std::max({depth, depth_of(key), depth_of(value)});
  depth = checked_depth(depth + 1);
  std::vector<std::uint32_t> order;
  if (entries.size() >= ordered_from) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].first.is_string()) order.push_back(static_cast<std::uint32_t>(i));
    }
    std::sort(order.begin(), order.end(),
              [&](std::uint32_t a, std::uint32_t b) { return entries[a].first.text() < entries[b].first.text(); });
    work(order.size());
  }
  const std::size_t bytes = entries.capacity() * 2 * sizeof(Value) + order.size() * 4 + sizeof(Dict);
  return Value(std::shared_ptr<const Dict>(new Dict{std::move(entries), std::move(order), depth, Charge(this, bytes)}));
}

Value Heap::dict_of_pairs(Entries pairs) {
  // Sorted string keys find duplicates without comparing all with all; other keys are few.
  std::vector<std::uint32_t> strings;
  std::vector<std::uint32_t> first(pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    check_hashable(pairs[i].first);
    first[i] = static_cast<std::uint32_t>(i);
    if (pairs[i].first.is_string()) {
      strings.push_back(static_cast<std::uint32_t>(i));
      continue;
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (pairs[j].first.is_string()) continue;
      if (equal(*this, pairs[j].first, pairs[i].first)) {
        first[i] = static_cast<std::uint32_t>(j);
        break;
      }
    }
  }
  std::stable_sort(strings.begin(), strings.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return pairs[a].first.text() < pairs[b].first.text(); });
  for (std::size_t i = 1; i < strings.size(); ++i) {
    if (pairs[strings[i]].first.text() == pairs[strings[i - 1]].first.text()) first[strings[i]] = first[strings[i - 1]];
  }
  Entries kept;
  std::vector<std::uint32_t> place(pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (first[i] == i) {
      place[i] = static_cast<std::uint32_t>(kept.size());
      kept.push_back(std::move(pairs[i]));
    } else {
      kept[place[first[i]]].second = std::move(pairs[i].second);
    }
  }
  return dict(std::move(kept));
}

Value Heap::undefined(std::string message) {
  work(1);
  return Value(std::make_shared<const Undefined>(Undefined{std::move(message)}));
}

Value Heap::object(std::shared_ptr<Object> object, int depth_of_parts) {
  work(2);
  object->depth = checked_depth(depth_of_parts + 1);
  return Value(std::move(object));
}

const Value* Dict::find(std::string_view key) const {
  if (order.empty()) {
    for (const auto& [k, v] : entries) {
      if (k.is_string() && k.text() == key) return &v;
    }
    return nullptr;
  }
  const auto at = std::lower_bound(order.begin(), order.end(), key, [&](std::uint32_t i, std::string_view wanted) {
    return entries[i].first.text() < wanted;
  });
  if (at == order.end() || entries[*at].first.text() != key) return nullptr;
  return &entries[*at].second;
}

const Value* Dict::find(Heap& heap, const Value& key) const {
  if (key.is_string()) return find(key.text());
  check_hashable(key);
  heap.work(entries.size());
  for (const auto& [k, v] : entries) {
    if (!k.is_string() && equal(heap, k, key)) return &v;
  }
  return nullptr;
}

std::string Object::repr(Heap&, int) {
  return cat("<", type_name(), ">");
}

Value Object::call(Interpreter&, Args&) {
  fail_template("'", type_name(), "' object is not callable");
}

std::unique_ptr<Iterator> Object::iterate(Interpreter&, const Value&) {
  fail_template("'", type_name(), "' object is not iterable");
}

bool Value::same_as(const Value& other) const {
  if (kind() != other.kind()) return false;
  switch (kind()) {
    case Kind::undefined:
      return &undefined() == &other.undefined();
    case Kind::none:
      return true;
    case Kind::boolean:
      return boolean() == other.boolean();
    case Kind::integer:
      return integer() == other.integer();
    case Kind::real:
      return false;
    case Kind::string:
      return &str() == &other.str() || (str().length <= 1 && text() == other.text());
    case Kind::seq:
      return &seq() == &other.seq() ||
             (is_tuple() && other.is_tuple() && seq().items.empty() && other.seq().items.empty());
    case Kind::dict:
      return &dict() == &other.dict();
    case Kind::object:
      return &object() == &other.object();
  }
  return false;
}

int depth_of(const Value& value) {
  switch (value.kind()) {
    case Kind::seq:
      return value.seq().depth;
    case Kind::dict:
      return value.dict().depth;
    case Kind::object:
      return value.object().depth;
    default:
      return 0;
  }
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "NoneType";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::real:
      return "float";
    case Kind::string:
      return value.str().markup ? "Markup" : "str";
    case Kind::seq:
      return value.seq().tuple ? "tuple" : "list";
    case Kind::dict:
      return "dict";
    case Kind::object:
      return value.object().type_name();
  }
  return "?";
}

bool truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
      return value.boolean();
    case Kind::integer:
      return value.integer() != 0;
    case Kind::real:
      return value.real() != 0;
    case Kind::string:
      return !value.text().empty();
    case Kind::seq:
      return !value.seq().items.empty();
    case Kind::dict:
      return !value.dict().entries.empty();
    case Kind::object:
      return value.object().truthy();
  }
  return false;
}

int compare_numbers(const Value& a, const Value& b) {
  if (!a.is_real() && !b.is_real()) return a.integer() < b.integer() ? -1 : a.integer() > b.integer();
  if (a.is_real() && b.is_real()) {
    if (std::isnan(a.real()) || std::isnan(b.real())) return 2;
    return a.real() < b.real() ? -1 : a.real() > b.real();
  }
  if (a.is_real()) {
    const int reversed = compare_numbers(b, a);
    return reversed == 2 ? 2 : -reversed;
  }
  // An integer with a real, exactly.
  const double real = b.real();
  if (std::isnan(real)) return 2;
  if (real >= 0x1p63) return -1;
  if (real < -0x1p63) return 1;
  const double whole = std::trunc(real);
  const auto integer = static_cast<std::int64_t>(whole);
  if (a.integer() != integer) return a.integer() < integer ? -1 : 1;
  return real > whole ? -1 : real < whole;
}

bool equal(Heap& heap, const Value& a, const Value& b) {
  heap.work(1);
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::undefined:
    case Kind::none:
      return true;
    case Kind::string:
      return a.text() == b.text();
    case Kind::seq: {
      if (&a.seq() == &b.seq()) return true;
      const auto &x = a.seq().items, &y = b.seq().items;
      if (a.seq().tuple != b.seq().tuple || x.size() != y.size()) return false;
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (!x[i].same_as(y[i]) && !equal(heap, x[i], y[i])) return false;
      }
      return true;
    }
    case Kind::dict: {
      if (&a.dict() == &b.dict()) return true;
      if (a.dict().entries.size() != b.dict().entries.size()) return false;
      for (const auto& [key, value] : a.dict().entries) {
        const Value* other = b.dict().find(heap, key);
        if (!other || (!value.same_as(*other) && !equal(heap, value, *other))) return false;
      }
      return true;
    }
    case Kind::object:
      return &a.object() == &b.object() || a.object().equals(heap, b.object());
    default:
      return false;
  }
}

int compare(Heap& heap, const Value& a, const Value& b, std::string_view op) {
  heap.work(1);
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  refuse_undefined(a);
  refuse_undefined(b);
  if (a.is_string() && b.is_string()) {
    // The order of UTF-8 bytes is the order of code points.
    const int order = a.text().compare(b.text());
    return order < 0 ? -1 : order > 0;
  }
  if (a.is_seq() && b.is_seq() && a.seq().tuple == b.seq().tuple) {
    const auto &x = a.seq().items, &y = b.seq().items;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (x[i].same_as(y[i]) || equal(heap, x[i], y[i])) continue;
      return compare(heap, x[i], y[i], op);
    }
    return x.size() < y.size() ? -1 : x.size() > y.size();
  }
  fail_template("'", op, "' not supported between instances of '", type_name(a), "' and '", type_name(b), "'");
}

bool hashable(const Value& value) {
  if (value.is_list() || value.is_dict()) return false;
  if (!value.is_tuple()) return true;
  return std::all_of(value.seq().items.begin(), value.seq().items.end(), hashable);
}

void check_hashable(const Value& value) {
  if (!hashable(value)) fail_template("unhashable type: '", type_name(value), "'");
}

bool has_length(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::string:
    case Kind::seq:
    case Kind::dict:
      return true;
    case Kind::object:
      return value.object().sized();
    default:
      return false;
  }
}

std::size_t length_of(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return 0;
    case Kind::string:
      return value.str().length;
    case Kind::seq:
      return value.seq().items.size();
    case Kind::dict:
      return value.dict().entries.size();
    case Kind::object:
      if (value.object().sized()) return value.object().size();
      break;
    default:
      break;
  }
  fail_template("object of type '", type_name(value), "' has no len()");
}

void fail_undefined(const Value& value) {
  throw_failure(value.undefined().message);
}

}  // namespace tashika::jinja
