// Renders a tree. One object a rendering: it owns the budgets, the variables and the output.
#pragma once

#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/value.h"

namespace tashika::jinja {

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// Arguments put in the order of `names`, null where absent. Throws what Python does for too many,
// unknown, doubled or missing ones. A name that starts with '/' can be given by position only.
std::vector<const Value*> bind(std::string_view function, const Args& args,
                               std::initializer_list<std::string_view> names, std::size_t required);

using Function = Value (*)(Interpreter& in, const Value& self, Args& args);
struct Method {
  std::string_view name;
  Function function;  // null: Python has it, this does not
};

// A function or a method of a value.
Value make_function(Interpreter& in, std::string_view name, Function function, Value self = Value());

// The variables of one scope; what is looked up and not found continues outside.
struct Variables {
  struct Entry {
    std::string_view name;  // of the tree or of the inputs: both outlive the run
    Value value;
    bool missing;
  };
  std::shared_ptr<Variables> outer;
  std::vector<Entry> entries;
};
using VariablesRef = std::shared_ptr<Variables>;

class Interpreter {
 public:
  struct Span {
    std::size_t begin, end;  // bytes of the output
  };

  Interpreter(Budget budget, std::function<std::tm()> now) : heap(budget), now_(std::move(now)) {}
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Throws Failure; `line` says where.
  std::string render(const Template& tree, std::vector<std::pair<std::string_view, Value>> inputs);
  int line() const { return line_; }
  const std::vector<Span>& generated() const { return generated_; }
  std::tm now() const { return now_(); }

  Heap heap;

  // Values (access.cpp).
  Value attribute(const Value& object, std::string_view name);
  Value item(const Value& object, const Value& key);
  Value slice(const Value& object, const Value& start, const Value& stop, const Value& step);
  Value call(const Value& callee, Args& args);
  std::unique_ptr<Iterator> iterate(const Value& value);
  std::vector<Value> items_of(const Value& value);
  bool contains(const Value& container, const Value& item);

  // Filters and tests (filters.cpp, tests.cpp); args.positional[0] is the value.
  Value filter(std::string_view name, Args& args);
  bool test(std::string_view name, Args& args);

  // Runs a macro's body; missing arguments are filled in.
  Value call_macro(const Macro& macro, const VariablesRef& defined_in, Args& args);
  // The text of one round of a recursive loop.
  Value loop_text(const Stmt& stmt, const Value& iterable, const VariablesRef& scope, int depth);

 private:
  bool own_attribute(const Value& object, std::string_view name, Value& out);

  enum class Flow { normal, break_, continue_ };
  // Evaluations within one another. A macro that calls itself takes three or more a call, so this
  // is near Python's own limit.
  static constexpr int max_eval_depth = 1000;
  class Depth {
   public:
    explicit Depth(Interpreter& in) : in_(in) {
      if (++in_.depth_ > max_eval_depth) {
        --in_.depth_;
        throw_limit("the template calls itself too deeply");
      }
    }
    ~Depth() { --in_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    Interpreter& in_;
  };

  Value eval(const Expr& node);
  Value eval_name(const Expr& node);
  Value eval_container(const Expr& node);
  Value eval_subscript(const Expr& node);
  Value eval_call(const Expr& node, const Value* caller);
  Value eval_filter(const Expr& node, const Value* block_text);
  Value eval_test(const Expr& node);
  Value eval_compare(const Expr& node);
  Value eval_concat(const Expr& node);
  Value eval_condition(const Expr& node);
  Value eval_unary(const Expr& node);
  void eval_arguments(const CallArgs& arguments, Args& args);

  Flow exec(const Body& body);
  Flow exec(const Stmt& stmt);
  Flow exec_if(const Stmt& stmt);
  void exec_for(const Stmt& stmt);
  void exec_set_block(const Stmt& stmt, Flow& flow);
  void exec_filter_block(const Stmt& stmt, Flow& flow);
  void exec_with(const Stmt& stmt, Flow& flow);
  void exec_call_block(const Stmt& stmt);
  void exec_generation(const Stmt& stmt);
  void exec_block(const Stmt& stmt);
  void run_loop(const Stmt& stmt, const Value& iterable, int depth);
  void assign(const Expr& target, const Value& value);
  void check_namespaces(const Expr& target);
  void output(const Value& value);
  void output(std::string_view text);
  void output_text(const Value& value);

  VariablesRef enter(const Scope& scope, VariablesRef outer);
  void set(std::string_view name, Value value);
  Variables::Entry* find(std::string_view name);
  void capture(const VariablesRef& scope);

  std::function<std::tm()> now_;
  VariablesRef scope_, root_;
  std::vector<VariablesRef> captured_;  // scopes that macros hold: they could form cycles
  std::string* out_ = nullptr;
  std::string result_;
  std::vector<Span> generated_;
  int line_ = 0;
  int depth_ = 0;
};

// operators.cpp
Value binary(Interpreter& in, BinaryOp op, const Value& a, const Value& b);
Value negate(Interpreter& in, const Value& value, bool minus);
std::string escape_html(std::string_view text);

// format.cpp
std::string percent_format(Interpreter& in, const Str& format, const Value& argument);
std::string brace_format(Interpreter& in, const Str& format, const Args& args);

// globals.cpp: range, dict, namespace, …; null when there is no such function.
const Method* find_global(std::string_view name);
// methods.cpp: of str, dict, list, …; null when Python has none of that name.
const Method* find_method(const Value& value, std::string_view name);
bool set_namespace(Heap& heap, const Value& value, std::string_view name, Value item);  // false: no namespace
// Python would change the value in place, which the sandbox refuses.
bool is_mutator(const Value& value, std::string_view name);

// An iterator that is also a value, as Python's generators are.
Value make_generator(Interpreter& in, std::string_view type, std::unique_ptr<Iterator> iterator, int depth_of_parts);
// Yields what `next` gives until it returns false.
std::unique_ptr<Iterator> make_iterator(std::function<bool(Interpreter&, Value&)> next);

// Slice positions: Python's PySlice_AdjustIndices.
struct SliceRange {
  std::int64_t start, step, count;
};
SliceRange slice_range(const Value& start, const Value& stop, const Value& step, std::size_t length);

}  // namespace tashika::jinja
