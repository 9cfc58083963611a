#include <algorithm>

#include "text/jinja/parser.h"

namespace tashika::jinja {
namespace {

bool is_reserved(std::string_view name) {
  return name == "true" || name == "false" || name == "none" || name == "True" || name == "False" || name == "None";
}

bool can_assign(const Expr& target) {
  if (target.kind == ExprKind::name) return !is_reserved(target.name);
  if (target.kind == ExprKind::namespace_ref) return true;
  if (target.kind != ExprKind::tuple) return false;
  return std::all_of(target.items.begin(), target.items.end(), [](const ExprPtr& item) { return can_assign(*item); });
}

std::vector<ExprPtr> items_of(ExprPtr a) {
  std::vector<ExprPtr> items;
  items.push_back(std::move(a));
  return items;
}

std::vector<ExprPtr> items_of(ExprPtr a, ExprPtr b) {
  std::vector<ExprPtr> items = items_of(std::move(a));
  items.push_back(std::move(b));
  return items;
}

}  // namespace

void Parser::finish(Expr& node) const {
  int height = 0;
  const auto add = [&](const ExprPtr& part) {
    if (part) height = std::max(height, part->height);
  };
  for (const ExprPtr& item : node.items) add(item);
  for (const ExprPtr& argument : node.arguments.positional) add(argument);
  for (const auto& [name, argument] : node.arguments.named) add(argument);
  add(node.arguments.star);
  add(node.arguments.double_star);
  node.height = height + 1;
  if (node.height > max_nesting) {
    throw SyntaxError{node.line, cat("the expression is nested deeper than ", max_nesting)};
  }
}

ExprPtr Parser::make(ExprKind kind, int line, std::vector<ExprPtr> items) const {
  auto node = std::make_unique<Expr>();
  node->kind = kind;
  node->line = line;
  node->items = std::move(items);
  finish(*node);
  return node;
}

ExprPtr Parser::parse_expression(bool with_condition) {
  const Nest nest(*this);
  return with_condition ? parse_condition() : parse_or();
}

ExprPtr Parser::parse_tuple(bool with_condition, std::string_view end_name, bool parentheses) {
  return comma_list(false, false, with_condition, end_name, parentheses);
}

ExprPtr Parser::parse_target(std::string_view end_name, bool with_namespace) {
  const int line = current().line;
  ExprPtr target = comma_list(true, with_namespace, false, end_name, false);
  if (!can_assign(*target)) throw SyntaxError{line, "can't assign to this expression"};
  return target;
}

ExprPtr Parser::comma_list(bool simple, bool with_namespace, bool with_condition, std::string_view end_name,
                           bool parentheses) {
  int line = current().line;
  std::vector<ExprPtr> items;
  bool tuple = false;
  for (;;) {
    if (!items.empty()) expect_op(",");
    const Token& token = current();
    if (token.kind == TokenKind::variable_end || token.kind == TokenKind::block_end || token.is_op(")") ||
        (!end_name.empty() && token.is_name(end_name))) {
      break;
    }
    items.push_back(simple ? parse_primary(with_namespace) : parse_expression(with_condition));
    if (!current().is_op(",")) break;
    tuple = true;
    line = current().line;
  }
  if (!tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!parentheses) fail(cat("Expected an expression, got '", describe(current()), "'"));
  }
  return make(ExprKind::tuple, line, std::move(items));
}

ExprPtr Parser::parse_condition() {
  int line = current().line;
  ExprPtr node = parse_or();
  while (skip_name("if")) {
    ExprPtr test = parse_or();
    std::vector<ExprPtr> items = items_of(std::move(node), std::move(test));
    if (skip_name("else")) {
      const Nest nest(*this);
      items.push_back(parse_condition());
    } else {
      items.push_back(nullptr);
    }
    node = make(ExprKind::condition, line, std::move(items));
    line = current().line;
  }
  return node;
}

ExprPtr Parser::parse_or() {
  int line = current().line;
  ExprPtr left = parse_and();
  while (skip_name("or")) {
    left = make(ExprKind::logic, line, items_of(std::move(left), parse_and()));
    line = current().line;
  }
  return left;
}

ExprPtr Parser::parse_and() {
  int line = current().line;
  ExprPtr left = parse_not();
  while (skip_name("and")) {
    left = make(ExprKind::logic, line, items_of(std::move(left), parse_not()));
    left->both = true;
    line = current().line;
  }
  return left;
}

ExprPtr Parser::parse_not() {
  if (!current().is_name("not")) return parse_compare();
  const Nest nest(*this);
  const int line = next().line;
  ExprPtr node = make(ExprKind::unary, line, items_of(parse_not()));
  node->unary = UnaryOp::not_;
  return node;
}

ExprPtr Parser::parse_compare() {
  static constexpr std::pair<std::string_view, CompareOp> operators[] = {
      {"==", CompareOp::eq}, {"!=", CompareOp::ne}, {"<", CompareOp::lt},
      {"<=", CompareOp::le}, {">", CompareOp::gt},  {">=", CompareOp::ge},
  };
  const int line = current().line;
  std::vector<ExprPtr> items = items_of(parse_sum());
  std::vector<CompareOp> compares;
  for (;;) {
    const Token& token = current();
    const auto found = std::find_if(std::begin(operators), std::end(operators),
                                    [&](const auto& candidate) { return token.is_op(candidate.first); });
    if (found != std::end(operators)) {
      next();
      compares.push_back(found->second);
    } else if (skip_name("in")) {
      compares.push_back(CompareOp::in);
    } else if (token.is_name("not") && look().is_name("in")) {
      at_ += 2;
      compares.push_back(CompareOp::not_in);
    } else {
      break;
    }
    items.push_back(parse_sum());
  }
  if (compares.empty()) return std::move(items[0]);
  ExprPtr node = make(ExprKind::compare, line, std::move(items));
  node->compares = std::move(compares);
  return node;
}

ExprPtr Parser::parse_sum() {
  int line = current().line;
  ExprPtr left = parse_concat();
  while (current().is_op("+") || current().is_op("-")) {
    const BinaryOp op = next().text == "+" ? BinaryOp::add : BinaryOp::sub;
    left = make(ExprKind::binary, line, items_of(std::move(left), parse_concat()));
    left->binary = op;
    line = current().line;
  }
  return left;
}

ExprPtr Parser::parse_concat() {
  const int line = current().line;
  std::vector<ExprPtr> items = items_of(parse_product());
  while (skip_op("~")) items.push_back(parse_product());
  if (items.size() == 1) return std::move(items[0]);
  return make(ExprKind::concat, line, std::move(items));
}

ExprPtr Parser::parse_product() {
  static constexpr std::pair<std::string_view, BinaryOp> operators[] = {
      {"*", BinaryOp::mul}, {"/", BinaryOp::div}, {"//", BinaryOp::floordiv}, {"%", BinaryOp::mod}};
  int line = current().line;
  ExprPtr left = parse_power();
  for (;;) {
    const auto found = std::find_if(std::begin(operators), std::end(operators),
                                    [&](const auto& candidate) { return current().is_op(candidate.first); });
    if (found == std::end(operators)) return left;
    next();
    left = make(ExprKind::binary, line, items_of(std::move(left), parse_power()));
    left->binary = found->second;
    line = current().line;
  }
}

// Left-associative here, unlike Python's.
ExprPtr Parser::parse_power() {
  int line = current().line;
  ExprPtr left = parse_unary();
  while (skip_op("**")) {
    left = make(ExprKind::binary, line, items_of(std::move(left), parse_unary()));
    left->binary = BinaryOp::pow;
    line = current().line;
  }
  return left;
}

ExprPtr Parser::parse_unary(bool with_filter) {
  const int line = current().line;
  ExprPtr node;
  if (current().is_op("-") || current().is_op("+")) {
    const Nest nest(*this);
    const UnaryOp op = next().text == "-" ? UnaryOp::minus : UnaryOp::plus;
    node = make(ExprKind::unary, line, items_of(parse_unary(false)));
    node->unary = op;
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filter ? parse_filter_expr(std::move(node)) : std::move(node);
}

ExprPtr Parser::parse_primary(bool with_namespace) {
  const Token& token = current();
  const int line = token.line;
  if (token.kind == TokenKind::name) {
    next();
    const std::string& name = token.text;
    if (is_reserved(name)) {
      ExprPtr node = make(ExprKind::constant, line);
      if (name != "none" && name != "None") node->constant = Value(name == "true" || name == "True");
      return node;
    }
    if (with_namespace && skip_op(".")) {
      ExprPtr node = make(ExprKind::namespace_ref, line);
      node->name = name;
      node->attribute = expect_name().text;
      return node;
    }
    ExprPtr node = make(ExprKind::name, line);
    node->name = name;
    return node;
  }
  if (token.kind == TokenKind::string) {
    std::string text;
    while (current().kind == TokenKind::string) text += next().text;
    ExprPtr node = make(ExprKind::constant, line);
    node->constant = constant_string(std::move(text));
    return node;
  }
  if (token.kind == TokenKind::number) {
    ExprPtr node = make(ExprKind::constant, line);
    node->constant = next().number;
    return node;
  }
  if (skip_op("(")) {
    const Nest nest(*this);
    ExprPtr node = parse_tuple(true, {}, true);
    expect_op(")");
    return node;
  }
  if (token.is_op("[")) return parse_list();
  if (token.is_op("{")) return parse_dict();
  fail(cat("unexpected '", describe(token), "'"));
}

ExprPtr Parser::parse_list() {
  const Nest nest(*this);
  const int line = next().line;
  std::vector<ExprPtr> items;
  while (!current().is_op("]")) {
    if (!items.empty()) expect_op(",");
    if (current().is_op("]")) break;
    items.push_back(parse_expression());
  }
  expect_op("]");
  return make(ExprKind::list, line, std::move(items));
}

ExprPtr Parser::parse_dict() {
  const Nest nest(*this);
  const int line = next().line;
  std::vector<ExprPtr> items;
  while (!current().is_op("}")) {
    if (!items.empty()) expect_op(",");
    if (current().is_op("}")) break;
    items.push_back(parse_expression());
    expect_op(":");
    items.push_back(parse_expression());
  }
  expect_op("}");
  return make(ExprKind::dict, line, std::move(items));
}

ExprPtr Parser::parse_postfix(ExprPtr node) {
  for (;;) {
    if (current().is_op(".") || current().is_op("[")) {
      node = parse_subscript(std::move(node));
    } else if (current().is_op("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExprPtr Parser::parse_filter_expr(ExprPtr node) {
  for (;;) {
    if (current().is_op("|")) {
      node = parse_filters(std::move(node), false);
    } else if (current().is_name("is")) {
      node = parse_test(std::move(node));
    } else if (current().is_op("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExprPtr Parser::parse_subscript(ExprPtr node) {
  const Nest nest(*this);
  const Token& token = next();
  if (token.text == ".") {
    const Token& attribute = current();
    if (attribute.kind == TokenKind::name) {
      ExprPtr result = make(ExprKind::attribute, token.line, items_of(std::move(node)));
      result->name = next().text;
      return result;
    }
    if (attribute.kind != TokenKind::number || !attribute.number.is_int()) fail("expected name or number");
    ExprPtr index = make(ExprKind::constant, attribute.line);
    index->constant = next().number;
    return make(ExprKind::subscript, token.line, items_of(std::move(node), std::move(index)));
  }
  std::vector<ExprPtr> arguments;
  while (!current().is_op("]")) {
    if (!arguments.empty()) expect_op(",");
    arguments.push_back(parse_subscribed());
  }
  expect_op("]");
  ExprPtr argument =
      arguments.size() == 1 ? std::move(arguments[0]) : make(ExprKind::tuple, token.line, std::move(arguments));
  if (argument->kind == ExprKind::tuple) {
    for (const ExprPtr& item : argument->items) {
      if (item->kind == ExprKind::slice) throw SyntaxError{token.line, "slices cannot be part of a tuple index"};
    }
  }
  return make(ExprKind::subscript, token.line, items_of(std::move(node), std::move(argument)));
}

ExprPtr Parser::parse_subscribed() {
  const int line = current().line;
  std::vector<ExprPtr> parts;
  const auto at_end = [&] { return current().is_op("]") || current().is_op(","); };
  if (skip_op(":")) {
    parts.push_back(nullptr);
  } else {
    ExprPtr node = parse_expression();
    if (!skip_op(":")) return node;
    parts.push_back(std::move(node));
  }
  parts.push_back(current().is_op(":") || at_end() ? nullptr : parse_expression());
  parts.push_back(skip_op(":") && !at_end() ? parse_expression() : nullptr);
  return make(ExprKind::slice, line, std::move(parts));
}

CallArgs Parser::parse_arguments() {
  const Nest nest(*this);
  const int line = current().line;
  expect_op("(");
  CallArgs arguments;
  const auto ensure = [&](bool ok) {
    if (!ok) throw SyntaxError{line, "invalid syntax for function call expression"};
  };
  bool require_comma = false;
  while (!current().is_op(")")) {
    if (require_comma) {
      expect_op(",");
      if (current().is_op(")")) break;
    }
    if (skip_op("*")) {
      ensure(!arguments.star && !arguments.double_star);
      arguments.star = parse_expression();
    } else if (skip_op("**")) {
      ensure(!arguments.double_star);
      arguments.double_star = parse_expression();
    } else if (current().kind == TokenKind::name && look().is_op("=")) {
      ensure(!arguments.double_star);
      std::string name = next().text;
      next();
      for (const auto& [other, value] : arguments.named) {
        if (other == name) throw SyntaxError{line, cat("keyword argument repeated: ", name)};
      }
      arguments.named.emplace_back(std::move(name), parse_expression());
    } else {
      ensure(!arguments.star && !arguments.double_star && arguments.named.empty());
      arguments.positional.push_back(parse_expression());
    }
    require_comma = true;
  }
  expect_op(")");
  return arguments;
}

ExprPtr Parser::parse_call(ExprPtr node) {
  const int line = current().line;
  ExprPtr call = make(ExprKind::call, line, items_of(std::move(node)));
  call->arguments = parse_arguments();
  finish(*call);
  return call;
}

ExprPtr Parser::parse_filters(ExprPtr node, bool start_inline) {
  while (start_inline || current().is_op("|")) {
    if (!start_inline) next();
    start_inline = false;
    const Token& token = expect_name();
    std::string name = token.text;
    while (skip_op(".")) name += cat(".", expect_name().text);
    ExprPtr filter = make(ExprKind::filter, token.line, items_of(std::move(node)));
    filter->name = std::move(name);
    if (current().is_op("(")) filter->arguments = parse_arguments();
    finish(*filter);
    node = std::move(filter);
  }
  return node;
}

ExprPtr Parser::parse_test(ExprPtr node) {
  const Nest nest(*this);
  const int line = next().line;
  const bool negated = skip_name("not");
  std::string name = expect_name().text;
  while (skip_op(".")) name += cat(".", expect_name().text);
  ExprPtr test = make(ExprKind::test, line, items_of(std::move(node)));
  test->name = std::move(name);
  const Token& token = current();
  if (token.is_op("(")) {
    test->arguments = parse_arguments();
  } else if ((token.kind == TokenKind::name || token.kind == TokenKind::string || token.kind == TokenKind::number ||
              token.is_op("[") || token.is_op("{")) &&
             !token.is_name("else") && !token.is_name("or") && !token.is_name("and")) {
    if (token.is_name("is")) fail("You cannot chain multiple tests with is");
    test->arguments.positional.push_back(parse_postfix(parse_primary()));
  }
  finish(*test);
  if (!negated) return test;
  ExprPtr result = make(ExprKind::unary, line, items_of(std::move(test)));
  result->unary = UnaryOp::not_;
  return result;
}

}  // namespace tashika::jinja
