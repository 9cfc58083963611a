// The methods of dict, list, tuple and numbers, and the views of a dict.
#include "text/jinja/methods.h"

#include <algorithm>
#include <cmath>

namespace tashika::jinja {
namespace {

enum class ViewKind { keys, values, items };

class DictView : public Object {
 public:
  DictView(Value dict, ViewKind kind) : dict_(std::move(dict)), kind_(kind) {}
  std::string_view type_name() const override {
    return kind_ == ViewKind::keys ? "dict_keys" : kind_ == ViewKind::values ? "dict_values" : "dict_items";
  }
  std::string repr(Heap& heap, int level) override {
    std::vector<Value> items;
    for (std::size_t i = 0; i < size(); ++i) items.push_back(at(heap, i));
    return cat(type_name(), "(", to_repr(heap, heap.list(std::move(items)), level), ")");
  }
  bool iterable() const override { return true; }
  std::unique_ptr<Iterator> iterate(Interpreter&, const Value& self) override {
    return make_iterator([self, i = std::size_t{0}](Interpreter& in, Value& out) mutable {
      const auto* view = self.object_as<DictView>();
      if (i >= view->size()) return false;
      out = view->at(in.heap, i++);
      return true;
    });
  }
  bool sized() const override { return true; }
  std::size_t size() const override { return dict_.dict().entries.size(); }
  bool equals(Heap& heap, const Object& other) override {
    const auto* view = dynamic_cast<const DictView*>(&other);
    if (!view || view->kind_ != kind_ || kind_ == ViewKind::values || size() != view->size()) return false;
    for (const auto& [key, value] : dict_.dict().entries) {
      const Value* found = view->dict_.dict().find(heap, key);
      if (!found || (kind_ == ViewKind::items && !equal(heap, value, *found))) return false;
    }
    return true;
  }

 private:
  Value at(Heap& heap, std::size_t i) const {
    const auto& [key, value] = dict_.dict().entries[i];
    return kind_ == ViewKind::keys ? key : kind_ == ViewKind::values ? value : heap.pair(key, value);
  }

  Value dict_;
  ViewKind kind_;
};

template <ViewKind Kind>
Value dict_view(Interpreter& in, const Value& self, Args& args) {
  bind("keys", args, {}, 0);
  return in.heap.object(std::make_shared<DictView>(self, Kind), depth_of(self));
}

Value dict_get(Interpreter& in, const Value& self, Args& args) {
  const auto bound = bind("get", args, {"/key", "/default"}, 1);
  if (const Value* found = self.dict().find(in.heap, *bound[0])) return *found;
  return bound[1] ? *bound[1] : Value();
}

Value copy(Interpreter&, const Value& self, Args& args) {
  bind("copy", args, {}, 0);
  return self;  // immutable here
}

Value seq_count(Interpreter& in, const Value& self, Args& args) {
  const auto bound = bind("count", args, {"/value"}, 1);
  std::int64_t n = 0;
  for (const Value& item : self.seq().items) n += item.same_as(*bound[0]) || equal(in.heap, item, *bound[0]);
  return Value(n);
}

Value seq_index(Interpreter& in, const Value& self, Args& args) {
  const auto bound = bind("index", args, {"/value", "/start", "/stop"}, 1);
  const auto& items = self.seq().items;
  const SliceRange range =
      slice_range(bound[1] ? *bound[1] : Value(), bound[2] ? *bound[2] : Value(), Value(), items.size());
  for (std::int64_t i = range.start; i < range.start + range.count; ++i) {
    const Value& item = items[static_cast<std::size_t>(i)];
    if (item.same_as(*bound[0]) || equal(in.heap, item, *bound[0])) return Value(i);
  }
  fail_template(to_repr(in.heap, *bound[0]), " is not in ", type_name(self));
}

Value is_integer(Interpreter&, const Value& self, Args& args) {
  bind("is_integer", args, {}, 0);
  return Value(std::isfinite(self.real()) && self.real() == std::floor(self.real()));
}

Value bit_length(Interpreter&, const Value& self, Args& args) {
  bind("bit_length", args, {}, 0);
  std::int64_t bits = 0;
  const std::int64_t value = self.integer();
  for (std::uint64_t rest = value < 0 ? -static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value); rest;
       rest >>= 1)
    ++bits;
  return Value(bits);
}

Value conjugate(Interpreter&, const Value& self, Args& args) {
  bind("conjugate", args, {}, 0);
  return self.is_bool() ? Value(self.integer()) : self;
}

constexpr Method dict_methods[] = {
    {"copy", copy},
    {"fromkeys", nullptr},
    {"get", dict_get},
    {"items", dict_view<ViewKind::items>},
    {"keys", dict_view<ViewKind::keys>},
    {"values", dict_view<ViewKind::values>},
};
constexpr Method list_methods[] = {{"copy", copy}, {"count", seq_count}, {"index", seq_index}};
constexpr Method tuple_methods[] = {{"count", seq_count}, {"index", seq_index}};
constexpr Method integer_methods[] = {
    {"as_integer_ratio", nullptr}, {"bit_count", nullptr},  {"bit_length", bit_length},
    {"conjugate", conjugate},      {"from_bytes", nullptr}, {"to_bytes", nullptr},
};
constexpr Method real_methods[] = {
    {"as_integer_ratio", nullptr}, {"conjugate", conjugate}, {"fromhex", nullptr}, {"hex", nullptr},
    {"is_integer", is_integer},
};
constexpr std::string_view dict_mutators[] = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::string_view list_mutators[] = {"append", "clear",  "extend",  "insert",
                                              "pop",    "remove", "reverse", "sort"};

}  // namespace

const Method* find_method(const Value& value, std::string_view name) {
  std::span<const Method> methods;
  switch (value.kind()) {
    case Kind::string:
      methods = methods_of_text();
      break;
    case Kind::dict:
      methods = dict_methods;
      break;
    case Kind::seq:
      methods = value.is_tuple() ? std::span<const Method>(tuple_methods) : list_methods;
      break;
    case Kind::boolean:
    case Kind::integer:
      methods = integer_methods;
      break;
    case Kind::real:
      methods = real_methods;
      break;
    default:
      break;
  }
  const auto at = std::find_if(methods.begin(), methods.end(), [&](const Method& m) { return m.name == name; });
  return at == methods.end() ? nullptr : &*at;
}

bool is_mutator(const Value& value, std::string_view name) {
  const auto among = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  return (value.is_dict() && among(dict_mutators)) || (value.is_list() && among(list_mutators));
}

std::unique_ptr<Iterator> iterate_items(std::vector<Value> items) {
  return make_iterator([items = std::move(items), i = std::size_t{0}](Interpreter&, Value& out) mutable {
    if (i >= items.size()) return false;
    out = items[i++];
    return true;
  });
}

}  // namespace tashika::jinja
