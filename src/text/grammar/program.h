// What a grammar is compiled to, and the machine that reads bytes by it. Internal to the grammar files.
//
// A text is read by threads, each a place in the program (`Thread`) on a stack of what goes on behind it (`Frame`).
// Regular parts are automata; a schema's values are plans that carry what they have seen (keys, counts, items), so that
// bounds, distinct keys and distinct items are enforced as the bytes come. Frames are immutable and shared.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "text/grammar/dfa.h"
#include "text/grammar/number.h"

namespace tashika::grammar {

inline constexpr std::uint32_t no_id = ~std::uint32_t{0};
inline constexpr std::uint32_t unlimited = ~std::uint32_t{0};

// An automaton, of JSON strings with bounds on their characters perhaps.
struct Terminal {
  DfaPtr dfa;
  std::uint32_t least = 0, most = unlimited;  // characters
  std::shared_ptr<const Lengths> lengths;     // where they are bounded
};

// A finite set of texts, sorted.
struct Literals {
  std::vector<std::string> texts;
  std::vector<std::string> canonical;  // of values: equal values spell equal (canonical_value)
};

struct ObjectPlan {
  struct Property {
    std::string name;
    std::uint32_t child;
    bool required;
  };
  std::vector<Property> properties;  // in the order of their spelling as JSON
  std::vector<std::string> names;    // … which is this
  std::unordered_map<std::string, std::uint32_t> index;
  std::uint32_t required = 0;        // how many
  // Keys that are not among the properties: strings of `key`, which no other class' `pattern` matches.
  struct KeyClass {
    std::uint32_t key;  // terminal
    DfaPtr pattern;     // over the key's text; null: what is left
    std::uint32_t child;
  };
  std::vector<KeyClass> classes;
  std::vector<std::string> forbidden;  // sorted; names that must not appear
  std::vector<DfaPtr> refused;         // … and patterns of such
  std::uint32_t least = 0, most = unlimited;
};

struct ArrayPlan {
  std::vector<std::uint32_t> prefix;
  std::uint32_t items = no_id;  // no_id: none behind the prefix
  std::uint32_t least = 0, most = unlimited;
  bool unique = false;
  std::uint32_t child(std::uint32_t at) const { return at < prefix.size() ? prefix[at] : items; }
};

struct Plan {
  enum class Kind : std::uint8_t { text, literals, number, object, array };
  Kind kind;
  std::uint32_t id;
  std::uint32_t height = 0;  // least nesting that a value needs
  bool operator==(const Plan&) const = default;
};

// A place where a JSON value stands: any of its plans may be followed.
struct ValueNode {
  std::vector<Plan> plans;
  std::uint32_t height = 0;
};

struct Expr {
  enum class Kind : std::uint8_t { text, sequence, any_of, repeat, rule, value };
  Kind kind;
  std::uint32_t id = 0;              // terminal, rule, value node
  std::vector<std::uint32_t> parts;  // sequence, any_of, repeat
  std::uint32_t least = 0, most = 0;
  bool nullable_body = false;
};

struct Program {
  std::vector<Terminal> terminals;
  std::vector<Literals> literals;
  std::vector<NumberPlan> numbers;
  std::vector<ObjectPlan> objects;
  std::vector<ArrayPlan> arrays;
  std::vector<ValueNode> values;
  std::vector<Expr> exprs;
  std::vector<std::uint32_t> rules;  // exprs
  std::uint32_t root = 0;            // expr
  std::uint32_t depth_limit = 64;    // open objects and arrays
  std::optional<Json> schema;        // when the whole text is one value of it

  std::uint32_t add(Expr e) {
    exprs.push_back(std::move(e));
    return static_cast<std::uint32_t>(exprs.size() - 1);
  }
  std::uint32_t add_terminal(Terminal t) {
    terminals.push_back(std::move(t));
    return static_cast<std::uint32_t>(terminals.size() - 1);
  }
};

// Notes what may be empty, drops what can never end; Error(input) for left recursion or when no text is finite.
void settle(Program& program, std::string_view what);

// Compiles `schema` into `program` and returns its value node.
std::uint32_t compile_schema(Program& program, const Json& schema, std::string_view what);
// Compiles GBNF and returns its expr.
std::uint32_t compile_gbnf(Program& program, std::string_view text, std::string_view what);

// One spelling for equal values: keys sorted, 1 = 1.0.
std::string canonical_value(const Json& value);

struct Frame;
using FramePtr = std::shared_ptr<const Frame>;

// Texts seen: keys of an object, items of an array.
struct Seen {
  std::string text;  // a key as it is; an item in its canonical spelling
  std::shared_ptr<const Seen> next;
};
using SeenPtr = std::shared_ptr<const Seen>;

struct Frame {
  enum class Kind : std::uint8_t { sequence, repeat, object, array };
  Frame(Kind kind_, std::uint32_t id_) : kind(kind_), id(id_) {}
  Kind kind;
  std::uint32_t id;         // expr or plan
  std::uint32_t at = 0;     // sequence: next part; repeat: rounds begun; object, array: members so far
  std::uint32_t start = 0;  // repeat of what may be empty, array: where the round or item begins
  std::uint32_t depth = 0;  // open objects and arrays, this one included
  std::vector<std::uint64_t> seen;  // object: properties
  SeenPtr others;                   // object: further keys; array: items that must not come again
  FramePtr next;
  std::uint64_t hash = 0;
};

// Computes the hash; from then on the frame does not change.
FramePtr seal(Frame frame);

struct Thread {
  enum class Kind : std::uint8_t { text, literals, number, value, object, array, key, other_key, colon, end };
  Kind kind = Kind::end;
  std::uint32_t id = 0;  // terminal, literals, number plan, value node; colon: child
  // text, other_key: state, characters. literals, key: first, end, depth. value: blanks. object, array: phase, blanks.
  // colon: property or no_id.
  std::uint32_t a = 0, b = 0, c = 0;
  std::uint32_t start = 0;  // number, other_key, colon: where it begins in the text
  FramePtr stack;
};

class Machine {
 public:
  // Error(limit) when a text has too many readings.
  explicit Machine(const Program& program) : p_(program) {}

  void begin(std::vector<Thread>& out);
  // Threads after `byte`, which is the last of `text`, appended to `out`.
  void step(const Thread& thread, std::uint8_t byte, std::string_view text, std::vector<Thread>& out);
  // What may go on behind a thread that is complete at the end of `text`.
  void finish(const Thread& thread, std::string_view text, std::vector<Thread>& out);
  // Of `list`, those from `first` on that are not there twice.
  void dedupe(std::vector<Thread>& list);
  bool may_end(const std::vector<Thread>& list, std::string_view text);
  // The thread's further bytes depend on texts before it, so that masks by automaton state alone do not hold.
  bool depends_on_text(const Thread& thread) const;
  const Program& program() const { return p_; }

 private:
  void enter(std::uint32_t expr, const FramePtr& stack, std::string_view text, std::vector<Thread>& out);
  void enter_sequence(std::uint32_t expr, std::uint32_t part, const FramePtr& stack, std::string_view text, std::vector<Thread>& out);
  void enter_repeat(std::uint32_t expr, std::uint32_t rounds, const FramePtr& stack, std::string_view text, std::vector<Thread>& out);
  void complete(const FramePtr& stack, std::string_view text, std::vector<Thread>& out);
  void advance(const Thread& thread, std::uint8_t byte, std::string_view text, std::vector<Thread>& out);
  void start_value(const Thread& thread, std::uint8_t byte, std::string_view text, std::vector<Thread>& out);
  void step_text(const Thread& thread, std::uint32_t from, std::uint32_t count, std::uint8_t byte, std::string_view text, std::vector<Thread>& out);
  void step_literals(const Thread& thread, std::uint32_t first, std::uint32_t end, std::uint32_t depth, std::uint8_t byte, std::string_view text,
                     std::vector<Thread>& out);
  void step_object(const Thread& thread, std::uint8_t byte, std::string_view text, std::vector<Thread>& out);
  void step_array(const Thread& thread, std::uint8_t byte, std::string_view text, std::vector<Thread>& out);
  void step_key(const Thread& thread, std::uint32_t first, std::uint32_t end, std::uint32_t depth, std::uint8_t byte, std::vector<Thread>& out);
  void step_other_key(const Thread& thread, std::uint8_t byte, std::string_view text, std::vector<Thread>& out);
  void step_colon(const Thread& thread, std::uint8_t byte, std::string_view text, std::vector<Thread>& out);

  bool property_possible(const Frame& object, std::uint32_t property) const;
  bool other_possible(const Frame& object, const ObjectPlan::KeyClass& c) const;
  bool key_possible(const Frame& object) const;
  bool item_possible(const Frame& array) const;
  bool key_allowed(const Frame& object, const ObjectPlan::KeyClass& c, std::string_view key) const;
  const ArrayPlan* distinct(const Thread& thread) const;  // the array whose items must differ, directly around
  bool extends(const Terminal& t, std::uint32_t state, std::uint32_t count, std::string_view prefix, const SeenPtr& seen, bool items) const;
  std::vector<double> numbers_seen(const Thread& thread) const;
  void spend();

  const Program& p_;
  std::uint32_t depth_ = 0, work_ = 0;
};

bool same(const Thread& a, const Thread& b);

}  // namespace tashika::grammar
