#include "io/pickle.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/reader.h"

namespace tashika {
namespace {

using Id = std::uint32_t;  // of a value in the machine's list: containers may hold themselves

enum class Kind { none, boolean, integer, real, text, tuple, list, dict, name, storage, tensor };

constexpr const char* kind_names[] = {"None", "a truth value", "a number", "a number", "a text", "a tuple", "a list", "a dictionary", "a name", "a storage", "a tensor"};

struct Value {
  Kind kind = Kind::none;
  std::int64_t number = 0;   // integer, boolean; a name's place in the list of allowed ones; a storage's elements
  std::string text;          // text; a storage's key
  std::vector<Id> items;     // tuple, list; keys and values of a dictionary in turn
  std::size_t tensor = 0;    // a tensor's place
  const DTypeInfo* dtype = nullptr;  // a storage's
};

enum class Name { ordered_dict, rebuild_tensor, rebuild_parameter, storage };

struct Allowed {
  std::string_view module, name;
  Name what;
  const DTypeInfo* dtype = nullptr;
};

std::span<const Allowed> allowed_names() {
  static const Allowed list[] = {
      {"collections", "OrderedDict", Name::ordered_dict},
      {"torch._utils", "_rebuild_tensor_v2", Name::rebuild_tensor},
      {"torch._utils", "_rebuild_parameter", Name::rebuild_parameter},
      {"torch", "FloatStorage", Name::storage, &f32},
      {"torch", "HalfStorage", Name::storage, &f16},
      {"torch", "BFloat16Storage", Name::storage, &bf16},
      {"torch", "DoubleStorage", Name::storage, &f64},
      {"torch", "LongStorage", Name::storage, &i64},
      {"torch", "IntStorage", Name::storage, &i32},
      {"torch", "ShortStorage", Name::storage, &i16},
      {"torch", "CharStorage", Name::storage, &i8},
      {"torch", "ByteStorage", Name::storage, &u8},
      {"torch", "BoolStorage", Name::storage, &boolean},
  };
  return list;
}

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& what) : in_(bytes, what + ": pickle") {}

  std::vector<PickledTensor> run() {
    while (!step()) {
    }
    if (stack_.size() != 1) bad("ends with ", stack_.size(), " values instead of one");
    return tensors_of(stack_.back());
  }

 private:
  template <typename... Args>
  [[noreturn]] void bad(const Args&... problem) const {
    fail(in_.what(), " at byte ", at_, ": ", problem...);
  }

  Id add(Value v) {
    values_.push_back(std::move(v));
    return static_cast<Id>(values_.size() - 1);
  }
  void push(Value v) { stack_.push_back(add(std::move(v))); }
  void push_number(std::int64_t n) { push({.kind = Kind::integer, .number = n}); }
  Id pop() {
    if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back())) bad("takes a value from an empty stack");
    const Id id = stack_.back();
    stack_.pop_back();
    return id;
  }
  std::vector<Id> pop_to_mark() {
    if (marks_.empty()) bad("takes values up to a mark that was not set");
    std::vector<Id> out(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return out;
  }
  const Value& top() {
    if (stack_.empty()) bad("looks at an empty stack");
    return values_[stack_.back()];
  }
  Value& container(Kind kind) {
    const Id id = stack_.empty() ? pop() : stack_.back();
    if (values_[id].kind != kind) bad("adds to ", kind_names[static_cast<int>(values_[id].kind)], " as if it were ", kind_names[static_cast<int>(kind)]);
    return values_[id];
  }
  const Value& item(const Value& tuple, std::size_t i, Kind kind, const char* what) const {
    if (i >= tuple.items.size()) bad("lacks ", what);
    const Value& v = values_[tuple.items[i]];
    if (v.kind != kind) bad(what, " is ", kind_names[static_cast<int>(v.kind)], ", not ", kind_names[static_cast<int>(kind)]);
    return v;
  }

  std::string text(std::uint64_t size) { return std::string(in_.take_text(size, "text")); }
  std::string line() {
    std::string out;
    for (char c = static_cast<char>(in_.read<std::uint8_t>("name")); c != '\n'; c = static_cast<char>(in_.read<std::uint8_t>("name"))) {
      if (out.size() >= 256) bad("a name of more than 256 bytes");
      out += c;
    }
    return out;
  }

  void look_up(std::string_view module, std::string_view name) {
    const auto allowed = allowed_names();
    for (std::size_t i = 0; i < allowed.size(); ++i) {
      if (allowed[i].module == module && allowed[i].name == name) return push({.kind = Kind::name, .number = static_cast<std::int64_t>(i)});
    }
    bad("asks for ", printable(module, 100), ".", printable(name, 100), ", which is no part of a tensor: only tensors are loaded");
  }

  void remember(std::uint64_t index) {
    top();
    // torch.save numbers its memo from 0 on; a gap would let a small file ask for a large table.
    if (index > memo_.size()) bad("remembers value ", index, " before value ", memo_.size());
    if (index == memo_.size()) memo_.push_back(stack_.back());
    else memo_[static_cast<std::size_t>(index)] = stack_.back();
  }
  void recall(std::uint64_t index) {
    if (index >= memo_.size()) bad("recalls value ", index, " of ", memo_.size());
    stack_.push_back(memo_[static_cast<std::size_t>(index)]);
  }

  void push_tuple(std::size_t n) {
    std::vector<Id> items(n);
    for (std::size_t i = n; i-- > 0;) items[i] = pop();
    push({.kind = Kind::tuple, .items = std::move(items)});
  }

  // ('storage', kind, key, device, elements)
  void push_storage() {
    const Value& id = values_[pop()];  // read before anything is pushed
    if (id.kind != Kind::tuple || id.items.size() != 5) bad("a persistent id that is no tuple of five");
    if (item(id, 0, Kind::text, "the kind of persistent id").text != "storage") bad("a persistent id that names no storage");
    const Allowed& kind = allowed_names()[static_cast<std::size_t>(item(id, 1, Kind::name, "the storage's kind").number)];
    if (kind.what != Name::storage) bad(kind.module, ".", kind.name, " is no kind of storage");
    const std::int64_t elements = item(id, 4, Kind::integer, "the storage's size").number;
    if (elements < 0) bad("a storage of ", elements, " elements");
    push({.kind = Kind::storage, .number = elements, .text = item(id, 2, Kind::text, "the storage's key").text, .dtype = kind.dtype});
  }

  std::int64_t size_at(const Value& tuple, std::size_t i, const char* what) const {
    const std::int64_t n = item(tuple, i, Kind::integer, what).number;
    if (n < 0) bad(what, " is ", n);
    return n;
  }

  // (storage, offset, shape, strides, …)
  void push_tensor(const Value& args) {
    const Value& storage = item(args, 0, Kind::storage, "the tensor's storage");
    const Value &sizes = item(args, 2, Kind::tuple, "the tensor's shape"), &strides = item(args, 3, Kind::tuple, "the tensor's strides");
    if (sizes.items.size() > static_cast<std::size_t>(Shape::max_rank)) bad("a tensor of ", sizes.items.size(), " dimensions");
    if (strides.items.size() != sizes.items.size()) bad("a tensor of ", sizes.items.size(), " sizes and ", strides.items.size(), " strides");
    PickledTensor t;
    t.dtype = DType(*storage.dtype);
    t.storage = storage.text;
    t.elements = static_cast<std::uint64_t>(storage.number);
    t.offset = static_cast<std::uint64_t>(size_at(args, 1, "the tensor's offset"));
    for (std::size_t i = 0; i < sizes.items.size(); ++i) t.shape.push_back(size_at(sizes, i, "a size"));
    std::uint64_t count = 1;
    bool contiguous = true;
    for (std::size_t i = sizes.items.size(); i-- > 0;) {
      const std::int64_t n = t.shape[static_cast<int>(i)];
      if (n > 1 && static_cast<std::uint64_t>(size_at(strides, i, "a stride")) != count) contiguous = false;
      const auto product = checked_mul(count, static_cast<std::uint64_t>(n));
      if (!product) bad("a tensor of shape ", t.shape.str(), " has too many elements");
      count = *product;
    }
    if (count > 0 && !contiguous) bad("a tensor of shape ", t.shape.str(), " that is not contiguous; save it with .contiguous()");
    const auto end = checked_add(t.offset, count);
    if (!end || *end > t.elements) bad("a tensor of ", count, " elements from element ", t.offset, " of a storage of ", t.elements);
    tensors_.push_back(std::move(t));
    push({.kind = Kind::tensor, .tensor = tensors_.size() - 1});
  }

  void reduce() {
    const Value& args = values_[pop()];  // read before anything is pushed
    const Value& function = values_[pop()];
    if (function.kind != Kind::name || args.kind != Kind::tuple) bad("calls ", kind_names[static_cast<int>(function.kind)]);
    const Allowed& called = allowed_names()[static_cast<std::size_t>(function.number)];
    switch (called.what) {
      case Name::ordered_dict:
        if (!args.items.empty()) bad("makes an OrderedDict from arguments");
        return push({.kind = Kind::dict});
      case Name::rebuild_tensor: return push_tensor(args);
      case Name::rebuild_parameter: {
        item(args, 0, Kind::tensor, "the parameter's tensor");
        stack_.push_back(args.items[0]);
        return;
      }
      case Name::storage: bad("calls ", called.module, ".", called.name);
    }
  }

  void push_long(std::uint64_t size) {
    if (size > 8) bad("a whole number of ", size, " bytes");
    std::uint64_t n = 0;
    const auto bytes = in_.take(size, "whole number");
    for (std::size_t i = 0; i < bytes.size(); ++i) n |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
    if (!bytes.empty() && size < 8 && (static_cast<unsigned>(bytes.back()) & 0x80u) != 0) n |= ~std::uint64_t{0} << (8 * size);
    push_number(static_cast<std::int64_t>(n));
  }

  void append(Kind kind, std::vector<Id> items) {
    if (kind == Kind::dict && items.size() % 2 != 0) bad("a key without a value");
    Value& to = container(kind);
    to.items.insert(to.items.end(), items.begin(), items.end());
  }

  // One instruction; true at the end.
  bool step() {
    at_ = in_.offset();
    const auto op = in_.read<std::uint8_t>("instruction");
    switch (op) {
      case 0x80: in_.take(1, "protocol"); break;
      case 0x95: in_.take(8, "frame"); break;
      case '(': marks_.push_back(stack_.size()); break;
      case ')': push({.kind = Kind::tuple}); break;
      case ']': push({.kind = Kind::list}); break;
      case '}': push({.kind = Kind::dict}); break;
      case 't': push({.kind = Kind::tuple, .items = pop_to_mark()}); break;
      case 0x85: push_tuple(1); break;
      case 0x86: push_tuple(2); break;
      case 0x87: push_tuple(3); break;
      case 'N': push({}); break;
      case 0x88: push({.kind = Kind::boolean, .number = 1}); break;
      case 0x89: push({.kind = Kind::boolean}); break;
      case 'K': push_number(in_.read<std::uint8_t>("number")); break;
      case 'M': push_number(in_.read<std::uint16_t>("number")); break;
      case 'J': push_number(in_.read<std::int32_t>("number")); break;
      case 0x8a: push_long(in_.read<std::uint8_t>("number's size")); break;
      case 'G': in_.take(8, "number"); push({.kind = Kind::real}); break;
      case 0x8c: push({.kind = Kind::text, .text = text(in_.read<std::uint8_t>("text's size"))}); break;
      case 'X': push({.kind = Kind::text, .text = text(in_.read<std::uint32_t>("text's size"))}); break;
      case 0x8d: push({.kind = Kind::text, .text = text(in_.read<std::uint64_t>("text's size"))}); break;
      case 'q': remember(in_.read<std::uint8_t>("memo")); break;
      case 'r': remember(in_.read<std::uint32_t>("memo")); break;
      case 0x94: remember(memo_.size()); break;
      case 'h': recall(in_.read<std::uint8_t>("memo")); break;
      case 'j': recall(in_.read<std::uint32_t>("memo")); break;
      case 'c': {
        const std::string module = line();
        look_up(module, line());
        break;
      }
      case 0x93: {
        const Value &name = values_[pop()], &module = values_[pop()];
        if (name.kind != Kind::text || module.kind != Kind::text) bad("looks up a name that is no text");
        look_up(module.text, name.text);
        break;
      }
      case 'Q': push_storage(); break;
      case 'R': reduce(); break;
      case 'b': {  // attributes of an OrderedDict (_metadata): nothing that a tensor needs
        pop();
        if (top().kind != Kind::dict) bad("sets attributes of ", kind_names[static_cast<int>(top().kind)]);
        break;
      }
      case 's': {
        const Id value = pop(), key = pop();
        append(Kind::dict, {key, value});
        break;
      }
      case 'u': append(Kind::dict, pop_to_mark()); break;
      case 'a': append(Kind::list, {pop()}); break;
      case 'e': append(Kind::list, pop_to_mark()); break;
      case '.': return true;
      default: bad("instruction ", static_cast<int>(op), " is none that a file of tensors needs");
    }
    return false;
  }

  std::vector<PickledTensor> tensors_of(Id id) const {
    const Value* dict = &values_[id];
    if (dict->kind != Kind::dict) bad("the file holds ", kind_names[static_cast<int>(dict->kind)], ", not a dictionary of tensors");
    for (std::size_t i = 0; i + 1 < dict->items.size(); i += 2) {
      const Value &key = values_[dict->items[i]], &value = values_[dict->items[i + 1]];
      if (key.kind == Kind::text && value.kind == Kind::dict && (key.text == "state_dict" || key.text == "model" || key.text == "module")) {
        dict = &value;
        break;
      }
    }
    std::vector<PickledTensor> out;
    for (std::size_t i = 0; i + 1 < dict->items.size(); i += 2) {
      const Value &key = values_[dict->items[i]], &value = values_[dict->items[i + 1]];
      if (key.kind != Kind::text) bad("the dictionary has a key that is ", kind_names[static_cast<int>(key.kind)]);
      if (value.kind != Kind::tensor) bad("entry \"", printable(key.text), "\" is ", kind_names[static_cast<int>(value.kind)], ", not a tensor");
      out.push_back(tensors_[value.tensor]);
      out.back().name = key.text;
    }
    return out;
  }

  ByteReader in_;
  std::uint64_t at_ = 0;  // of the instruction, for messages
  std::vector<Value> values_;
  std::vector<Id> stack_, memo_;
  std::vector<std::size_t> marks_;
  std::vector<PickledTensor> tensors_;
};

}  // namespace

std::vector<PickledTensor> read_pickled_tensors(std::span<const std::byte> bytes, const std::string& what) { return Machine(bytes, what).run(); }

}  // namespace tashika
