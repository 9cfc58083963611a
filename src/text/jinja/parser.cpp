#include "text/jinja/parser.h"

#include <algorithm>

namespace tashika::jinja {
namespace {

template <typename T>
StmtPtr make_stmt(StmtKind kind, T line) {
  auto stmt = std::make_unique<Stmt>();
  stmt->kind = kind;
  stmt->line = line;
  return stmt;
}

bool is_reserved(std::string_view name) {
  return name == "true" || name == "false" || name == "none" || name == "True" || name == "False" || name == "None";
}

void collect_names(const Expr& target, std::vector<std::string>& out) {
  if (target.kind == ExprKind::name) out.push_back(target.name);
  for (const ExprPtr& item : target.items) collect_names(*item, out);
}

}  // namespace

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::data:
      return "template data / text";
    case TokenKind::block_begin:
      return "begin of statement block";
    case TokenKind::block_end:
      return "end of statement block";
    case TokenKind::variable_begin:
      return "begin of print statement";
    case TokenKind::variable_end:
      return "end of print statement";
    case TokenKind::name:
      return token.text;
    case TokenKind::string:
      return "string";
    case TokenKind::number:
      return token.number.is_int() ? "integer" : "float";
    case TokenKind::op:
      return token.text;
    case TokenKind::end:
      return "end of template";
  }
  return "?";
}

Parser::Nest::Nest(Parser& parser) : parser_(parser) {
  if (++parser_.nesting_ > max_nesting) parser_.fail(cat("the template is nested deeper than ", max_nesting));
}

const Token& Parser::next() {
  const Token& token = tokens_[at_];
  if (token.kind != TokenKind::end) ++at_;
  return token;
}

bool Parser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  ++at_;
  return true;
}

bool Parser::skip_op(std::string_view op) {
  if (!current().is_op(op)) return false;
  ++at_;
  return true;
}

void Parser::fail_expected(std::string_view what) const {
  fail(cat("expected ", what, ", got '", describe(current()), "'"));
}

void Parser::expect_op(std::string_view op) {
  if (!skip_op(op)) fail_expected(cat("'", op, "'"));
}

const Token& Parser::expect_name() {
  if (current().kind != TokenKind::name) fail_expected("a name");
  return next();
}

void Parser::expect(TokenKind kind) {
  if (current().kind != kind) fail_expected(cat("'", describe({kind, 0, "", Value()}), "'"));
  next();
}

Template Parser::parse() {
  Template tree;
  tree.scope.body = parse_until({});
  return tree;
}

// Up to the end of the template, or behind the "{%" of a tag whose name is one of `ends`.
Body Parser::parse_until(std::initializer_list<std::string_view> ends) {
  Body body;
  while (current().kind != TokenKind::end) {
    const Token& token = next();
    if (token.kind == TokenKind::data) {
      auto stmt = make_stmt(StmtKind::output, token.line);
      stmt->text = token.text;
      body.push_back(std::move(stmt));
    } else if (token.kind == TokenKind::variable_begin) {
      auto stmt = make_stmt(StmtKind::output, token.line);
      stmt->expr = parse_tuple();
      expect(TokenKind::variable_end);
      body.push_back(std::move(stmt));
    } else if (token.kind == TokenKind::block_begin) {
      for (const std::string_view end : ends) {
        if (current().is_name(end)) return body;
      }
      if (current().is_name("print")) {
        parse_print(body);
      } else {
        body.push_back(parse_statement());
      }
      expect(TokenKind::block_end);
    } else {
      fail("unexpected token in the template");
    }
  }
  return body;
}

Body Parser::parse_statements(std::initializer_list<std::string_view> ends) {
  const Nest nest(*this);
  skip_op(":");
  expect(TokenKind::block_end);
  Body body = parse_until(ends);
  if (current().kind == TokenKind::end) {
    std::string wanted;
    for (const std::string_view end : ends) wanted += cat(wanted.empty() ? "" : " or ", "'", end, "'");
    fail(cat("Unexpected end of template. Jinja was looking for the following tags: ", wanted,
             ". The innermost block that needs to be closed is '", open_tags_.empty() ? "?" : open_tags_.back(), "'."));
  }
  return body;
}

Body Parser::parse_block_body(std::string_view end) {
  Body body = parse_statements({end});
  next();
  return body;
}

StmtPtr Parser::parse_statement() {
  if (current().kind != TokenKind::name) fail("tag name expected");
  const Token& token = current();
  const std::string_view tag = token.text;
  open_tags_.push_back(tag);
  struct Close {
    std::vector<std::string_view>& tags;
    ~Close() { tags.pop_back(); }
  } close{open_tags_};
  if (tag == "for") return parse_for();
  if (tag == "if") return parse_if();
  if (tag == "set") return parse_set();
  if (tag == "with") return parse_with();
  if (tag == "macro") return parse_macro();
  if (tag == "call") return parse_call_block();
  if (tag == "filter") return parse_filter_block();
  if (tag == "block") return parse_block();
  if (tag == "generation") {
    auto stmt = make_stmt(StmtKind::generation, next().line);
    const int loops = std::exchange(loops_, 0);
    stmt->scope.body = parse_block_body("endgeneration");
    loops_ = loops;
    return stmt;
  }
  if (tag == "break" || tag == "continue") {
    if (loops_ == 0) fail(cat("'", tag, "' outside loop"));
    return make_stmt(tag == "break" ? StmtKind::break_ : StmtKind::continue_, next().line);
  }
  if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") return parse_loader();
  if (tag == "autoescape") fail("the autoescape tag is not supported in chat templates");
  fail(cat("Encountered unknown tag '", tag, "'."));
}

StmtPtr Parser::parse_for() {
  auto stmt = make_stmt(StmtKind::for_, next().line);
  stmt->target = parse_target("in");
  std::vector<std::string> names;
  collect_names(*stmt->target, names);
  if (!skip_name("in")) fail_expected("'in'");
  stmt->expr = parse_tuple(false, "recursive");
  if (skip_name("if")) stmt->test = parse_expression();
  stmt->recursive = skip_name("recursive");
  ++loops_;
  stmt->scope.body = parse_statements({"endfor", "else"});
  --loops_;
  if (next().text == "else") stmt->other.body = parse_block_body("endfor");
  return stmt;
}

StmtPtr Parser::parse_if() {
  auto stmt = make_stmt(StmtKind::if_, next().line);
  for (;;) {
    ExprPtr test = parse_tuple(false);
    Body body = parse_statements({"elif", "else", "endif"});
    stmt->branches.emplace_back(std::move(test), std::move(body));
    const std::string end = next().text;
    if (end == "elif") continue;
    if (end == "else") stmt->other.body = parse_block_body("endif");
    return stmt;
  }
}

StmtPtr Parser::parse_set() {
  const int line = next().line;
  ExprPtr target = parse_target({}, true);
  if (skip_op("=")) {
    auto stmt = make_stmt(StmtKind::set, line);
    stmt->target = std::move(target);
    stmt->expr = parse_tuple();
    return stmt;
  }
  auto stmt = make_stmt(StmtKind::set_block, line);
  stmt->target = std::move(target);
  if (current().is_op("|")) stmt->filter = parse_filters(nullptr, false);
  stmt->scope.body = parse_block_body("endset");
  return stmt;
}

StmtPtr Parser::parse_with() {
  auto stmt = make_stmt(StmtKind::with, next().line);
  while (current().kind != TokenKind::block_end) {
    if (!stmt->targets.empty()) expect_op(",");
    stmt->targets.push_back(parse_target());
    expect_op("=");
    stmt->values.push_back(parse_expression());
  }
  stmt->scope.body = parse_block_body("endwith");
  return stmt;
}

std::string Parser::parse_target_name() {
  const Token& token = expect_name();
  if (is_reserved(token.text)) throw SyntaxError{token.line, "can't assign to 'name'"};
  return token.text;
}

void Parser::parse_signature(Macro& macro) {
  expect_op("(");
  while (!current().is_op(")")) {
    if (!macro.parameters.empty()) expect_op(",");
    std::string name = parse_target_name();
    if (std::find(macro.parameters.begin(), macro.parameters.end(), name) != macro.parameters.end()) {
      fail(cat("duplicate argument '", name, "' in a macro"));
    }
    if (skip_op("=")) {
      macro.defaults.push_back(parse_expression());
    } else if (!macro.defaults.empty()) {
      fail("non-default argument follows default argument");
    }
    macro.parameters.push_back(std::move(name));
  }
  expect_op(")");
}

StmtPtr Parser::parse_macro() {
  auto stmt = make_stmt(StmtKind::macro, next().line);
  auto macro = std::make_shared<Macro>();
  macro->name = parse_target_name();
  parse_signature(*macro);
  const int loops = std::exchange(loops_, 0);
  macro->scope.body = parse_block_body("endmacro");
  loops_ = loops;
  stmt->macro = std::move(macro);
  return stmt;
}

StmtPtr Parser::parse_call_block() {
  auto stmt = make_stmt(StmtKind::call, next().line);
  auto macro = std::make_shared<Macro>();
  if (current().is_op("(")) parse_signature(*macro);
  stmt->expr = parse_expression();
  if (stmt->expr->kind != ExprKind::call) throw SyntaxError{stmt->line, "expected call"};
  const int loops = std::exchange(loops_, 0);
  macro->scope.body = parse_block_body("endcall");
  loops_ = loops;
  stmt->macro = std::move(macro);
  return stmt;
}

StmtPtr Parser::parse_filter_block() {
  auto stmt = make_stmt(StmtKind::filter, next().line);
  stmt->filter = parse_filters(nullptr, true);
  stmt->scope.body = parse_block_body("endfilter");
  return stmt;
}

StmtPtr Parser::parse_block() {
  auto stmt = make_stmt(StmtKind::block, next().line);
  stmt->text = expect_name().text;
  if (std::find(blocks_.begin(), blocks_.end(), stmt->text) != blocks_.end()) {
    fail(cat("block '", stmt->text, "' defined twice"));
  }
  blocks_.push_back(stmt->text);
  const bool scoped = skip_name("scoped");
  stmt->recursive = scoped;  // a scoped block sees the variables around it
  if (current().is_name("required")) fail("required blocks are not supported in chat templates");
  const int loops = std::exchange(loops_, 0);
  stmt->scope.body = parse_block_body("endblock");
  loops_ = loops;
  skip_name(stmt->text);
  return stmt;
}

// {% print a, b %} writes its values one after the other.
void Parser::parse_print(Body& body) {
  const int line = next().line;
  bool first = true;
  while (current().kind != TokenKind::block_end) {
    if (!first) expect_op(",");
    first = false;
    auto stmt = make_stmt(StmtKind::output, line);
    stmt->expr = parse_expression();
    body.push_back(std::move(stmt));
  }
}

StmtPtr Parser::parse_loader() {
  const Token& tag = next();
  auto stmt = make_stmt(StmtKind::loader, tag.line);
  stmt->text = tag.text;
  stmt->expr = parse_expression();
  if (tag.text == "import") {
    if (!skip_name("as")) fail_expected("'as'");
    stmt->names.push_back(parse_target_name());
  } else if (tag.text == "from") {
    if (!skip_name("import")) fail_expected("'import'");
    do {
      std::string name = parse_target_name();
      if (skip_name("as")) name = parse_target_name();
      stmt->names.push_back(std::move(name));
    } while (skip_op(","));
  } else if (tag.text == "include" && current().is_name("ignore") && look().is_name("missing")) {
    at_ += 2;
  }
  if ((current().is_name("with") || current().is_name("without")) && look().is_name("context")) at_ += 2;
  return stmt;
}

Template parse_template(std::string_view source) {
  Template tree = Parser(tokenize_template(source)).parse();
  analyze_scopes(tree);
  return tree;
}

}  // namespace tashika::jinja
