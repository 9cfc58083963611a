// Attributes, items, slices, calls and iteration of values.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/interpreter.h"

namespace tashika::jinja {
namespace {

class FunctionObject : public Object {
 public:
  FunctionObject(std::string_view name, Function function, Value self)
      : name_(name), function_(function), self_(std::move(self)) {}
  std::string_view type_name() const override { return "builtin_function_or_method"; }
  std::string repr(Heap&, int) override { return cat("<function ", name_, ">"); }
  bool callable() const override { return true; }
  Value call(Interpreter& in, Args& args) override {
    if (!function_) fail_template("the function '", name_, "' is not supported in chat templates");
    const Value self = self_;
    return function_(in, self, args);
  }
  bool equals(Heap&, const Object& other) override {
    const auto* function = dynamic_cast<const FunctionObject*>(&other);
    return function && function->function_ == function_ && function->self_.same_as(self_);
  }

 private:
  std::string_view name_;
  Function function_;
  Value self_;
};

class FunctionIterator : public Iterator {
 public:
  explicit FunctionIterator(std::function<bool(Interpreter&, Value&)> next) : next_(std::move(next)) {}
  bool next(Interpreter& in, Value& out) override { return next_(in, out); }

 private:
  std::function<bool(Interpreter&, Value&)> next_;
};

// Goes on where another iteration of the same generator stopped.
class Generator : public Object {
 public:
  Generator(std::string_view type, std::unique_ptr<Iterator> iterator) : type_(type), iterator_(std::move(iterator)) {}
  std::string_view type_name() const override { return type_; }
  std::string repr(Heap&, int) override { return cat("<", type_, " object>"); }
  bool iterable() const override { return true; }
  std::unique_ptr<Iterator> iterate(Interpreter&, const Value& self) override {
    return make_iterator([self](Interpreter& in, Value& out) { return self.object_as<Generator>()->next(in, out); });
  }

 private:
  // An error ends a generator: it gives nothing more.
  bool next(Interpreter& in, Value& out) {
    if (!iterator_) return false;
    std::unique_ptr<Iterator> running = std::move(iterator_);
    if (!running->next(in, out)) return false;
    iterator_ = std::move(running);
    return true;
  }

  std::string_view type_;
  std::unique_ptr<Iterator> iterator_;
};

class SeqIterator : public Iterator {
 public:
  explicit SeqIterator(Value seq) : seq_(std::move(seq)) {}
  bool next(Interpreter&, Value& out) override {
    const auto& items = seq_.seq().items;
    if (at_ >= items.size()) return false;
    out = items[at_++];
    return true;
  }

 private:
  Value seq_;
  std::size_t at_ = 0;
};

class KeyIterator : public Iterator {
 public:
  explicit KeyIterator(Value dict) : dict_(std::move(dict)) {}
  bool next(Interpreter&, Value& out) override {
    const auto& entries = dict_.dict().entries;
    if (at_ >= entries.size()) return false;
    out = entries[at_++].first;
    return true;
  }

 private:
  Value dict_;
  std::size_t at_ = 0;
};

class TextIterator : public Iterator {
 public:
  explicit TextIterator(Value text) : text_(std::move(text)) {}
  bool next(Interpreter& in, Value& out) override {
    const std::string& text = text_.text();
    if (at_ >= text.size()) return false;
    const int size = decode_utf8(text, at_).size;
    out = in.heap.string(text.substr(at_, static_cast<std::size_t>(size)), text_.str().markup);
    at_ += static_cast<std::size_t>(size);
    return true;
  }

 private:
  Value text_;
  std::size_t at_ = 0;
};

std::size_t byte_of_character(std::string_view text, std::size_t character) {
  std::size_t at = 0;
  for (; character > 0; --character) at += static_cast<std::size_t>(decode_utf8(text, at).size);
  return at;
}

Value character_at(Heap& heap, const Str& text, std::int64_t index) {
  if (text.ascii()) return heap.string_like(text, text.text.substr(static_cast<std::size_t>(index), 1));
  heap.work(static_cast<std::size_t>(index) / 16);
  const std::size_t at = byte_of_character(text.text, static_cast<std::size_t>(index));
  return heap.string_like(text, text.text.substr(at, static_cast<std::size_t>(decode_utf8(text.text, at).size)));
}

std::string missing_message(Heap& heap, const Value& object, const Value& name) {
  if (!name.is_string()) return cat(type_name(object), " object has no element ", to_repr(heap, name));
  return cat("'", type_name(object), " object' has no attribute '", name.text(), "'");
}

}  // namespace

Value make_function(Interpreter& in, std::string_view name, Function function, Value self) {
  const int depth = depth_of(self);
  return in.heap.object(std::make_shared<FunctionObject>(name, function, std::move(self)), depth);
}

Value make_generator(Interpreter& in, std::string_view type, std::unique_ptr<Iterator> iterator, int depth_of_parts) {
  return in.heap.object(std::make_shared<Generator>(type, std::move(iterator)), depth_of_parts);
}

std::unique_ptr<Iterator> make_iterator(std::function<bool(Interpreter&, Value&)> next) {
  return std::make_unique<FunctionIterator>(std::move(next));
}

std::unique_ptr<Iterator> Interpreter::iterate(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return make_iterator([](Interpreter&, Value&) { return false; });
    case Kind::string:
      return std::make_unique<TextIterator>(value);
    case Kind::seq:
      return std::make_unique<SeqIterator>(value);
    case Kind::dict:
      return std::make_unique<KeyIterator>(value);
    case Kind::object:
      return value.object().iterate(*this, value);
    default:
      fail_template("'", type_name(value), "' object is not iterable");
  }
}

std::vector<Value> Interpreter::items_of(const Value& value) {
  if (value.is_seq()) {
    heap.work(value.seq().items.size());
    return value.seq().items;
  }
  std::vector<Value> items;
  const std::unique_ptr<Iterator> iterator = iterate(value);
  Value item;
  while (iterator->next(*this, item)) {
    heap.work(1);
    items.push_back(std::move(item));
  }
  return items;
}

Value Interpreter::call(const Value& callee, Args& args) {
  refuse_undefined(callee);
  if (!callee.is_object()) fail_template("'", type_name(callee), "' object is not callable");
  return callee.object().call(*this, args);
}

// What Python's getattr finds, as the sandbox lets it through.
bool Interpreter::own_attribute(const Value& object, std::string_view name, Value& out) {
  if (object.is_object() && object.object().attribute(*this, object, name, out)) return true;
  if (is_mutator(object, name)) {
    out = heap.undefined(cat("access to attribute '", name, "' of '", type_name(object), "' object is unsafe."));
    return true;
  }
  if (const Method* method = find_method(object, name)) {
    out = make_function(*this, method->name, method->function, object);
    return true;
  }
  if (object.is_seq() && object.seq().group && (name == "grouper" || name == "list")) {
    out = object.seq().items[name == "list"];
    return true;
  }
  if (!object.is_number()) return false;
  if (name == "real" || (name == "numerator" && !object.is_real())) {
    out = object.is_bool() ? Value(object.integer()) : object;
  } else if (name == "imag") {
    out = object.is_real() ? Value(0.0) : Value(std::int64_t{0});
  } else if (name == "denominator" && !object.is_real()) {
    out = Value(std::int64_t{1});
  } else {
    return false;
  }
  return true;
}

Value Interpreter::attribute(const Value& object, std::string_view name) {
  refuse_undefined(object);
  Value out;
  if (own_attribute(object, name, out)) return out;
  if (object.is_dict()) {
    if (const Value* found = object.dict().find(name)) return *found;
  }
  return heap.undefined(cat("'", type_name(object), " object' has no attribute '", name, "'"));
}

Value Interpreter::item(const Value& object, const Value& key) {
  refuse_undefined(object);
  Value out;
  if (object.is_dict()) {
    if (hashable(key)) {
      if (const Value* found = object.dict().find(heap, key)) return *found;
    }
  } else if (key.is_integral() && (object.is_string() || object.is_seq())) {
    const auto size = static_cast<std::int64_t>(length_of(object));
    std::int64_t index = key.integer();
    if (index < 0) index += size;
    if (index >= 0 && index < size) {
      return object.is_seq() ? object.seq().items[static_cast<std::size_t>(index)]
                             : character_at(heap, object.str(), index);
    }
  } else if (object.is_object() && object.object().item(*this, key, out)) {
    return out;
  }
  if (key.is_string() && own_attribute(object, key.text(), out)) return out;
  return heap.undefined(missing_message(heap, object, key));
}

SliceRange slice_range(const Value& start, const Value& stop, const Value& step, std::size_t length) {
  const auto integer = [](const Value& value, std::int64_t fallback) {
    if (value.is_none()) return fallback;
    if (!value.is_integral()) {
      refuse_undefined(value);
      fail_template("slice indices must be integers or None or have an __index__ method");
    }
    return value.integer();
  };
  const auto size = static_cast<std::int64_t>(length);
  const std::int64_t by = std::max(integer(step, 1), -INT64_MAX);
  if (by == 0) fail_template("slice step cannot be zero");
  const auto clip = [&](std::int64_t at) {
    if (at < 0) at += size;
    const std::int64_t low = by < 0 ? -1 : 0, high = by < 0 ? size - 1 : size;
    return std::clamp(at, low, std::max(low, high));
  };
  const std::int64_t begin = start.is_none() ? (by < 0 ? size - 1 : 0) : clip(integer(start, 0));
  const std::int64_t end = stop.is_none() ? (by < 0 ? -1 : size) : clip(integer(stop, 0));
  std::int64_t count = 0;
  if (by > 0 && begin < end) count = (end - begin - 1) / by + 1;
  if (by < 0 && begin > end) count = (begin - end - 1) / -by + 1;
  return {begin, by, count};
}

Value Interpreter::slice(const Value& object, const Value& start, const Value& stop, const Value& step) {
  refuse_undefined(object);
  if (object.is_dict()) fail_template("unhashable type: 'slice'");
  if (object.is_string()) {
    const Str& text = object.str();
    const SliceRange range = slice_range(start, stop, step, text.length);
    if (range.count == 0) return heap.string_like(text, "");
    heap.work(text.text.size() / 64);
    if (range.step == 1) {
      if (text.ascii()) {
        return heap.string_like(
            text, text.text.substr(static_cast<std::size_t>(range.start), static_cast<std::size_t>(range.count)));
      }
      const std::size_t begin = byte_of_character(text.text, static_cast<std::size_t>(range.start));
      const std::string_view rest = std::string_view(text.text).substr(begin);
      return heap.string_like(
          text, std::string(rest.substr(0, byte_of_character(rest, static_cast<std::size_t>(range.count)))));
    }
    std::vector<std::size_t> starts;
    starts.reserve(text.length + 1);
    for (std::size_t at = 0; at < text.text.size(); at += static_cast<std::size_t>(decode_utf8(text.text, at).size)) {
      starts.push_back(at);
    }
    starts.push_back(text.text.size());
    heap.work(text.length / 8);
    std::string out;
    for (std::int64_t i = 0; i < range.count; ++i) {
      const auto at = static_cast<std::size_t>(range.start + i * range.step);
      out.append(text.text, starts[at], starts[at + 1] - starts[at]);
    }
    return heap.string_like(text, std::move(out));
  }
  if (object.is_seq()) {
    const auto& all = object.seq().items;
    const SliceRange range = slice_range(start, stop, step, all.size());
    std::vector<Value> items;
    items.reserve(static_cast<std::size_t>(range.count));
    for (std::int64_t i = 0; i < range.count; ++i) {
      items.push_back(all[static_cast<std::size_t>(range.start + i * range.step)]);
    }
    return object.is_tuple() ? heap.tuple(std::move(items)) : heap.list(std::move(items));
  }
  fail_template("'", type_name(object), "' object is not subscriptable");
}

bool Interpreter::contains(const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) {
      fail_template("'in <string>' requires string as left operand, not ", type_name(item));
    }
    heap.work(container.text().size() / 64);
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is_dict()) return container.dict().find(heap, item) != nullptr;
  if (container.is_seq()) {
    const auto& items = container.seq().items;
    return std::any_of(items.begin(), items.end(),
                       [&](const Value& other) { return other.same_as(item) || equal(heap, other, item); });
  }
  if (container.is_undefined()) return false;
  if (!container.is_object() || !container.object().iterable()) {
    fail_template("argument of type '", type_name(container), "' is not iterable");
  }
  const std::unique_ptr<Iterator> iterator = iterate(container);
  Value other;
  while (iterator->next(*this, other)) {
    if (other.same_as(item) || equal(heap, other, item)) return true;
  }
  return false;
}

std::vector<const Value*> bind(std::string_view function, const Args& args,
                               std::initializer_list<std::string_view> names, std::size_t required) {
  std::vector<const Value*> bound(names.size(), nullptr);
  if (args.positional.size() > names.size()) {
    fail_template(function, "() takes at most ", names.size(), " arguments (", args.positional.size(), " given)");
  }
  for (std::size_t i = 0; i < args.positional.size(); ++i) bound[i] = &args.positional[i];
  for (const auto& [name, value] : args.named) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) fail_template(function, "() got an unexpected keyword argument '", name, "'");
    const Value*& slot = bound[static_cast<std::size_t>(at - names.begin())];
    if (slot) fail_template(function, "() got multiple values for argument '", name, "'");
    slot = &value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!bound[i]) fail_template(function, "() is missing a required argument");
  }
  return bound;
}

}  // namespace tashika::jinja
