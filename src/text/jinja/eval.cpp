#include <algorithm>

#include "text/jinja/interpreter.h"

namespace tashika::jinja {
Value Interpreter::eval(const Expr& node) {
  const Depth guard(*this);
  heap.work(1);
  switch (node.kind) {
    case ExprKind::constant:
      return node.constant;
    case ExprKind::name:
      return eval_name(node);
    case ExprKind::list:
    case ExprKind::tuple:
    case ExprKind::dict:
      return eval_container(node);
    case ExprKind::attribute: {
      const Value object = eval(*node.items[0]);
      line_ = node.line;
      return attribute(object, node.name);
    }
    case ExprKind::subscript:
      return eval_subscript(node);
    case ExprKind::call:
      return eval_call(node, nullptr);
    case ExprKind::filter:
      return eval_filter(node, nullptr);
    case ExprKind::test:
      return eval_test(node);
    case ExprKind::unary:
      return eval_unary(node);
    case ExprKind::binary: {
      const Value left = eval(*node.items[0]), right = eval(*node.items[1]);
      line_ = node.line;
      return binary(*this, node.binary, left, right);
    }
    case ExprKind::logic: {
      Value left = eval(*node.items[0]);
      return truthy(left) == node.both ? eval(*node.items[1]) : left;
    }
    case ExprKind::compare:
      return eval_compare(node);
    case ExprKind::concat:
      return eval_concat(node);
    case ExprKind::condition:
      return eval_condition(node);
    case ExprKind::slice:
    case ExprKind::namespace_ref:
      break;
  }
  fail_template("this expression has no value");
}

Value Interpreter::eval_name(const Expr& node) {
  if (const Variables::Entry* entry = find(node.name)) {
    return entry->missing ? heap.undefined(cat("'", node.name, "' is undefined")) : entry->value;
  }
  if (const Method* global = find_global(node.name)) {
    return make_function(*this, global->name, global->function);
  }
  if (node.name == "self") fail_template("'self' is not supported in chat templates");
  return heap.undefined(cat("'", node.name, "' is undefined"));
}

Value Interpreter::eval_container(const Expr& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExprPtr& item : node.items) items.push_back(eval(*item));
  if (node.kind == ExprKind::list) return heap.list(std::move(items));
  if (node.kind == ExprKind::tuple) return heap.tuple(std::move(items));
  Entries entries;
  entries.reserve(items.size() / 2);
  for (std::size_t i = 0; i < items.size(); i += 2) entries.emplace_back(std::move(items[i]), std::move(items[i + 1]));
  return heap.dict_of_pairs(std::move(entries));
}

Value Interpreter::eval_subscript(const Expr& node) {
  const Value object = eval(*node.items[0]);
  const Expr& key = *node.items[1];
  if (key.kind != ExprKind::slice) {
    const Value index = eval(key);
    line_ = node.line;
    return item(object, index);
  }
  const auto part = [&](std::size_t i) { return key.items[i] ? eval(*key.items[i]) : Value(); };
  const Value start = part(0), stop = part(1), step = part(2);
  line_ = node.line;
  return slice(object, start, stop, step);
}

void Interpreter::eval_arguments(const CallArgs& arguments, Args& args) {
  for (const ExprPtr& argument : arguments.positional) args.positional.push_back(eval(*argument));
  for (const auto& [name, argument] : arguments.named) args.named.emplace_back(name, eval(*argument));
  if (arguments.star) {
    const Value star = eval(*arguments.star);
    const std::unique_ptr<Iterator> items = iterate(star);
    Value item;
    while (items->next(*this, item)) {
      heap.work(1);
      args.positional.push_back(std::move(item));
    }
  }
  if (arguments.double_star) {
    const Value star = eval(*arguments.double_star);
    refuse_undefined(star);
    if (!star.is_dict()) fail_template("argument after ** must be a mapping, not ", type_name(star));
    for (const auto& [key, value] : star.dict().entries) {
      if (!key.is_string()) fail_template("keywords must be strings");
      for (const auto& [name, other] : args.named) {
        if (name == key.text()) fail_template("got multiple values for keyword argument '", name, "'");
      }
      heap.work(1 + args.named.size());
      args.named.emplace_back(key.text(), value);
    }
  }
}

Value Interpreter::eval_call(const Expr& node, const Value* caller) {
  const Value callee = eval(*node.items[0]);
  Args args;
  eval_arguments(node.arguments, args);
  if (caller) {
    for (const auto& [name, value] : args.named) {
      if (name == "caller") fail_template("got multiple values for keyword argument 'caller'");
    }
    args.named.emplace_back("caller", *caller);
  }
  line_ = node.line;
  heap.step();
  return call(callee, args);
}

// The chain of a filter block has no expression at its start: it begins with the block's text.
Value Interpreter::eval_filter(const Expr& node, const Value* block_text) {
  Args args;
  if (!node.items[0]) {
    args.positional.push_back(*block_text);
  } else if (node.items[0]->kind == ExprKind::filter) {
    args.positional.push_back(eval_filter(*node.items[0], block_text));
  } else {
    args.positional.push_back(eval(*node.items[0]));
  }
  eval_arguments(node.arguments, args);
  line_ = node.line;
  heap.step();
  return filter(node.name, args);
}

Value Interpreter::eval_test(const Expr& node) {
  Args args;
  args.positional.push_back(eval(*node.items[0]));
  eval_arguments(node.arguments, args);
  line_ = node.line;
  return Value(test(node.name, args));
}

Value Interpreter::eval_compare(const Expr& node) {
  Value left = eval(*node.items[0]);
  for (std::size_t i = 0; i < node.compares.size(); ++i) {
    Value right = eval(*node.items[i + 1]);
    line_ = node.line;
    bool holds = false;
    switch (node.compares[i]) {
      case CompareOp::eq:
        holds = equal(heap, left, right);
        break;
      case CompareOp::ne:
        holds = !equal(heap, left, right);
        break;
      case CompareOp::lt:
        holds = compare(heap, left, right, "<") == -1;
        break;
      case CompareOp::gt:
        holds = compare(heap, left, right, ">") == 1;
        break;
      case CompareOp::le: {
        const int order = compare(heap, left, right, "<=");
        holds = order == -1 || order == 0;
        break;
      }
      case CompareOp::ge: {
        const int order = compare(heap, left, right, ">=");
        holds = order == 1 || order == 0;
        break;
      }
      case CompareOp::in:
        holds = contains(right, left);
        break;
      case CompareOp::not_in:
        holds = !contains(right, left);
        break;
    }
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Interpreter::eval_concat(const Expr& node) {
  std::string text;
  std::vector<Value> parts;
  for (const ExprPtr& item : node.items) parts.push_back(eval(*item));
  for (const Value& part : parts) {
    const std::string piece = to_text(heap, part);
    Heap::check_text(text.size() + piece.size());
    text += piece;
  }
  return heap.string(std::move(text));
}

Value Interpreter::eval_condition(const Expr& node) {
  if (truthy(eval(*node.items[1]))) return eval(*node.items[0]);
  if (node.items[2]) return eval(*node.items[2]);
  return heap.undefined("the inline if-expression evaluated to false and no else section was defined.");
}

Value Interpreter::eval_unary(const Expr& node) {
  const Value value = eval(*node.items[0]);
  line_ = node.line;
  if (node.unary == UnaryOp::not_) return Value(!truthy(value));
  return negate(*this, value, node.unary == UnaryOp::minus);
}

}  // namespace tashika::jinja
