// The functions that a template finds: range, dict, namespace, cycler, joiner, raise_exception,
// strftime_now.
#include <algorithm>
#include <ctime>

#include "text/jinja/methods.h"

namespace tashika::jinja {
namespace {

class Range : public Object {
 public:
  Range(std::int64_t start, std::int64_t stop, std::int64_t step, std::int64_t count)
      : start_(start), stop_(stop), step_(step), count_(count) {}
  std::string_view type_name() const override { return "range"; }
  std::string repr(Heap&, int) override {
    return step_ == 1 ? cat("range(", start_, ", ", stop_, ")") : cat("range(", start_, ", ", stop_, ", ", step_, ")");
  }
  bool iterable() const override { return true; }
  std::unique_ptr<Iterator> iterate(Interpreter&, const Value& self) override {
    return make_iterator([self, i = std::int64_t{0}](Interpreter&, Value& out) mutable {
      const auto* range = self.object_as<Range>();
      if (i >= range->count_) return false;
      out = range->at(i++);
      return true;
    });
  }
  bool sized() const override { return true; }
  std::size_t size() const override { return static_cast<std::size_t>(count_); }
  bool subscriptable() const override { return true; }
  bool item(Interpreter&, const Value& key, Value& out) override {
    if (!key.is_integral()) return false;
    const std::int64_t index = key.integer() < 0 ? key.integer() + count_ : key.integer();
    if (index < 0 || index >= count_) return false;
    out = at(index);
    return true;
  }
  bool attribute(Interpreter&, const Value&, std::string_view name, Value& out) override {
    if (name == "start") {
      out = Value(start_);
    } else if (name == "stop") {
      out = Value(stop_);
    } else if (name == "step") {
      out = Value(step_);
    } else {
      return false;
    }
    return true;
  }
  bool equals(Heap&, const Object& other) override {
    const auto* range = dynamic_cast<const Range*>(&other);
    return range && range->count_ == count_ && (count_ == 0 || range->start_ == start_) &&
           (count_ <= 1 || range->step_ == step_);
  }

 private:
  Value at(std::int64_t i) const { return Value(start_ + i * step_); }
  std::int64_t start_, stop_, step_, count_;
};

class Namespace : public Object {
 public:
  std::string_view type_name() const override { return "TemplateNamespace"; }
  std::string repr(Heap& heap, int level) override {
    if (printing_) return "<Namespace {...}>";  // it holds itself
    Entries entries;
    for (const auto& [name, value] : items_) entries.emplace_back(heap.string(name), value);
    const Value dict = heap.dict(std::move(entries));
    struct Mark {
      explicit Mark(bool& flag) : flag_(flag) { flag_ = true; }
      ~Mark() { flag_ = false; }
      bool& flag_;
    } mark(printing_);
    return cat("<Namespace ", to_repr(heap, dict, level), ">");
  }
  bool attribute(Interpreter&, const Value&, std::string_view name, Value& out) override {
    for (const auto& [key, value] : items_) {
      if (key != name) continue;
      out = value;
      return true;
    }
    return false;
  }
  void set(std::string_view name, Value value) {
    if (name.starts_with('_')) {
      fail_template("Chat templates cannot store underscore-prefixed attributes on a namespace, but got '", name, "'.");
    }
    for (auto& [key, old] : items_) {
      if (key != name) continue;
      old = std::move(value);
      return;
    }
    items_.emplace_back(std::string(name), std::move(value));
  }
  void drop() override { items_.clear(); }

 private:
  std::vector<std::pair<std::string, Value>> items_;
  bool printing_ = false;
};

class Cycler : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {}
  std::string_view type_name() const override { return "Cycler"; }
  bool attribute(Interpreter& in, const Value& self, std::string_view name, Value& out) override {
    if (name == "current") {
      out = items_[at_];
    } else if (name == "next") {
      out = make_function(in, "next", advance, self);
    } else if (name == "reset") {
      out = make_function(in, "reset", reset, self);
    } else if (name == "pos") {
      out = Value(static_cast<std::int64_t>(at_));
    } else if (name == "items") {
      out = in.heap.tuple(items_);
    } else {
      return false;
    }
    return true;
  }

 private:
  static Value advance(Interpreter&, const Value& self, Args& args) {
    bind("next", args, {}, 0);
    auto* cycler = self.object_as<Cycler>();
    const Value current = cycler->items_[cycler->at_];
    cycler->at_ = (cycler->at_ + 1) % cycler->items_.size();
    return current;
  }
  static Value reset(Interpreter&, const Value& self, Args& args) {
    bind("reset", args, {}, 0);
    self.object_as<Cycler>()->at_ = 0;
    return Value();
  }

  std::vector<Value> items_;
  std::size_t at_ = 0;
};

class Joiner : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  std::string_view type_name() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Value call(Interpreter& in, Args& args) override {
    bind("joiner", args, {}, 0);
    if (used_) return separator_;
    used_ = true;
    return in.heap.string("");
  }
  bool attribute(Interpreter&, const Value&, std::string_view name, Value& out) override {
    if (name == "sep") {
      out = separator_;
    } else if (name == "used") {
      out = Value(used_);
    } else {
      return false;
    }
    return true;
  }

 private:
  Value separator_;
  bool used_ = false;
};

Value range(Interpreter& in, const Value&, Args& args) {
  const auto bound = bind("range", args, {"/start", "/stop", "/step"}, 1);
  const auto integer = [&](std::size_t i) {
    refuse_undefined(*bound[i]);
    if (!bound[i]->is_integral()) {
      fail_template("'", type_name(*bound[i]), "' object cannot be interpreted as an integer");
    }
    return bound[i]->integer();
  };
  const std::int64_t start = bound[1] ? integer(0) : 0, stop = bound[1] ? integer(1) : integer(0);
  const std::int64_t step = bound[2] ? integer(2) : 1;
  if (step == 0) fail_template("range() arg 3 must not be zero");
  // In 128 bits: the ends may be far apart.
  const __int128 distance = step > 0 ? static_cast<__int128>(stop) - start : static_cast<__int128>(start) - stop;
  const __int128 stride = step > 0 ? static_cast<__int128>(step) : -static_cast<__int128>(step);
  const __int128 count = distance <= 0 ? 0 : (distance + stride - 1) / stride;
  if (count > max_range) fail_template("Range too big. The sandbox blocks ranges larger than ", max_range, ".");
  return in.heap.object(std::make_shared<Range>(start, stop, step, static_cast<std::int64_t>(count)));
}

// dict(mapping or pairs, **kwargs)
Value dict(Interpreter& in, const Value&, Args& args) {
  if (args.positional.size() > 1) fail_template("dict expected at most 1 argument, got ", args.positional.size());
  Entries entries;
  if (!args.positional.empty()) {
    const Value& source = args.positional[0];
    if (source.is_dict()) {
      entries = source.dict().entries;
    } else {
      for (const Value& pair : in.items_of(source)) {
        const std::vector<Value> parts = in.items_of(pair);
        if (parts.size() != 2) {
          fail_template("dictionary update sequence element has length ", parts.size(), "; 2 is required");
        }
        entries.emplace_back(parts[0], parts[1]);
      }
    }
  }
  for (auto& [name, value] : args.named) entries.emplace_back(in.heap.string(name), value);
  return in.heap.dict_of_pairs(std::move(entries));
}

Value make_namespace(Interpreter& in, const Value& self, Args& args) {
  const Value attributes = dict(in, self, args);
  auto result = std::make_shared<Namespace>();
  for (const auto& [name, value] : attributes.dict().entries) {
    if (!name.is_string()) fail_template("the attributes of a namespace must have strings for names");
    result->set(name.text(), value);
  }
  in.heap.keep(result);
  return in.heap.object(result);
}

Value cycler(Interpreter& in, const Value&, Args& args) {
  if (!args.named.empty()) fail_template("cycler() takes no keyword arguments");
  if (args.positional.empty()) fail_template("at least one item has to be provided");
  int depth = 0;
  for (const Value& item : args.positional) depth = std::max(depth, depth_of(item));
  return in.heap.object(std::make_shared<Cycler>(args.positional), depth);
}

Value joiner(Interpreter& in, const Value&, Args& args) {
  const auto bound = bind("joiner", args, {"sep"}, 0);
  const Value separator = bound[0] ? *bound[0] : in.heap.string(", ");
  return in.heap.object(std::make_shared<Joiner>(separator), depth_of(separator));
}

Value raise_exception(Interpreter& in, const Value&, Args& args) {
  const auto bound = bind("raise_exception", args, {"message"}, 1);
  throw_failure(to_text(in.heap, *bound[0]));
}

Value strftime_now(Interpreter& in, const Value&, Args& args) {
  const auto bound = bind("strftime_now", args, {"format"}, 1);
  if (!bound[0]->is_string()) fail_template("strftime() argument 1 must be str, not ", type_name(*bound[0]));
  const std::string& format = bound[0]->text();
  if (format.size() > 4096 || format.find('\0') != format.npos)
    fail_template("the format of strftime_now is not valid");
  // Python's datetime has microseconds, and no time zone here.
  std::string plain;
  for (std::size_t i = 0; i < format.size(); ++i) {
    const char next = format[i] == '%' && i + 1 < format.size() ? format[i + 1] : '\0';
    if (next == 'f' || next == 'z' || next == 'Z') {
      if (next == 'f') plain += "000000";
      ++i;
    } else if (format[i] == '%') {
      plain += '%';
      if (next) plain += format[++i];
    } else {
      plain += format[i];
    }
  }
  if (plain.empty()) return in.heap.string("");
  const std::tm now = in.now();
  // strftime says 0 both for an empty text and for too little room: a mark tells them apart.
  plain += '.';
  std::string out(65536, '\0');
  out.resize(std::strftime(out.data(), out.size(), plain.c_str(), &now));
  if (out.empty()) throw_limit("the text of strftime_now is too long");
  out.pop_back();
  return in.heap.string(std::move(out));
}

constexpr Method globals[] = {
    {"range", range},
    {"dict", dict},
    {"lipsum", nullptr},
    {"cycler", cycler},
    {"joiner", joiner},
    {"namespace", make_namespace},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
};

}  // namespace

const Method* find_global(std::string_view name) {
  const auto* at =
      std::find_if(std::begin(globals), std::end(globals), [&](const Method& m) { return m.name == name; });
  return at == std::end(globals) ? nullptr : at;
}

bool set_namespace(Heap& heap, const Value& value, std::string_view name, Value item) {
  auto* space = value.object_as<Namespace>();
  if (!space) return false;
  heap.work(1);
  if (!name.empty()) space->set(name, std::move(item));
  return true;
}

}  // namespace tashika::jinja
