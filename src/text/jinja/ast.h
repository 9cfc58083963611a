// The syntax tree of a template.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace tashika::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct CallArgs {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star;         // *args
  ExprPtr double_star;  // **kwargs
};

enum class ExprKind {
  constant,
  name,
  namespace_ref,  // ns.attr as the target of an assignment: name, attribute
  list,           // items
  tuple,
  dict,       // items: key, value, key, value…
  attribute,  // items[0].name
  subscript,  // items[0][items[1]]
  slice,      // items: start, stop, step; null when absent
  call,       // items[0](arguments)
  filter,     // items[0] | name(arguments); items[0] null in a filter block
  test,       // items[0] is name(arguments)
  unary,      // op: "-", "+", "not"
  binary,     // op: arithmetic
  logic,      // op: "and", "or"
  compare,    // items[0] ops[0] items[1] ops[1] items[2] …
  concat,     // items joined by ~
  condition,  // items: then, test, else (null when absent)
};

enum class BinaryOp { add, sub, mul, div, floordiv, mod, pow };
enum class CompareOp { eq, ne, lt, le, gt, ge, in, not_in };
enum class UnaryOp { minus, plus, not_ };

struct Expr {
  ExprKind kind;
  int line;
  int height = 1;  // of the subtree: bounded
  std::string name;
  std::string attribute;
  Value constant;
  std::vector<ExprPtr> items;
  CallArgs arguments;
  std::vector<CompareOp> compares;
  BinaryOp binary{};
  UnaryOp unary{};
  bool both = false;  // logic: "and"
};

struct Stmt;
using StmtPtr = std::unique_ptr<Stmt>;
using Body = std::vector<StmtPtr>;

enum class StmtKind {
  output,      // text, or expr when not null
  for_,        // target, expr (iterable), test, body, other (else), recursive
  if_,         // branches, other (else)
  set,         // target = expr
  set_block,   // target, filter (null when absent), body
  with,        // targets, values, body
  macro,       // macro
  call,        // expr (a call), macro is what `caller` will be
  filter,      // filter, body
  generation,  // body: what the assistant says
  block,       // name, body
  break_,
  continue_,
  loader,  // include, import, from, extends: there is no loader, so it fails when reached
};

// A body with variables of its own. What jinja2 compiles to "undefined at the start": names that
// the body assigns somewhere and that no enclosing body knows, which hides the template's inputs.
struct Scope {
  Body body;
  std::vector<std::string> hidden;
};

struct Macro {
  std::string name;  // empty: of a call block
  std::vector<std::string> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
  Scope scope;
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
};

struct Stmt {
  StmtKind kind;
  int line;
  std::string text;  // output; name of a block; names that a loader statement would define
  ExprPtr expr;
  ExprPtr target;
  ExprPtr test;
  ExprPtr filter;
  std::vector<std::pair<ExprPtr, Body>> branches;
  Scope scope;  // body of for, with, set_block, filter, generation, block
  Scope other;  // else of for (own variables) and of if (none of its own: only the body counts)
  std::vector<ExprPtr> targets, values;
  std::shared_ptr<const Macro> macro;
  std::vector<std::string> names;
  bool recursive = false;
  bool uses_loop = false;
};

struct Template {
  Scope scope;
};

// Throws SyntaxError.
Template parse_template(std::string_view source);

// Fills in what depends on the whole tree: hidden names, macro flags; checks filter and test names
// as jinja2's compiler does. Called by parse_template. Throws SyntaxError.
void analyze_scopes(Template& tree);

bool filter_exists(std::string_view name);
bool test_exists(std::string_view name);

}  // namespace tashika::jinja
