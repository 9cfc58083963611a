#include "text/jinja/interpreter.h"

#include <algorithm>

#include "text/jinja/loop_context.h"

namespace tashika::jinja {
namespace {

class MacroObject : public Object {
 public:
  MacroObject(std::shared_ptr<const Macro> macro, VariablesRef scope)
      : macro_(std::move(macro)), scope_(std::move(scope)) {}
  std::string_view type_name() const override { return "Macro"; }
  std::string repr(Heap&, int) override {
    return macro_->name.empty() ? "<Macro anonymous>" : cat("<Macro ", repr_text(macro_->name), ">");
  }
  bool callable() const override { return true; }
  Value call(Interpreter& in, Args& args) override {
    const std::shared_ptr<const Macro> keep = macro_;
    return in.call_macro(*keep, scope_, args);
  }
  bool attribute(Interpreter& in, const Value&, std::string_view name, Value& out) override {
    if (name == "name") {
      out = macro_->name.empty() ? Value() : in.heap.string(macro_->name);
    } else if (name == "arguments") {
      std::vector<Value> names;
      for (const std::string& parameter : macro_->parameters) names.push_back(in.heap.string(parameter));
      out = in.heap.tuple(std::move(names));
    } else if (name == "caller") {
      out = Value(macro_->uses_caller);
    } else if (name == "catch_kwargs") {
      out = Value(macro_->uses_kwargs);
    } else if (name == "catch_varargs") {
      out = Value(macro_->uses_varargs);
    } else {
      return false;
    }
    return true;
  }

 private:
  std::shared_ptr<const Macro> macro_;
  VariablesRef scope_;
};

}  // namespace

namespace {

// Puts a value back when the scope is left, by whatever way.
template <typename T>
class Restore {
 public:
  Restore(T& place, T value) : place_(place), old_(std::exchange(place, std::move(value))) {}
  ~Restore() { place_ = std::move(old_); }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T& place_;
  T old_;
};

}  // namespace

Interpreter::~Interpreter() {
  for (const VariablesRef& scope : captured_) scope->entries.clear();
  for (const auto& object : heap.kept()) object->drop();
}

std::string Interpreter::render(const Template& tree, std::vector<std::pair<std::string_view, Value>> inputs) {
  auto outermost = std::make_shared<Variables>();
  for (auto& [name, value] : inputs) outermost->entries.push_back({name, std::move(value), false});
  scope_ = root_ = enter(tree.scope, std::move(outermost));
  out_ = &result_;
  exec(tree.scope.body);
  return std::move(result_);
}

VariablesRef Interpreter::enter(const Scope& scope, VariablesRef outer) {
  heap.work(2);
  auto variables = std::make_shared<Variables>();
  variables->outer = std::move(outer);
  for (const std::string& name : scope.hidden) variables->entries.push_back({name, Value(), true});
  return variables;
}

void Interpreter::capture(const VariablesRef& scope) {
  for (VariablesRef s = scope; s; s = s->outer) {
    if (std::find(captured_.rbegin(), captured_.rend(), s) != captured_.rend()) return;
    captured_.push_back(s);
  }
}

Variables::Entry* Interpreter::find(std::string_view name) {
  for (Variables* scope = scope_.get(); scope; scope = scope->outer.get()) {
    for (Variables::Entry& entry : scope->entries) {
      if (entry.name == name) return &entry;
    }
  }
  return nullptr;
}

void Interpreter::set(std::string_view name, Value value) {
  for (Variables::Entry& entry : scope_->entries) {
    if (entry.name == name) {
      entry.value = std::move(value);
      entry.missing = false;
      return;
    }
  }
  scope_->entries.push_back({name, std::move(value), false});
}

void Interpreter::output(std::string_view text) {
  if (text.size() > max_text - out_->size()) throw_limit("the output of the template is longer than 16 MiB");
  heap.work(text.size() / 64);
  out_->append(text);
}

void Interpreter::output(const Value& value) {
  if (value.is_string()) return output(std::string_view(value.text()));
  output(std::string_view(to_text(heap, value)));
}

// What a block gives must be text already.
void Interpreter::output_text(const Value& value) {
  if (!value.is_string()) fail_template("expected a string from this block, found ", type_name(value));
  output(std::string_view(value.text()));
}

void Interpreter::check_namespaces(const Expr& target) {
  if (target.kind == ExprKind::namespace_ref) {
    const Variables::Entry* entry = find(target.name);
    if (!entry || entry->missing || !set_namespace(heap, entry->value, "", Value())) {
      fail_template("cannot assign attribute on non-namespace object");
    }
  }
  for (const ExprPtr& item : target.items) check_namespaces(*item);
}

void Interpreter::assign(const Expr& target, const Value& value) {
  if (target.kind == ExprKind::name) return set(target.name, value);
  if (target.kind == ExprKind::namespace_ref) {
    const Variables::Entry* entry = find(target.name);
    set_namespace(heap, entry->value, target.attribute, value);
    return;
  }
  const std::size_t wanted = target.items.size();
  if (value.is_seq()) {
    const std::size_t size = value.seq().items.size();
    if (size > wanted) fail_template("too many values to unpack (expected ", wanted, ")");
    if (size < wanted) fail_template("not enough values to unpack (expected ", wanted, ", got ", size, ")");
    for (std::size_t i = 0; i < wanted; ++i) assign(*target.items[i], value.seq().items[i]);
    return;
  }
  if (!value.is_undefined() && !value.is_string() && !value.is_dict() &&
      !(value.is_object() && value.object().iterable())) {
    fail_template("cannot unpack non-iterable ", type_name(value), " object");
  }
  const std::unique_ptr<Iterator> items = iterate(value);
  std::vector<Value> unpacked;
  Value item;
  while (unpacked.size() <= wanted && items->next(*this, item)) unpacked.push_back(std::move(item));
  if (unpacked.size() > wanted) fail_template("too many values to unpack (expected ", wanted, ")");
  if (unpacked.size() < wanted) {
    fail_template("not enough values to unpack (expected ", wanted, ", got ", unpacked.size(), ")");
  }
  for (std::size_t i = 0; i < wanted; ++i) assign(*target.items[i], unpacked[i]);
}

Interpreter::Flow Interpreter::exec(const Body& body) {
  for (const StmtPtr& stmt : body) {
    const Flow flow = exec(*stmt);
    if (flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

Interpreter::Flow Interpreter::exec(const Stmt& stmt) {
  const Depth depth(*this);
  heap.work(1);
  line_ = stmt.line;
  Flow flow = Flow::normal;
  switch (stmt.kind) {
    case StmtKind::output:
      if (stmt.expr) {
        output(eval(*stmt.expr));
      } else {
        output(std::string_view(stmt.text));
      }
      break;
    case StmtKind::for_:
      exec_for(stmt);
      break;
    case StmtKind::if_:
      return exec_if(stmt);
    case StmtKind::set: {
      check_namespaces(*stmt.target);
      assign(*stmt.target, eval(*stmt.expr));
      break;
    }
    case StmtKind::set_block:
      exec_set_block(stmt, flow);
      break;
    case StmtKind::with:
      exec_with(stmt, flow);
      break;
    case StmtKind::macro:
      capture(scope_);
      set(stmt.macro->name, heap.object(std::make_shared<MacroObject>(stmt.macro, scope_)));
      break;
    case StmtKind::call:
      exec_call_block(stmt);
      break;
    case StmtKind::filter:
      exec_filter_block(stmt, flow);
      break;
    case StmtKind::generation:
      exec_generation(stmt);
      break;
    case StmtKind::block:
      exec_block(stmt);
      break;
    case StmtKind::break_:
      return Flow::break_;
    case StmtKind::continue_:
      return Flow::continue_;
    case StmtKind::loader:
      fail_template("'", stmt.text, "' is not possible: a chat template has no other templates");
  }
  return flow;
}

Interpreter::Flow Interpreter::exec_if(const Stmt& stmt) {
  for (const auto& [test, body] : stmt.branches) {
    if (truthy(eval(*test))) return exec(body);
  }
  return exec(stmt.other.body);
}

void Interpreter::exec_for(const Stmt& stmt) {
  if (!stmt.recursive) {
    run_loop(stmt, eval(*stmt.expr), 0);
    return;
  }
  output(loop_text(stmt, eval(*stmt.expr), scope_, 0));
}

Value Interpreter::loop_text(const Stmt& stmt, const Value& iterable, const VariablesRef& scope, int depth) {
  const Depth guard(*this);
  heap.step();
  std::string text;
  {
    const Restore<std::string*> out(out_, &text);
    const Restore<VariablesRef> variables(scope_, scope);
    run_loop(stmt, iterable, depth);
  }
  return heap.string(std::move(text));
}

void Interpreter::run_loop(const Stmt& stmt, const Value& iterable, int depth) {
  const VariablesRef outer = scope_;
  std::unique_ptr<Iterator> items = iterate(iterable);
  Value source = iterable;
  if (stmt.test) {
    // The filtered items come one by one, as they are asked for.
    items =
        make_iterator([&stmt, outer, inner = std::shared_ptr<Iterator>(std::move(items))](Interpreter& in, Value& out) {
          Value item;
          while (inner->next(in, item)) {
            in.heap.step();
            const Restore<VariablesRef> scope(in.scope_, in.enter(Scope(), outer));
            in.assign(*stmt.target, item);
            if (truthy(in.eval(*stmt.test))) {
              out = std::move(item);
              return true;
            }
          }
          return false;
        });
    source = Value();  // has no length
  }
  std::shared_ptr<LoopContext> loop;
  Value loop_value;
  if (stmt.uses_loop) {
    loop = std::make_shared<LoopContext>(*this, source, std::move(items), stmt, outer, depth);
    loop_value = heap.object(loop, depth_of(iterable));
    if (stmt.recursive) capture(outer);
  }
  bool completed = false;  // a round that was run to its end
  Value item;
  const Restore<VariablesRef> restore(scope_, outer);
  while (loop ? loop->next(*this, item) : items->next(*this, item)) {
    heap.step();
    line_ = stmt.line;
    scope_ = enter(stmt.scope, outer);
    if (loop) set("loop", loop_value);
    assign(*stmt.target, item);
    const Flow flow = exec(stmt.scope.body);
    if (flow == Flow::break_) break;
    if (flow == Flow::normal) completed = true;
    scope_ = outer;
  }
  if (!completed && !stmt.other.body.empty()) {
    scope_ = enter(stmt.other, outer);
    exec(stmt.other.body);
  }
}

void Interpreter::exec_set_block(const Stmt& stmt, Flow& flow) {
  std::string text;
  Value value;
  {
    const Restore<VariablesRef> scope(scope_, enter(stmt.scope, scope_));
    {
      const Restore<std::string*> out(out_, &text);
      flow = exec(stmt.scope.body);
    }
    if (flow != Flow::normal) return;
    value = heap.string(std::move(text));
    if (stmt.filter) value = eval_filter(*stmt.filter, &value);
  }
  check_namespaces(*stmt.target);
  assign(*stmt.target, value);
}

void Interpreter::exec_filter_block(const Stmt& stmt, Flow& flow) {
  std::string text;
  const Restore<VariablesRef> scope(scope_, enter(stmt.scope, scope_));
  {
    const Restore<std::string*> out(out_, &text);
    flow = exec(stmt.scope.body);
  }
  if (flow != Flow::normal) return;
  const Value value = heap.string(std::move(text));
  output_text(eval_filter(*stmt.filter, &value));
}

void Interpreter::exec_with(const Stmt& stmt, Flow& flow) {
  const VariablesRef outer = scope_, inner = enter(stmt.scope, scope_);
  for (std::size_t i = 0; i < stmt.targets.size(); ++i) {
    const Value value = eval(*stmt.values[i]);
    const Restore<VariablesRef> scope(scope_, inner);
    assign(*stmt.targets[i], value);
  }
  const Restore<VariablesRef> scope(scope_, inner);
  flow = exec(stmt.scope.body);
}

void Interpreter::exec_call_block(const Stmt& stmt) {
  capture(scope_);
  const Value caller = heap.object(std::make_shared<MacroObject>(stmt.macro, scope_));
  output_text(eval_call(*stmt.expr, &caller));
}

void Interpreter::exec_generation(const Stmt& stmt) {
  std::string text;
  {
    const Restore<VariablesRef> scope(scope_, enter(stmt.scope, scope_));
    const Restore<std::string*> out(out_, &text);
    exec(stmt.scope.body);
  }
  generated_.push_back({result_.size(), result_.size() + text.size()});
  output(std::string_view(text));
}

void Interpreter::exec_block(const Stmt& stmt) {
  const Restore<VariablesRef> scope(scope_, enter(stmt.scope, stmt.recursive ? scope_ : root_));
  exec(stmt.scope.body);
}

Value Interpreter::call_macro(const Macro& macro, const VariablesRef& defined_in, Args& args) {
  const Depth guard(*this);
  heap.step();
  const VariablesRef inner = enter(macro.scope, defined_in);
  const std::string& name = macro.name;
  const auto take = [&](std::string_view key, Value& out) {
    for (auto it = args.named.begin(); it != args.named.end(); ++it) {
      if (it->first != key) continue;
      out = std::move(it->second);
      args.named.erase(it);
      return true;
    }
    return false;
  };
  const std::size_t count = macro.parameters.size(), given = std::min(args.positional.size(), count);
  std::vector<std::pair<Value, bool>> values(count);
  bool found_caller = false;
  for (std::size_t i = 0; i < count; ++i) {
    if (i < given) {
      values[i] = {args.positional[i], true};
    } else {
      values[i].second = take(macro.parameters[i], values[i].first);
      found_caller = found_caller || macro.parameters[i] == "caller";
    }
  }
  if (given == count) {
    found_caller = std::find(macro.parameters.begin(), macro.parameters.end(), "caller") != macro.parameters.end();
  }
  const Restore<VariablesRef> scope(scope_, inner);
  for (std::size_t i = 0; i < count; ++i) inner->entries.push_back({macro.parameters[i], Value(), true});
  if (macro.uses_caller && !found_caller) {
    Value caller;
    if (!take("caller", caller) || caller.is_none()) caller = heap.undefined("No caller defined");
    set("caller", std::move(caller));
  }
  if (macro.uses_kwargs) {
    Entries entries;
    for (auto& [key, value] : args.named) entries.emplace_back(heap.string(key), std::move(value));
    set("kwargs", heap.dict(std::move(entries)));
  } else if (!args.named.empty()) {
    for (const auto& [key, value] : args.named) {
      if (key == "caller")
        fail_template("macro '", name, "' was invoked with two values for the special caller argument");
    }
    fail_template("macro '", name, "' takes no keyword argument '", args.named[0].first, "'");
  }
  if (macro.uses_varargs) {
    std::vector<Value> rest(args.positional.begin() + static_cast<std::ptrdiff_t>(given), args.positional.end());
    set("varargs", heap.tuple(std::move(rest)));
  } else if (args.positional.size() > count) {
    fail_template("macro '", name, "' takes not more than ", count, " argument(s)");
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (values[i].second) set(macro.parameters[i], std::move(values[i].first));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (values[i].second) continue;
    const std::size_t without_default = count - macro.defaults.size();
    set(macro.parameters[i], i >= without_default
                                 ? eval(*macro.defaults[i - without_default])
                                 : heap.undefined(cat("parameter '", macro.parameters[i], "' was not provided")));
  }
  std::string text;
  {
    const Restore<std::string*> out(out_, &text);
    exec(macro.scope.body);
  }
  return heap.string(std::move(text));
}

}  // namespace tashika::jinja
