// Recursive descent over the tokens. Split in two files: statements and expressions.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace tashika::jinja {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  Template parse();

 private:
  static constexpr int max_nesting = 128;  // of statements and expressions

  class Nest {
   public:
    explicit Nest(Parser& parser);
    ~Nest() { --parser_.nesting_; }
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;

   private:
    Parser& parser_;
  };

  // Statements (parser.cpp).
  Body parse_until(std::initializer_list<std::string_view> ends);
  Body parse_statements(std::initializer_list<std::string_view> ends);  // from the tag's end; stops at an end name
  Body parse_block_body(std::string_view end);                          // the same, and takes the end name
  StmtPtr parse_statement();
  StmtPtr parse_for();
  StmtPtr parse_if();
  StmtPtr parse_set();
  StmtPtr parse_with();
  StmtPtr parse_macro();
  StmtPtr parse_call_block();
  StmtPtr parse_filter_block();
  StmtPtr parse_block();
  void parse_print(Body& body);
  StmtPtr parse_loader();
  void parse_signature(Macro& macro);

  // Expressions (parser_expr.cpp).
  ExprPtr parse_expression(bool with_condition = true);
  ExprPtr parse_tuple(bool with_condition = true, std::string_view end_name = {}, bool parentheses = false);
  ExprPtr parse_target(std::string_view end_name = {}, bool with_namespace = false);
  ExprPtr parse_condition();
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary(bool with_filter = true);
  ExprPtr parse_primary(bool with_namespace = false);
  ExprPtr parse_list();
  ExprPtr parse_dict();
  ExprPtr parse_postfix(ExprPtr node);
  ExprPtr parse_filter_expr(ExprPtr node);
  ExprPtr parse_subscript(ExprPtr node);
  ExprPtr parse_subscribed();
  ExprPtr parse_call(ExprPtr node);
  ExprPtr parse_filters(ExprPtr node, bool start_inline);
  ExprPtr parse_test(ExprPtr node);
  CallArgs parse_arguments();
  std::string parse_target_name();
  ExprPtr comma_list(bool simple, bool with_namespace, bool with_condition, std::string_view end_name,
                     bool parentheses);

  ExprPtr make(ExprKind kind, int line, std::vector<ExprPtr> items = {}) const;
  void finish(Expr& node) const;  // sets the height of a node and refuses too high ones

  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  const Token& next();
  bool skip_name(std::string_view name);
  bool skip_op(std::string_view op);
  void expect_op(std::string_view op);
  const Token& expect_name();
  void expect(TokenKind kind);
  [[noreturn]] void fail(const std::string& message) const { throw SyntaxError{current().line, message}; }
  [[noreturn]] void fail_expected(std::string_view what) const;

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0;  // loops open in the current function: where break and continue may stand
  std::vector<std::string> blocks_;
  std::vector<std::string_view> open_tags_;
};

std::string describe(const Token& token);

}  // namespace tashika::jinja
