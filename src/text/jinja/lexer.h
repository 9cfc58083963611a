// Tokens of a template, as jinja2's lexer makes them with trim_blocks and lstrip_blocks on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace tashika::jinja {

enum class TokenKind {
  data,
  block_begin,
  block_end,
  variable_begin,
  variable_end,
  name,
  string,
  number,  // the value says integer or real
  op,      // `text` is the operator
  end,
};

struct Token {
  TokenKind kind;
  int line;
  std::string text;  // of data, names, strings and operators
  Value number;

  bool is_op(std::string_view op) const { return kind == TokenKind::op && text == op; }
  bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
};

// Where a template is wrong: parsing fails with this.
struct SyntaxError {
  int line;
  std::string message;
};

// Throws SyntaxError. The source is UTF-8 and one final newline is dropped; the last token is `end`.
std::vector<Token> tokenize_template(std::string_view source);

}  // namespace tashika::jinja
