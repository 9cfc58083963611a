// Which variable a name means is decided before rendering, as jinja2's compiler does: a body that
// assigns a name anywhere has a variable of that name from its start on. What differs from looking
// names up from the inside out at run time is kept in Scope::hidden; the rest needs no record.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace tashika::jinja {
namespace {

enum class Load { parameter, resolve, alias, undefined };

// The names of one scope. A branch of an if is a layer on top of the names before it, so that it costs
// what it holds and not what the scope holds.
struct Symbols {
  const Symbols* parent = nullptr;  // the scope around this one
  const Symbols* base = nullptr;    // what this branch continues, in the same scope
  std::map<std::string, Load, std::less<>> refs;
  std::set<std::string, std::less<>> stores;

  static Symbols inside(const Symbols& outer) {
    Symbols symbols;
    symbols.parent = &outer;
    return symbols;
  }
  static Symbols branch_of(const Symbols& base) {
    Symbols symbols;
    symbols.parent = base.parent;
    symbols.base = &base;
    return symbols;
  }

  bool refers(std::string_view name) const {
    for (const Symbols* s = this; s; s = s->base) {
      if (s->refs.find(name) != s->refs.end()) return true;
    }
    return false;
  }
  bool stored(std::string_view name) const {
    for (const Symbols* s = this; s; s = s->base) {
      if (s->stores.find(name) != s->stores.end()) return true;
    }
    return false;
  }
  bool known_outside(std::string_view name) const {
    for (const Symbols* s = parent; s; s = s->parent) {
      if (s->refers(name)) return true;
    }
    return false;
  }
  void parameter(const std::string& name) {
    stores.insert(name);
    refs[name] = Load::parameter;
  }
  void load(const std::string& name) {
    if (!refers(name) && !known_outside(name)) refs[name] = Load::resolve;
  }
  void store(const std::string& name) {
    stores.insert(name);
    if (refers(name)) return;
    refs[name] = known_outside(name) ? Load::alias : Load::undefined;
  }
  // After the branches of an if: what only some of them store may still be the outer variable.
  void merge(const std::array<Symbols, 3>& branches) {
    std::set<std::string, std::less<>> fresh;
    for (const Symbols& branch : branches) {
      for (const std::string& name : branch.stores) {
        if (!stored(name)) fresh.insert(name);
      }
    }
    for (const Symbols& branch : branches) {
      for (const auto& [name, how] : branch.refs) refs[name] = how;
      stores.insert(branch.stores.begin(), branch.stores.end());
    }
    for (const std::string& name : fresh) refs[name] = known_outside(name) ? Load::alias : Load::resolve;
  }
};

template <typename Visit>
void for_each_part(const Expr& node, const Visit& visit) {
  const auto part = [&](const ExprPtr& expr) {
    if (expr) visit(*expr);
  };
  for (const ExprPtr& item : node.items) part(item);
  for (const ExprPtr& argument : node.arguments.positional) part(argument);
  for (const auto& [name, argument] : node.arguments.named) part(argument);
  part(node.arguments.star);
  part(node.arguments.double_star);
}

bool mentions(const Expr* node, std::string_view name) {
  if (!node) return false;
  if (node->kind == ExprKind::name && node->name == name) return true;
  bool found = false;
  for_each_part(*node, [&](const Expr& part) { found = found || mentions(&part, name); });
  return found;
}

bool mentions(const Body& body, std::string_view name) {
  for (const StmtPtr& stmt : body) {
    if (stmt->kind == StmtKind::block) continue;
    // A target is no mention.
    if (mentions(stmt->expr.get(), name) || mentions(stmt->test.get(), name) || mentions(stmt->filter.get(), name)) {
      return true;
    }
    for (const auto& [test, branch] : stmt->branches) {
      if (mentions(test.get(), name) || mentions(branch, name)) return true;
    }
    for (const ExprPtr& value : stmt->values) {
      if (mentions(value.get(), name)) return true;
    }
    if (mentions(stmt->scope.body, name) || mentions(stmt->other.body, name)) return true;
    if (stmt->macro) {
      for (const ExprPtr& value : stmt->macro->defaults) {
        if (mentions(value.get(), name)) return true;
      }
      if (mentions(stmt->macro->scope.body, name)) return true;
    }
  }
  return false;
}

bool has_scoped_block(const Body& body) {
  for (const StmtPtr& stmt : body) {
    if (stmt->kind == StmtKind::block && stmt->recursive) return true;
    for (const auto& [test, branch] : stmt->branches) {
      if (has_scoped_block(branch)) return true;
    }
    if (has_scoped_block(stmt->scope.body) || has_scoped_block(stmt->other.body)) return true;
    if (stmt->macro && has_scoped_block(stmt->macro->scope.body)) return true;
  }
  return false;
}

class Analyzer {
 public:
  void root(Scope& scope) {
    Symbols symbols;
    visit(scope.body, symbols);
    finish(scope, symbols);
    compile(scope.body, symbols, false, false);
  }

 private:
  static void loads(const Expr* node, Symbols& symbols) {
    if (!node) return;
    if (node->kind == ExprKind::name || node->kind == ExprKind::namespace_ref) symbols.load(node->name);
    for_each_part(*node, [&](const Expr& part) { loads(&part, symbols); });
  }

  static void targets(const Expr& node, Symbols& symbols, bool parameter) {
    if (node.kind == ExprKind::namespace_ref) return symbols.load(node.name);
    if (node.kind == ExprKind::name) return parameter ? symbols.parameter(node.name) : symbols.store(node.name);
    for (const ExprPtr& item : node.items) targets(*item, symbols, parameter);
  }

  // What a body means for the variables of its own scope; inner scopes are not entered.
  static void visit(const Body& body, Symbols& symbols) {
    for (const StmtPtr& stmt : body) {
      switch (stmt->kind) {
        case StmtKind::output:
        case StmtKind::for_:
        case StmtKind::call:
          loads(stmt->expr.get(), symbols);
          break;
        case StmtKind::loader:
          loads(stmt->expr.get(), symbols);
          for (const std::string& name : stmt->names) symbols.store(name);
          break;
        case StmtKind::if_:
          visit_if(*stmt, symbols);
          break;
        case StmtKind::set:
          loads(stmt->expr.get(), symbols);
          targets(*stmt->target, symbols, false);
          break;
        case StmtKind::set_block:
          targets(*stmt->target, symbols, false);
          break;
        case StmtKind::with:
          for (const ExprPtr& value : stmt->values) loads(value.get(), symbols);
          break;
        case StmtKind::macro:
          symbols.store(stmt->macro->name);
          break;
        case StmtKind::filter:
          loads(stmt->filter.get(), symbols);
          break;
        case StmtKind::generation:
        case StmtKind::block:
        case StmtKind::break_:
        case StmtKind::continue_:
          break;
      }
    }
  }

  // The test, then body, elif and else as three branches: the first elif is an if of its own, without
  // an else, and the later ones follow it in the same branch.
  static void visit_if(const Stmt& stmt, Symbols& symbols) {
    loads(stmt.branches[0].first.get(), symbols);
    const auto three = [](const Symbols& base) {
      return std::array<Symbols, 3>{Symbols::branch_of(base), Symbols::branch_of(base), Symbols::branch_of(base)};
    };
    std::array<Symbols, 3> branches = three(symbols);
    visit(stmt.branches[0].second, branches[0]);
    for (std::size_t i = 1; i < stmt.branches.size(); ++i) {
      loads(stmt.branches[i].first.get(), branches[1]);
      std::array<Symbols, 3> inner = three(branches[1]);
      visit(stmt.branches[i].second, inner[0]);
      branches[1].merge(inner);
    }
    visit(stmt.other.body, branches[2]);
    symbols.merge(branches);
  }

  static void finish(Scope& scope, const Symbols& symbols) {
    for (const auto& [name, how] : symbols.refs) {
      if (how == Load::undefined) scope.hidden.push_back(name);
    }
  }

  // Filters and tests must exist, but inside an if they may be missing as long as they are not reached.
  static void check(const Expr* node, bool soft) {
    if (!node) return;
    const bool filter = node->kind == ExprKind::filter;
    if (!soft && (filter || node->kind == ExprKind::test)) {
      if (!(filter ? filter_exists(node->name) : test_exists(node->name))) {
        throw SyntaxError{node->line, cat("No ", filter ? "filter" : "test", " named '", node->name, "'.")};
      }
    }
    const bool inner = soft || node->kind == ExprKind::condition;
    for_each_part(*node, [&](const Expr& part) { check(&part, inner); });
  }

  static void refuse_loop_target(const Expr& target) {
    if (target.kind == ExprKind::name && target.name == "loop") {
      throw SyntaxError{target.line, "Can't assign to special loop variable in for-loop target"};
    }
    for (const ExprPtr& item : target.items) refuse_loop_target(*item);
  }

  void compile(Body& body, const Symbols& symbols, bool soft, bool in_loop) {
    for (const StmtPtr& stmt : body) {
      check(stmt->expr.get(), soft);
      if (stmt->target && (in_loop || stmt->kind == StmtKind::for_)) refuse_loop_target(*stmt->target);
      Symbols inner = Symbols::inside(symbols);
      switch (stmt->kind) {
        case StmtKind::if_:
          for (auto& [test, branch] : stmt->branches) {
            check(test.get(), true);
            compile(branch, symbols, true, in_loop);
          }
          compile(stmt->other.body, symbols, true, in_loop);
          break;
        case StmtKind::for_:
          compile_for(*stmt, symbols);
          break;
        case StmtKind::with:
          for (const ExprPtr& value : stmt->values) check(value.get(), soft);
          for (const ExprPtr& target : stmt->targets) targets(*target, inner, true);
          compile_scope(stmt->scope, inner, in_loop);
          break;
        case StmtKind::set_block:
          check(stmt->filter.get(), false);
          compile_scope(stmt->scope, inner, in_loop);
          break;
        case StmtKind::filter:
          check(stmt->filter.get(), false);
          visit(stmt->scope.body, inner);
          loads(stmt->filter.get(), inner);
          finish(stmt->scope, inner);
          compile(stmt->scope.body, inner, false, in_loop);
          break;
        case StmtKind::generation:
          compile_scope(stmt->scope, inner, in_loop);
          break;
        case StmtKind::block: {
          Symbols own;  // a block is a function of its own
          compile_scope(stmt->scope, own, in_loop);
          break;
        }
        case StmtKind::macro:
        case StmtKind::call:
          compile_macro(const_cast<Macro&>(*stmt->macro), inner, in_loop);
          break;
        default:
          break;
      }
    }
  }

  void compile_scope(Scope& scope, Symbols& symbols, bool in_loop) {
    visit(scope.body, symbols);
    finish(scope, symbols);
    compile(scope.body, symbols, false, in_loop);
  }

  void compile_for(Stmt& stmt, const Symbols& symbols) {
    stmt.uses_loop = stmt.recursive || mentions(stmt.scope.body, "loop") || has_scoped_block(stmt.scope.body);
    check(stmt.test.get(), false);
    Symbols inner = Symbols::inside(symbols);
    if (stmt.uses_loop) inner.parameter("loop");
    targets(*stmt.target, inner, true);
    compile_scope(stmt.scope, inner, true);
    Symbols other = Symbols::inside(symbols);
    compile_scope(stmt.other, other, true);
  }

  void compile_macro(Macro& macro, Symbols& symbols, bool in_loop) {
    for (const std::string& name : macro.parameters) symbols.parameter(name);
    for (const ExprPtr& value : macro.defaults) {
      check(value.get(), false);
      loads(value.get(), symbols);
    }
    visit(macro.scope.body, symbols);
    const auto has = [&](std::string_view name) {
      return std::find(macro.parameters.begin(), macro.parameters.end(), name) != macro.parameters.end();
    };
    macro.uses_caller = mentions(macro.scope.body, "caller");
    macro.uses_kwargs = mentions(macro.scope.body, "kwargs") && !has("kwargs");
    macro.uses_varargs = mentions(macro.scope.body, "varargs") && !has("varargs");
    if (macro.uses_caller && has("caller")) {
      const auto place = std::find(macro.parameters.begin(), macro.parameters.end(), "caller");
      if (macro.parameters.end() - place > static_cast<std::ptrdiff_t>(macro.defaults.size())) {
        throw SyntaxError{0, "the special \"caller\" argument of a macro must be omitted or be given a default"};
      }
    } else if (macro.uses_caller) {
      symbols.parameter("caller");
    }
    if (macro.uses_kwargs) symbols.parameter("kwargs");
    if (macro.uses_varargs) symbols.parameter("varargs");
    finish(macro.scope, symbols);
    compile(macro.scope.body, symbols, false, in_loop);
  }
};

}  // namespace

void analyze_scopes(Template& tree) {
  Analyzer().root(tree.scope);
}

}  // namespace tashika::jinja
