#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "text/regex.h"
#include "text/regex_program.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace tashika {
namespace {

constexpr int max_depth = 64;
constexpr std::uint32_t max_repeat = 100000;  // Oniguruma's own limit

using Kind = RegexNode::Kind;
using Assertion = RegexNode::Assertion;

CodeSet single(char32_t c) { return CodeSet({{c, c}}); }

class Parser {
 public:
  Parser(std::string_view pattern, std::string_view what) : text_(pattern), what_(what) {
    if (!utf8::is_valid(pattern)) fail(what_, ": the pattern is not valid UTF-8");
  }

  ParsedRegex parse() {
    ParsedRegex out;
    out.root = alternation(0);
    if (!done()) error("unmatched close parenthesis");
    out.groups = groups_;
    return out;
  }

 private:
  struct Options {
    bool ignore_case = false, dot_all = false, extended = false;
  };

  [[noreturn]] void error(std::string_view message) const {
    fail(what_, ": ", message, " at offset ", at_, " of the pattern ", text_.substr(0, 200));
  }
  bool done() const { return at_ >= text_.size(); }
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool take(std::string_view s) {
    if (text_.substr(at_, s.size()) != s) return false;
    at_ += s.size();
    return true;
  }
  char32_t next() {
    if (done()) error("the pattern ends too early");
    const utf8::Decoded c = utf8::decode(text_, at_);
    at_ += c.size;
    return c.code;
  }

  static RegexNodePtr node(Kind kind) {
    auto n = std::make_unique<RegexNode>();
    n->kind = kind;
    return n;
  }
  RegexNodePtr set_node(CodeSet set) const {
    auto n = node(Kind::set);
    n->set = options_.ignore_case ? unicode::close_over_case(set) : std::move(set);
    return n;
  }
  static RegexNodePtr assert_node(Assertion a) {
    auto n = node(Kind::assertion);
    n->assertion = a;
    return n;
  }

  RegexNodePtr alternation(int depth) {
    if (depth > max_depth) error("nested too deeply");
    std::vector<RegexNodePtr> branches;
    branches.push_back(sequence(depth));
    while (take("|")) branches.push_back(sequence(depth));
    if (branches.size() == 1) return std::move(branches[0]);
    auto n = node(Kind::alternation);
    n->children = std::move(branches);
    return n;
  }

  RegexNodePtr sequence(int depth) {
    auto n = node(Kind::sequence);
    while (!done() && peek() != '|' && peek() != ')') {
      if (options_.extended) {
        if (peek() == ' ' || (peek() >= '\t' && peek() <= '\r')) {
          ++at_;
          continue;
        }
        if (peek() == '#') {
          while (!done() && peek() != '\n') ++at_;
          continue;
        }
      }
      RegexNodePtr item = atom(depth);
      if (!item) continue;  // a comment
      n->children.push_back(quantified(std::move(item)));
    }
    return n;
  }

  // {n}, {n,}, {,n} or {n,m}; anything else leaves the brace a plain character.
  bool interval(std::uint32_t& min, std::uint32_t& max, bool& exact) {
    std::size_t p = at_ + 1;
    const auto number = [&](std::uint32_t& value) {
      const std::size_t start = p;
      value = 0;
      while (p < text_.size() && text_[p] >= '0' && text_[p] <= '9') {
        value = std::min<std::uint32_t>(value * 10 + static_cast<std::uint32_t>(text_[p++] - '0'), max_repeat + 1);
      }
      return p > start;
    };
    const bool low = number(min);
    exact = false;
    if (p < text_.size() && text_[p] == ',') {
      ++p;
      const bool high = number(max);
      if (!low && !high) return false;
      if (!low) min = 0;
      if (!high) max = regex_unbounded;
    } else {
      if (!low) return false;
      max = min;
      exact = true;
    }
    if (p >= text_.size() || text_[p] != '}') return false;
    if (min > max_repeat || (max != regex_unbounded && max > max_repeat)) error("too big a repeat count");
    if (min > max) std::swap(min, max);
    at_ = p + 1;
    return true;
  }

  RegexNodePtr quantified(RegexNodePtr item) {
    for (int chained = 0;; ++chained) {
      if (chained > max_depth) error("too many repeat operators in a row");
      std::uint32_t min = 0, max = 0;
      bool braces = false, exact = false;
      const char c = peek();
      if (c == '*') {
        max = regex_unbounded;
        ++at_;
      } else if (c == '+') {
        min = 1;
        max = regex_unbounded;
        ++at_;
      } else if (c == '?') {
        max = 1;
        ++at_;
      } else if (c == '{' && interval(min, max, exact)) {
        braces = true;
      } else {
        return item;
      }
      if (item->kind == Kind::look_ahead || item->kind == Kind::look_behind || item->kind == Kind::assertion ||
          item->kind == Kind::keep) {
        error("target of repeat operator is invalid");
      }
      auto n = node(Kind::repeat);
      n->min = min;
      n->max = max;
      if (peek() == '?' && !exact) {
        n->mode = RepeatMode::lazy;
        ++at_;
      } else if (peek() == '+' && !braces) {
        n->mode = RepeatMode::possessive;
        ++at_;
      }
      n->children.push_back(std::move(item));
      item = std::move(n);
    }
  }

  RegexNodePtr atom(int depth) {
    const char c = peek();
    switch (c) {
      case '(': return parenthesis(depth);
      case '[': ++at_; return class_node(depth);
      case '.': {
        ++at_;
        auto n = node(Kind::set);
        n->set = options_.dot_all ? CodeSet({{0, 0x10FFFF}}) : single('\n').complement();
        return n;
      }
      case '^': ++at_; return assert_node(Assertion::line_begin);
      case '$': ++at_; return assert_node(Assertion::line_end);
      case '\\': ++at_; return escape();
      case '*': case '+': case '?': error("target of repeat operator is not specified");
      default: return set_node(single(next()));
    }
  }

  RegexNodePtr group_body(int depth, RegexNodePtr n) {
    const Options saved = options_;
    n->children.push_back(alternation(depth + 1));
    options_ = saved;
    if (!take(")")) error("end pattern with unmatched parenthesis");
    return n;
  }

  RegexNodePtr parenthesis(int depth) {
    ++at_;
    if (!take("?")) {
      auto n = node(Kind::group);
      n->group = ++groups_;
      return group_body(depth, std::move(n));
    }
    if (take("#")) {
      while (!done() && peek() != ')') ++at_;
      if (!take(")")) error("end pattern in a comment");
      return nullptr;
    }
    if (take(":")) return group_body(depth, node(Kind::group));
    if (take(">")) return group_body(depth, node(Kind::atomic));
    if (take("=") || take("!")) {
      auto n = node(Kind::look_ahead);
      n->negative = text_[at_ - 1] == '!';
      return group_body(depth, std::move(n));
    }
    if (take("<=") || take("<!")) {
      auto n = node(Kind::look_behind);
      n->negative = text_[at_ - 1] == '!';
      return group_body(depth, std::move(n));
    }
    if (peek() == '<' || peek() == '\'') {
      const char close = peek() == '<' ? '>' : '\'';
      ++at_;
      const std::string name = name_until(close);
      auto n = node(Kind::group);
      n->group = ++groups_;
      names_[name] = n->group;
      return group_body(depth, std::move(n));
    }
    return option_group(depth);
  }

  std::string name_until(char close) {
    const std::size_t end = text_.find(close, at_);
    if (end == std::string_view::npos || end == at_) error("invalid group name");
    std::string name(text_.substr(at_, end - at_));
    at_ = end + 1;
    return name;
  }

  RegexNodePtr option_group(int depth) {
    const Options saved = options_;
    bool on = true;
    for (;;) {
      if (done()) error("end pattern in a group");
      const char c = peek();
      ++at_;
      if (c == 'i') options_.ignore_case = on;
      else if (c == 'm') options_.dot_all = on;
      else if (c == 'x') options_.extended = on;
      else if (c == '-') on = false;
      else if (c == ':') {
        auto n = node(Kind::group);
        n->children.push_back(alternation(depth + 1));
        options_ = saved;
        if (!take(")")) error("end pattern with unmatched parenthesis");
        return n;
      } else if (c == ')') {
        // The options hold for the rest of the enclosing group, its later branches too.
        auto n = node(Kind::group);
        n->children.push_back(alternation(depth + 1));
        options_ = saved;
        return n;
      } else {
        --at_;
        error("undefined or unsupported group option");
      }
    }
  }

  // --- Escapes ------------------------------------------------------------------------------

  static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  }

  char32_t hex(std::size_t least, std::size_t most) {
    char32_t value = 0;
    std::size_t n = 0;
    while (n < most && hex_digit(peek()) >= 0) {
      value = value * 16 + static_cast<char32_t>(hex_digit(peek()));
      ++at_;
      ++n;
    }
    if (n < least || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) error("invalid code point value");
    return value;
  }

  // A class after the backslash (\d, \p{…}), or nothing.
  std::optional<CodeSet> class_escape() {
    const char c = peek();
    const auto shorthand = [&](std::string_view name, bool negative) -> CodeSet {
      ++at_;
      CodeSet set = *unicode::property(name);
      return negative ? set.complement() : set;
    };
    switch (c) {
      case 'd': case 'D': return shorthand("digit", c == 'D');
      case 's': case 'S': return shorthand("space", c == 'S');
      case 'w': case 'W': return shorthand("word", c == 'W');
      case 'h': case 'H': return shorthand("xdigit", c == 'H');
      case 'p': case 'P': {
        if (peek(1) != '{') error("invalid character property name");
        at_ += 2;
        bool negative = c == 'P';
        if (take("^")) negative = !negative;
        const std::size_t end = text_.find('}', at_);
        if (end == std::string_view::npos) error("invalid character property name");
        const std::string_view name = text_.substr(at_, end - at_);
        const std::optional<CodeSet> set = unicode::property(name);
        if (!set) error(cat("unknown character property {", name.substr(0, 60), "}"));
        at_ = end + 1;
        return negative ? set->complement() : *set;
      }
      default: return std::nullopt;
    }
  }

  // A single character after the backslash.
  char32_t char_escape(bool in_class) {
    const char c = peek();
    switch (c) {
      case 't': ++at_; return '\t';
      case 'n': ++at_; return '\n';
      case 'r': ++at_; return '\r';
      case 'f': ++at_; return '\f';
      case 'v': ++at_; return '\v';
      case 'a': ++at_; return '\a';
      case 'e': ++at_; return 0x1B;
      case 'b': if (in_class) { ++at_; return '\b'; } break;
      case 'c': {
        ++at_;
        const char32_t k = next();
        return k == '?' ? 0x7F : k & 0x1F;
      }
      case 'x': {
        ++at_;
        if (take("{")) {
          const char32_t value = hex(1, 8);
          if (!take("}")) error("invalid code point value");
          return value;
        }
        const char32_t value = hex(1, 2);
        if (value >= 0x80) error("a byte of a multi-byte character is not supported: write \\x{…}");
        return value;
      }
      case 'u': ++at_; return hex(4, 4);
      case '0': {
        char32_t value = 0;
        for (int n = 0; n < 3 && peek() >= '0' && peek() <= '7'; ++n) value = value * 8 + static_cast<char32_t>(text_[at_++] - '0');
        return value;
      }
      default: break;
    }
    return next();
  }

  RegexNodePtr escape() {
    if (done()) error("end pattern at escape");
    if (auto set = class_escape()) return set_node(std::move(*set));
    const char c = peek();
    switch (c) {
      case 'b': ++at_; return assert_node(Assertion::word);
      case 'B': ++at_; return assert_node(Assertion::not_word);
      case 'A': ++at_; return assert_node(Assertion::text_begin);
      case 'z': ++at_; return assert_node(Assertion::text_end);
      case 'Z': ++at_; return assert_node(Assertion::text_end_or_newline);
      case 'G': ++at_; return assert_node(Assertion::search_start);
      case 'K': ++at_; return node(Kind::keep);
      case 'X': ++at_; return node(Kind::grapheme);
      case 'N': { ++at_; auto n = node(Kind::set); n->set = single('\n').complement(); return n; }
      case 'O': { ++at_; auto n = node(Kind::set); n->set = CodeSet({{0, 0x10FFFF}}); return n; }
      case 'R': ++at_; return line_break();
      case 'k': {
        ++at_;
        if (peek() != '<' && peek() != '\'') error("invalid back reference");
        const char close = peek() == '<' ? '>' : '\'';
        ++at_;
        const std::string name = name_until(close);
        const auto found = names_.find(name);
        if (found == names_.end()) error("undefined name of a back reference");
        auto n = node(Kind::back_reference);
        n->group = found->second;
        return n;
      }
      case 'g': error("subexpression calls are not supported");
      default: break;
    }
    if (c >= '1' && c <= '9') {
      std::uint32_t number = 0;
      while (peek() >= '0' && peek() <= '9' && number < 10000) number = number * 10 + static_cast<std::uint32_t>(text_[at_++] - '0');
      if (number > groups_) error("invalid back reference");
      if (!names_.empty()) error("numbered back references are not allowed beside named groups");
      auto n = node(Kind::back_reference);
      n->group = number;
      return n;
    }
    return set_node(single(char_escape(false)));
  }

  // \R: (?>\r\n|[\n-\r\x85 and the Unicode separators])
  static RegexNodePtr line_break() {
    auto pair = node(Kind::sequence);
    for (const char32_t c : {U'\r', U'\n'}) {
      auto n = node(Kind::set);
      n->set = single(c);
      pair->children.push_back(std::move(n));
    }
    auto one = node(Kind::set);
    one->set = CodeSet({{10, 13}, {0x85, 0x85}, {0x2028, 0x2029}});
    auto both = node(Kind::alternation);
    both->children.push_back(std::move(pair));
    both->children.push_back(std::move(one));
    auto n = node(Kind::atomic);
    n->children.push_back(std::move(both));
    return n;
  }

  // --- Bracketed classes --------------------------------------------------------------------

  RegexNodePtr class_node(int depth) {
    auto n = node(Kind::set);
    n->set = bracket(depth);
    return n;
  }

  CodeSet bracket(int depth) {
    if (depth > max_depth) error("nested too deeply");
    const bool negative = take("^");
    std::vector<CodeRange> ranges;
    std::optional<CodeSet> left;  // what stands before the last &&
    bool first = true;
    const auto fold_in = [&](const CodeSet& set) { ranges.insert(ranges.end(), set.ranges().begin(), set.ranges().end()); };
    for (;; first = false) {
      if (done()) error("premature end of char-class");
      if (peek() == ']' && !(first && text_.find(']', at_ + 1) != std::string_view::npos)) {
        if (first) error("empty char-class");
        ++at_;
        break;
      }
      if (text_.substr(at_, 2) == "[:") {
        if (auto set = posix_bracket()) {
          fold_in(*set);
          continue;
        }
      }
      if (peek() == '[') {
        ++at_;
        fold_in(bracket(depth + 1));
        continue;
      }
      if (take("&&")) {
        CodeSet now(std::move(ranges));
        ranges.clear();
        left = left ? left->within(now) : std::move(now);
        continue;
      }
      char32_t low = 0;
      if (take("\\")) {
        if (done()) error("end pattern at escape");
        if (auto set = class_escape()) {
          fold_in(*set);
          continue;
        }
        if (take("R") || take("X")) error("not allowed in a char-class");
        low = char_escape(true);
      } else {
        low = next();
      }
      char32_t high = low;
      if (peek() == '-' && peek(1) != ']' && at_ + 1 < text_.size() && text_.substr(at_ + 1, 2) != "&&") {
        const std::size_t dash = at_;
        ++at_;
        if (peek() == '[') {
          at_ = dash;  // a set follows: the dash is itself
        } else if (take("\\")) {
          if (done()) error("end pattern at escape");
          if (class_escape()) error("char-class value at end of range");
          high = char_escape(true);
        } else {
          high = next();
        }
        if (high < low) error("empty range in char-class");
      }
      ranges.push_back({low, high});
    }
    CodeSet set(std::move(ranges));
    if (left) set = left->within(set);
    if (options_.ignore_case) set = unicode::close_over_case(set);
    return negative ? set.complement() : set;
  }

  std::optional<CodeSet> posix_bracket() {
    const std::size_t end = text_.find(":]", at_ + 2);
    if (end == std::string_view::npos || end - at_ > 40) return std::nullopt;
    std::string_view name = text_.substr(at_ + 2, end - at_ - 2);
    const bool negative = !name.empty() && name[0] == '^';
    if (negative) name.remove_prefix(1);
    static constexpr std::string_view known[] = {"alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
                                                 "lower", "print", "punct", "space", "upper", "xdigit", "word"};
    if (std::find(std::begin(known), std::end(known), name) == std::end(known)) return std::nullopt;
    at_ = end + 2;
    const CodeSet set = *unicode::property(name);
    return negative ? set.complement() : set;
  }

  std::string_view text_, what_;
  std::size_t at_ = 0;
  Options options_;
  std::uint32_t groups_ = 0;
  std::map<std::string, std::uint32_t> names_;
};

}  // namespace

ParsedRegex parse_regex(std::string_view pattern, std::string_view what) { return Parser(pattern, what).parse(); }

std::string regex_escape(std::string_view literal) {
  std::string out;
  for (const char c : literal) {
    if (std::string_view("\\.+*?()|[]{}^$#&-~ ").find(c) != std::string_view::npos) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

}  // namespace tashika
