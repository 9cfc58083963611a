// Values of the template language: Python's semantics for what chat templates use.
//
// Values are immutable apart from namespaces, so containers form no cycles: the depth of nesting is
// counted when one is made and bounded (max_depth), which keeps every recursion over values bounded.
// What lives is charged to the Heap of the run; the heap owns what could form cycles.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tashika::jinja {

class Value;
class Heap;
class Interpreter;
struct Args;

// An error of the template or its data, without its line yet; the interpreter adds that.
struct Failure {
  std::string message;
  bool limit = false;
};
template <typename... Parts>
[[noreturn]] void fail_template(const Parts&... parts);
[[noreturn]] void throw_failure(std::string message);
[[noreturn]] void throw_limit(std::string message);

inline constexpr int max_depth = 200;                            // nesting of values
inline constexpr std::size_t max_text = std::size_t{16} << 20;   // bytes of one string
inline constexpr std::size_t max_live = std::size_t{256} << 20;  // bytes of all values alive
inline constexpr std::int64_t max_range = 100000;                // items of a range

// What one rendering may do.
struct Budget {
  std::int64_t steps = 1000000;                // loop rounds and calls
  std::int64_t work = std::int64_t{40} << 20;  // expressions evaluated, weighted by bytes
};

// Bytes charged to a heap while this lives. Constants of the template are charged to none.
class Charge {
 public:
  Charge(Heap* heap, std::size_t bytes);
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  ~Charge();

 private:
  Heap* heap_;
  std::size_t bytes_;
};

struct Str {
  std::string text;    // UTF-8
  std::size_t length;  // code points
  bool markup;         // markupsafe.Markup: what `safe` and `escape` give
  Charge charge;
  bool ascii() const { return length == text.size(); }
};

struct Seq {
  std::vector<Value> items;
  bool tuple;
  int depth;
  Charge charge;
  bool group = false;  // what groupby gives: its parts are called grouper and list
};

struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  std::vector<std::uint32_t> order;  // string keys sorted, for large ones
  int depth;
  Charge charge;
  const Value* find(Heap& heap, const Value& key) const;  // throws when the key is unhashable
  const Value* find(std::string_view key) const;
};

struct Undefined {
  std::string message;  // what an operation on it fails with
};

// Pulls one item after the other, as Python's iterators do.
class Iterator {
 public:
  virtual ~Iterator() = default;
  virtual bool next(Interpreter& in, Value& out) = 0;
};

// Everything else: functions, bound methods, ranges, views, iterators, namespaces, loop contexts.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string_view type_name() const = 0;
  virtual std::string repr(Heap& heap, int depth);
  virtual bool callable() const { return false; }
  virtual Value call(Interpreter& in, Args& args);
  virtual bool iterable() const { return false; }
  virtual std::unique_ptr<Iterator> iterate(Interpreter& in, const Value& self);
  virtual bool sized() const { return false; }
  virtual std::size_t size() const { return 0; }
  // Python's obj[key] and obj.name; false when there is none.
  virtual bool item(Interpreter&, const Value&, Value&) { return false; }
  virtual bool attribute(Interpreter&, const Value& /*self*/, std::string_view, Value&) { return false; }
  virtual bool subscriptable() const { return false; }  // has __getitem__
  virtual bool truthy() const { return !sized() || size() > 0; }
  virtual bool equals(Heap&, const Object& other) { return this == &other; }
  virtual void drop() {}  // lets go of what it holds, at the end of the run (Heap::keep)
  int depth = 1;
};

enum class Kind { undefined, none, boolean, integer, real, string, seq, dict, object };

class Value {
 public:
  using UndefinedRef = std::shared_ptr<const Undefined>;
  using StrRef = std::shared_ptr<const Str>;
  using SeqRef = std::shared_ptr<const Seq>;
  using DictRef = std::shared_ptr<const Dict>;
  using ObjectRef = std::shared_ptr<Object>;

  Value() : data_(std::monostate{}) {}
  explicit Value(bool v) : data_(v) {}
  explicit Value(std::int64_t v) : data_(v) {}
  explicit Value(double v) : data_(v) {}
  explicit Value(UndefinedRef v) : data_(std::move(v)) {}
  explicit Value(StrRef v) : data_(std::move(v)) {}
  explicit Value(SeqRef v) : data_(std::move(v)) {}
  explicit Value(DictRef v) : data_(std::move(v)) {}
  explicit Value(ObjectRef v) : data_(std::move(v)) {}

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is_undefined() const { return kind() == Kind::undefined; }
  bool is_none() const { return kind() == Kind::none; }
  bool is_bool() const { return kind() == Kind::boolean; }
  bool is_int() const { return kind() == Kind::integer; }
  bool is_real() const { return kind() == Kind::real; }
  bool is_string() const { return kind() == Kind::string; }
  bool is_seq() const { return kind() == Kind::seq; }
  bool is_dict() const { return kind() == Kind::dict; }
  bool is_object() const { return kind() == Kind::object; }
  bool is_number() const { return is_bool() || is_int() || is_real(); }
  bool is_integral() const { return is_bool() || is_int(); }  // Python's bool is an int

  // Unchecked: the kind is known.
  bool boolean() const { return std::get<bool>(data_); }
  std::int64_t integer() const { return is_bool() ? std::get<bool>(data_) : std::get<std::int64_t>(data_); }
  double real() const { return is_real() ? std::get<double>(data_) : static_cast<double>(integer()); }
  const Undefined& undefined() const { return *std::get<UndefinedRef>(data_); }
  const Str& str() const { return *std::get<StrRef>(data_); }
  const std::string& text() const { return str().text; }
  const Seq& seq() const { return *std::get<SeqRef>(data_); }
  const Dict& dict() const { return *std::get<DictRef>(data_); }
  Object& object() const { return *std::get<ObjectRef>(data_); }
  const ObjectRef& object_ref() const { return std::get<ObjectRef>(data_); }
  template <typename T>
  T* object_as() const {
    return is_object() ? dynamic_cast<T*>(&object()) : nullptr;
  }

  bool is_list() const { return is_seq() && !seq().tuple; }
  bool is_tuple() const { return is_seq() && seq().tuple; }
  // The identity that `is` compares: the same object or the same simple value.
  bool same_as(const Value& other) const;

 private:
  std::variant<UndefinedRef, std::monostate, bool, std::int64_t, double, StrRef, SeqRef, DictRef, ObjectRef> data_;
};

using Entries = std::vector<std::pair<Value, Value>>;

// Budgets of one rendering, and the maker of values. Outlives them all.
class Heap {
 public:
  explicit Heap(Budget budget) : steps_(budget.steps), work_(budget.work), budget_(budget) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  ~Heap();

  Value string(std::string text, bool markup = false);
  Value string_like(const Str& like, std::string text) { return string(std::move(text), like.markup); }
  Value list(std::vector<Value> items) { return sequence(std::move(items), false); }
  Value tuple(std::vector<Value> items) { return sequence(std::move(items), true); }
  Value pair(Value a, Value b, bool group = false);
  // The keys are distinct already.
  Value dict(Entries entries);
  // Later entries replace the value of earlier ones with the same key, as Python's dict does.
  Value dict_of_pairs(Entries pairs);
  Value undefined(std::string message);
  // `depth`: of the deepest value that the object holds.
  Value object(std::shared_ptr<Object> object, int depth_of_parts = 0);
  // Keeps the object to the end of the run and drops what it holds then: it may be part of a cycle.
  void keep(std::shared_ptr<Object> object) { kept_.push_back(std::move(object)); }
  std::vector<std::shared_ptr<Object>>& kept() { return kept_; }

  // Both throw when the budget is spent.
  void step() {
    if (--steps_ < 0) too_many_steps();
  }
  void work(std::size_t units) {
    work_ -= static_cast<std::int64_t>(units);
    if (work_ < 0) throw_limit("the template does too much work");
  }
  // Refuses a string of this many bytes before it is built.
  static void check_text(std::size_t bytes) {
    if (bytes > max_text) throw_limit("a string of the template is longer than 16 MiB");
  }

 private:
  friend class Charge;
  Value sequence(std::vector<Value> items, bool tuple, bool group = false);
  int checked_depth(int depth) const;
  [[noreturn]] void too_many_steps() const;

  std::size_t live_ = 0;
  std::int64_t steps_, work_;
  Budget budget_;
  std::vector<std::shared_ptr<Object>> kept_;
};

// Strings of the template's own text, charged to no heap.
Value constant_string(std::string text);

int depth_of(const Value& value);
std::string_view type_name(const Value& value);  // Python's: 'str', 'int', 'NoneType', …
bool truthy(const Value& value);
bool equal(Heap& heap, const Value& a, const Value& b);
// a < b for sort and comparisons; throws for types that Python cannot order. `op` for the message.
int compare(Heap& heap, const Value& a, const Value& b, std::string_view op);
// 1 == 1.0 exactly, whatever the size; nan gives 2.
int compare_numbers(const Value& a, const Value& b);
bool hashable(const Value& value);
void check_hashable(const Value& value);
std::size_t length_of(const Value& value);  // Python's len(); throws when there is none
bool has_length(const Value& value);
[[noreturn]] void fail_undefined(const Value& value);
inline void refuse_undefined(const Value& value) {
  if (value.is_undefined()) fail_undefined(value);
}

// str(), repr() and json.dumps().
std::string to_text(Heap& heap, const Value& value);
std::string to_repr(Heap& heap, const Value& value, int depth = 0);
std::string repr_text(std::string_view text);
struct JsonFormat {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool indented = false;
  std::string indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
std::string to_json(Heap& heap, const Value& value, const JsonFormat& format);

}  // namespace tashika::jinja

#include "base/error.h"

namespace tashika::jinja {
template <typename... Parts>
[[noreturn]] void fail_template(const Parts&... parts) {
  throw_failure(cat(parts...));
}
}  // namespace tashika::jinja
