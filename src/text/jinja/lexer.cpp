#include "text/jinja/lexer.h"

#include <algorithm>
#include <charconv>

#include "base/utf8.h"
#include "text/jinja/python_unicode.h"

namespace tashika::jinja {
namespace {

bool digit(char c) {
  return c >= '0' && c <= '9';
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
bool hex(char c) {
  return digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
      continue;
    }
    out += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  std::vector<Token> run() {
    while (pos_ < source_.size()) root();
    add(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(std::string message) const { throw SyntaxError{line_, std::move(message)}; }

  bool at(std::string_view text, std::size_t pos) const { return source_.compare(pos, text.size(), text) == 0; }
  char peek(std::size_t ahead = 0) const { return pos_ + ahead < source_.size() ? source_[pos_ + ahead] : '\0'; }

  void add(TokenKind kind, std::string text, Value number = Value()) {
    tokens_.push_back({kind, line_, std::move(text), std::move(number)});
  }

  void advance_to(std::size_t pos) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(pos_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(pos), '\n'));
    if (pos > pos_) line_starting_ = source_[pos - 1] == '\n';
    pos_ = pos;
  }

  std::size_t skip_space(std::size_t pos) const {
    while (pos < source_.size()) {
      const Utf8Char c = decode_utf8(source_, pos);
      if (!is_space(c.code)) break;
      pos += c.size;
    }
    return pos;
  }

  // The end of a tag at `pos`: "%}", "-%}" with all white space after it, "+%}"; trimming drops one
  // newline after the plain form. 0 when there is none.
  std::size_t tag_end(std::size_t pos, std::string_view close, bool trim, bool plus) const {
    if (pos < source_.size() && source_[pos] == '-' && at(close, pos + 1)) {
      return skip_space(pos + 1 + close.size());
    }
    if (plus && pos < source_.size() && source_[pos] == '+' && at(close, pos + 1)) return pos + 1 + close.size();
    if (!at(close, pos)) return 0;
    pos += close.size();
    if (trim && pos < source_.size() && source_[pos] == '\n') ++pos;
    return pos;
  }

  // After "{%" and its sign: the position behind `word` and the tag's end, or 0.
  std::size_t word_tag(std::size_t pos, std::string_view word, bool trim, bool plus) const {
    pos = skip_space(pos);
    if (!at(word, pos)) return 0;
    return tag_end(skip_space(pos + word.size()), "%}", trim, plus);
  }

  // Text up to a tag, stripped as the tag's sign and lstrip_blocks say.
  void data(std::string_view text, char sign, bool variable) {
    std::string_view kept = text;
    if (sign == '-') {
      std::size_t end = 0;
      for (std::size_t i = 0; i < text.size();) {
        const Utf8Char c = decode_utf8(text, i);
        i += c.size;
        if (!is_space(c.code)) end = i;
      }
      kept = text.substr(0, end);
    } else if (sign != '+' && !variable) {
      const std::size_t newline = text.rfind('\n');
      const std::size_t start = newline == text.npos ? 0 : newline + 1;
      if (start > 0 || line_starting_) {
        bool blank = start < text.size();
        for (std::size_t i = start; i < text.size() && blank;) {
          const Utf8Char c = decode_utf8(text, i);
          blank = is_space(c.code);
          i += c.size;
        }
        if (blank) kept = text.substr(0, start);
      }
    }
    if (!kept.empty()) add(TokenKind::data, std::string(kept));
  }

  void root() {
    std::size_t tag = pos_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == source_.npos || tag + 1 >= source_.size()) {
        tag = source_.npos;
        break;
      }
      const char next = source_[tag + 1];
      if (next == '{' || next == '%' || next == '#') break;
    }
    if (tag == source_.npos) {
      add(TokenKind::data, source_.substr(pos_));
      advance_to(source_.size());
      return;
    }
    const char type = source_[tag + 1];
    std::size_t inside = tag + 2;
    char sign = '\0';
    if (inside < source_.size() && (source_[inside] == '-' || source_[inside] == '+')) sign = source_[inside++];
    const std::size_t raw = type == '%' ? raw_begin(tag) : 0;
    data(std::string_view(source_).substr(pos_, tag - pos_), sign, type == '{');
    advance_to(tag);
    if (raw > 0) {
      advance_to(raw);
      raw_body();
    } else if (type == '#') {
      advance_to(inside);
      comment();
    } else if (type == '%') {
      add(TokenKind::block_begin, "");
      advance_to(inside);
      expression_tokens("%}", TokenKind::block_end);
    } else {
      add(TokenKind::variable_begin, "");
      advance_to(inside);
      expression_tokens("}}", TokenKind::variable_end);
    }
  }

  // "{% raw %}" keeps the newline after it.
  std::size_t raw_begin(std::size_t tag) const {
    std::size_t pos = tag + 2;
    if (pos < source_.size() && (source_[pos] == '-' || source_[pos] == '+')) ++pos;
    return word_tag(pos, "raw", false, false);
  }

  void raw_body() {
    for (std::size_t tag = source_.find("{%", pos_); tag != source_.npos; tag = source_.find("{%", tag + 1)) {
      std::size_t inside = tag + 2;
      char sign = '\0';
      if (inside < source_.size() && (source_[inside] == '-' || source_[inside] == '+')) sign = source_[inside++];
      const std::size_t end = word_tag(inside, "endraw", true, true);
      if (end == 0) continue;
      data(std::string_view(source_).substr(pos_, tag - pos_), sign, false);
      advance_to(end);
      return;
    }
    // At the very end of the source jinja2 finds nothing to complain about.
    if (pos_ < source_.size()) fail("Missing end of raw directive");
  }

  void comment() {
    for (std::size_t close = source_.find("#}", pos_); close != source_.npos;) {
      const char before = close > pos_ ? source_[close - 1] : '\0';
      if (before == '-' || before == '+') {
        advance_to(tag_end(close - 1, "#}", true, true));
      } else {
        advance_to(tag_end(close, "#}", true, true));
      }
      return;
    }
    if (pos_ < source_.size()) fail("Missing end of comment tag");
  }

  void expression_tokens(std::string_view close, TokenKind end_kind) {
    std::string open;
    while (pos_ < source_.size()) {
      if (open.empty()) {
        const bool block = end_kind == TokenKind::block_end;
        if (const std::size_t end = tag_end(pos_, close, block, block)) {
          add(end_kind, "");
          advance_to(end);
          return;
        }
      }
      const std::size_t space = skip_space(pos_);
      if (space > pos_) {
        advance_to(space);
      } else if (!number() && !name() && !string() && !op(open)) {
        const Utf8Char c = decode_utf8(source_, pos_);
        fail(cat("unexpected char ", repr_text(std::string_view(source_).substr(pos_, c.size)), " at ", pos_));
      }
    }
  }

  // \d(_?\d)*: the end, or `pos` itself.
  std::size_t digits(std::size_t pos) const {
    std::size_t end = pos;
    while (pos < source_.size() && digit(source_[pos])) {
      end = ++pos;
      if (pos < source_.size() && source_[pos] == '_') ++pos;
    }
    return end;
  }

  bool number() {
    if (!digit(peek())) return false;
    const bool after_dot = pos_ > 0 && source_[pos_ - 1] == '.';
    const std::size_t whole = digits(pos_);
    std::size_t end = whole;
    if (!after_dot) {
      if (end < source_.size() && source_[end] == '.' && digits(end + 1) > end + 1) end = digits(end + 1);
      if (end < source_.size() && lower(source_[end]) == 'e') {
        std::size_t exponent = end + 1;
        if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
        if (digits(exponent) > exponent) end = digits(exponent);
      }
    }
    if (end > whole) {
      real(end);
    } else {
      integer();
    }
    return true;
  }

  std::string without_underscores(std::size_t begin, std::size_t end) const {
    std::string text = source_.substr(begin, end - begin);
    std::erase(text, '_');
    return text;
  }

  void real(std::size_t end) {
    const std::string text = without_underscores(pos_, end);
    double value = 0;
    const auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || last != text.data() + text.size()) fail(cat("the number ", text, " is out of range"));
    add(TokenKind::number, "", Value(value));
    advance_to(end);
  }

  void integer() {
    int base = 10;
    std::size_t begin = pos_, end = pos_;
    const char mark = lower(peek(1));
    if (peek() == '0' && (mark == 'b' || mark == 'o' || mark == 'x')) {
      base = mark == 'b' ? 2 : mark == 'o' ? 8 : 16;
      std::size_t pos = begin + 2;
      while (pos < source_.size()) {
        std::size_t next = pos;
        if (source_[next] == '_') ++next;
        if (next >= source_.size() || !hex(source_[next])) break;
        const char c = source_[next];
        if (base < 16 && (!digit(c) || c - '0' >= base)) break;
        end = pos = next + 1;
      }
      begin += 2;
    }
    if (end == pos_) {
      base = 10;
      begin = pos_;
      if (peek() == '0') {  // only zeros may follow
        end = pos_ + 1;
        while (end < source_.size()) {
          const std::size_t next = source_[end] == '_' ? end + 1 : end;
          if (next >= source_.size() || source_[next] != '0') break;
          end = next + 1;
        }
      } else {
        end = digits(pos_);
      }
    }
    const std::string text = without_underscores(begin, end);
    std::int64_t value = 0;
    const auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || last != text.data() + text.size()) {
      fail(cat("the integer ", text, " does not fit into 64 bits"));
    }
    add(TokenKind::number, "", Value(value));
    advance_to(end);
  }

  bool name() {
    std::size_t end = pos_;
    bool identifier = true;
    while (end < source_.size()) {
      const Utf8Char c = decode_utf8(source_, end);
      const bool ascii_word = c.code < 0x80 && (digit(source_[end]) || source_[end] == '_' ||
                                                (lower(source_[end]) >= 'a' && lower(source_[end]) <= 'z'));
      const std::uint16_t flags = c.code < 0x80 ? 0 : char_flags(c.code);
      if (!ascii_word && !(flags & (char_alpha | char_numeric | char_id_continue))) break;
      if (c.code >= 0x80 && !(flags & (end == pos_ ? char_id_start : char_id_continue))) identifier = false;
      end += c.size;
    }
    if (end == pos_) return false;
    if (!identifier) fail("Invalid character in identifier");
    add(TokenKind::name, source_.substr(pos_, end - pos_));
    advance_to(end);
    return true;
  }

  bool string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return false;
    std::size_t end = pos_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return false;  // "unexpected char" says jinja2 of an open string
    add(TokenKind::string, unescape(std::string_view(source_).substr(pos_ + 1, end - pos_ - 1)));
    advance_to(end + 1);
    return true;
  }

  // Python's "unicode-escape" decoding.
  std::string unescape(std::string_view text) const {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\' || i + 1 >= text.size()) {
        out += text[i];
        continue;
      }
      const char c = text[++i];
      static constexpr std::string_view plain = "abfnrtv\\'\"", meaning = "\a\b\f\n\r\t\v\\'\"";
      if (const std::size_t k = plain.find(c); k != plain.npos) {
        out += meaning[k];
      } else if (c == '\n') {
        // a continued line
      } else if (c >= '0' && c <= '7') {
        char32_t code = 0;
        for (int n = 0; n < 3 && i < text.size() && text[i] >= '0' && text[i] <= '7'; ++n) {
          code = code * 8 + static_cast<char32_t>(text[i++] - '0');
        }
        --i;
        append_utf8(out, code);
      } else if (c == 'x' || c == 'u' || c == 'U') {
        const std::size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        char32_t code = 0;
        std::size_t n = 0;
        for (; n < count && i + 1 < text.size() && hex(text[i + 1]); ++n) {
          const char d = lower(text[++i]);
          code = code * 16 + static_cast<char32_t>(digit(d) ? d - '0' : d - 'a' + 10);
        }
        if (n < count) fail(cat("truncated \\", c, " escape in a string"));
        if (code > 0x10FFFF) fail("illegal Unicode character in a string escape");
        if (code >= 0xD800 && code < 0xE000) fail("a string escape gives a lone surrogate, which is no text");
        append_utf8(out, code);
      } else if (c == 'N') {
        fail("\\N{...} escapes are not supported in template strings");
      } else {
        out += '\\';
        out += c;
      }
    }
    return out;
  }

  bool op(std::string& open) {
    static constexpr std::string_view two[] = {"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view one = "+-/*%~[](){}><=.:|,;";
    std::string text;
    for (const std::string_view candidate : two) {
      if (at(candidate, pos_)) text = candidate;
    }
    if (text.empty()) {
      if (one.find(peek()) == one.npos || peek() == '\0') return false;
      text = peek();
    }
    const char c = text[0];
    if (c == '(' || c == '[' || c == '{') {
      open += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (open.empty()) fail(cat("unexpected '", text, "'"));
      if (open.back() != c) fail(cat("unexpected '", text, "', expected '", open.back(), "'"));
      open.pop_back();
    }
    const std::size_t size = text.size();
    add(TokenKind::op, std::move(text));
    advance_to(pos_ + size);
    return true;
  }

  std::string source_;
  std::size_t pos_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize_template(std::string_view source) {
  return Lexer(normalize_newlines(source)).run();
}

}  // namespace tashika::jinja
