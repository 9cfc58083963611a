// Patterns in ECMAScript's syntax, as trees.
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "text/grammar/dfa.h"
#include "text/unicode.h"

namespace tashika::grammar {
namespace {

RxPtr make(Rx rx) { return std::make_shared<const Rx>(std::move(rx)); }

constexpr int max_depth = 100;

const CodeSet& digits() {
  static const CodeSet set({{'0', '9'}});
  return set;
}
const CodeSet& word() {
  static const CodeSet set({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}});
  return set;
}
const CodeSet& space() {
  static const CodeSet set({{'\t', '\r'}, {' ', ' '}, {0xA0, 0xA0}, {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029},
                            {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}});
  return set;
}
const CodeSet& not_newline() {
  static const CodeSet set = CodeSet({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}).complement();
  return set;
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view what) : text_(text), what_(what) {}

  Pattern parse() {
    if (const std::size_t bad = find_invalid_utf8(text_); bad != std::string_view::npos) at_ = bad, wrong("the pattern is no UTF-8");
    if (text_.starts_with("(?i)")) at_ = 4, fold_ = true;
    top_ = true;
    Pattern out;
    out.root = alternation(0);
    if (at_ < text_.size()) wrong("unmatched ')'");
    out.looks = std::move(looks_);
    return out;
  }

 private:
  [[noreturn]] void wrong(std::string_view problem) const {
    fail(what_, ": ", problem, " at offset ", at_, " of the pattern \"", printable(text_), "\"");
  }
  bool more() const { return at_ < text_.size(); }
  char peek() const { return text_[at_]; }
  bool take(std::string_view s) {
    if (!text_.substr(at_).starts_with(s)) return false;
    at_ += s.size();
    return true;
  }
  char32_t character() {
    const Utf8Char c = decode_utf8(text_, at_);
    at_ += static_cast<std::size_t>(c.size);
    return c.code;
  }

  RxPtr alternation(int depth) {
    if (depth > max_depth) wrong("groups are nested too deep");
    const bool top = std::exchange(top_, false);
    std::vector<RxPtr> choices;
    bool first = true;
    do {
      if (!first && !looks_.empty() && top) wrong("a look in front of alternatives is not supported: put them in a group");
      choices.push_back(sequence(depth, top && first));
      first = false;
    } while (take("|"));
    return choices.size() == 1 ? choices[0] : rx_any_of(std::move(choices));
  }

  RxPtr sequence(int depth, bool top) {
    std::vector<RxPtr> parts;
    bool leading = top, anchored = false;
    while (more() && peek() != '|' && peek() != ')') {
      if (text_.substr(at_).starts_with("(?=") || text_.substr(at_).starts_with("(?!")) {
        if (!leading || (!anchored && !text_.starts_with("(?"))) wrong("a look is supported at the pattern's start only, behind '^'");
        if (!anchored) wrong("a look needs '^' in front of it");
        const bool negative = text_[at_ + 2] == '!';
        at_ += 3;
        RxPtr body = alternation(depth + 1);
        if (!take(")")) wrong("a group is not closed");
        looks_.push_back({body, negative});
        continue;
      }
      RxPtr part = quantified(depth);
      if (part->kind == Rx::Kind::begin) {
        anchored = true;
      } else {
        leading = false;
      }
      parts.push_back(std::move(part));
    }
    return rx_sequence(std::move(parts));
  }

  RxPtr quantified(int depth) {
    RxPtr part = atom(depth);
    if (!more()) return part;
    std::uint32_t min = 1, max = 1;
    const std::size_t start = at_;
    if (take("*")) {
      min = 0, max = rx_unbounded;
    } else if (take("+")) {
      max = rx_unbounded;
    } else if (take("?")) {
      min = 0;
    } else if (peek() == '{' && braces(min, max)) {
    } else {
      return part;
    }
    if (part->kind == Rx::Kind::begin || part->kind == Rx::Kind::end) at_ = start, wrong("an anchor cannot be repeated");
    take("?");  // lazy: the same texts
    if (more() && (peek() == '*' || peek() == '+' || peek() == '?')) wrong("nothing to repeat");
    return rx_repeat(std::move(part), min, max);
  }

  // "{m}", "{m,}", "{m,n}"; anything else is an error, as with flag u.
  bool braces(std::uint32_t& min, std::uint32_t& max) {
    take("{");
    min = number();
    max = min;
    if (take(",")) max = more() && peek() == '}' ? rx_unbounded : number();
    if (!take("}")) wrong("expected '}' of a repetition");
    if (max < min) wrong("a repetition's bounds are in the wrong order");
    return true;
  }
  std::uint32_t number() {
    std::uint32_t n = 0;
    if (!more() || peek() < '0' || peek() > '9') wrong("expected a number");
    while (more() && peek() >= '0' && peek() <= '9') {
      n = n * 10 + static_cast<std::uint32_t>(peek() - '0');
      if (n > 1'000'000) wrong("a repetition is too large");
      ++at_;
    }
    return n;
  }

  RxPtr set(CodeSet s) const { return rx_set(fold_ ? unicode::close_over_case(s) : std::move(s)); }

  RxPtr atom(int depth) {
    const char c = peek();
    switch (c) {
      case '^': ++at_; return make({Rx::Kind::begin, {}, {}, {}, 0, 0, 0});
      case '$': ++at_; return make({Rx::Kind::end, {}, {}, {}, 0, 0, 0});
      case '.': ++at_; return rx_set(not_newline());
      case '[': return set(bracket());
      case '*':
      case '+':
      case '?': wrong("nothing to repeat");
      case '{':
      case '}':
        // Braces that repeat nothing are plain characters to most engines.
        ++at_;
        return rx_bytes(std::string(1, c));
      case '(': {
        ++at_;
        if (take("?")) {
          if (take("<") || take("P<")) {
            if (more() && (peek() == '=' || peek() == '!')) wrong("looks behind are not supported");
            while (more() && peek() != '>') ++at_;
            if (!take(">")) wrong("a group's name is not closed");
          } else if (more() && (peek() == '=' || peek() == '!')) {
            wrong("looks ahead are supported at the pattern's start only");
          } else if (!take(":")) {
            wrong("this kind of group is not supported");
          }
        }
        RxPtr body = alternation(depth + 1);
        if (!take(")")) wrong("a group is not closed");
        return body;
      }
      case '\\': {
        ++at_;
        if (!more()) wrong("a lone '\\' at the end");
        if (peek() == 'b' || peek() == 'B') wrong("word boundaries are not supported");
        if ((peek() >= '1' && peek() <= '9') || peek() == 'k') wrong("back references are not supported");
        return set(escape(false));
      }
      default: return set(CodeSet(std::vector<CodeRange>{one(character())}));
    }
  }

  static CodeRange one(char32_t c) { return {c, c}; }

  char32_t hex(int least, int most) {
    char32_t value = 0;
    int n = 0;
    for (; n < most && more(); ++n, ++at_) {
      const char c = peek();
      const int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (d < 0) break;
      value = value * 16 + static_cast<char32_t>(d);
    }
    if (n < least) wrong("expected hexadecimal digits");
    return value;
  }

  // Behind '\\'.
  CodeSet escape(bool in_class) {
    const char32_t c = character();
    const auto single = [](char32_t x) { return CodeSet(std::vector<CodeRange>{one(x)}); };
    switch (c) {
      case 'd': return digits();
      case 'D': return digits().complement();
      case 'w': return word();
      case 'W': return word().complement();
      case 's': return space();
      case 'S': return space().complement();
      case 'n': return single('\n');
      case 'r': return single('\r');
      case 't': return single('\t');
      case 'f': return single('\f');
      case 'v': return single('\v');
      case '0': return single(0);
      case 'b':
        if (in_class) return single('\b');
        break;
      case 'x': return single(hex(2, 2));
      case 'c': {
        const char32_t letter = more() ? character() : 0;
        if ((letter | 32) < 'a' || (letter | 32) > 'z') wrong("expected a letter behind \\c");
        return single(letter & 31);
      }
      case 'u': {
        if (take("{")) {
          const char32_t code = hex(1, 6);
          if (!take("}") || code > 0x10FFFF) wrong("a wrong \\u{…}");
          return single(code);
        }
        char32_t code = hex(4, 4);
        if (code >= 0xD800 && code < 0xDC00 && take("\\u")) {
          const char32_t low = hex(4, 4);
          if (low < 0xDC00 || low > 0xDFFF) wrong("a lone surrogate");
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
        return single(code);
      }
      case 'p':
      case 'P': {
        if (!take("{")) wrong("expected '{' behind \\p");
        const std::size_t end = text_.find('}', at_);
        if (end == std::string_view::npos) wrong("a property's name is not closed");
        std::string_view name = text_.substr(at_, end - at_);
        if (const std::size_t equals = name.find('='); equals != std::string_view::npos) name = name.substr(equals + 1);
        const std::optional<CodeSet> found = unicode::property(name);
        if (!found) wrong("an unknown property");
        at_ = end + 1;
        return c == 'P' ? found->complement() : *found;
      }
      default: break;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) wrong("an unknown escape");
    return single(c);
  }

  CodeSet bracket() {
    take("[");
    const bool negative = take("^");
    CodeSet out;
    std::vector<CodeRange> ranges;
    while (true) {
      if (!more()) wrong("a class is not closed");
      if (take("]")) break;
      bool is_single = false;
      char32_t first = 0;
      class_atom(out, is_single, first);
      if (is_single && more() && peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        bool last_single = false;
        char32_t last = 0;
        class_atom(out, last_single, last);
        if (!last_single) {
          ranges.push_back(one(first));
          ranges.push_back(one('-'));
          continue;
        }
        if (last < first) wrong("a range is in the wrong order");
        ranges.push_back({first, last});
      } else if (is_single) {
        ranges.push_back(one(first));
      }
    }
    out = out.with(CodeSet(std::move(ranges)));
    if (fold_) out = unicode::close_over_case(out);
    return negative ? out.complement() : out;
  }

  void class_atom(CodeSet& out, bool& single, char32_t& code) {
    if (take("\\")) {
      if (!more()) wrong("a lone '\\' at the end");
      if (peek() == '-') {
        ++at_;
        single = true, code = '-';
        return;
      }
      const CodeSet set = escape(true);
      if (set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last) {
        single = true, code = set.ranges()[0].first;
      } else {
        out = out.with(set);
      }
      return;
    }
    single = true;
    code = character();
  }

  std::string_view text_, what_;
  std::size_t at_ = 0;
  bool fold_ = false, top_ = false;
  std::vector<Pattern::Look> looks_;
};

}  // namespace

RxPtr rx_empty() { return make({}); }
RxPtr rx_never() { return make({Rx::Kind::never, {}, {}, {}, 0, 0, 0}); }
RxPtr rx_set(CodeSet set) {
  if (set.empty()) return rx_never();
  return make({Rx::Kind::set, std::move(set), {}, {}, 0, 0, 0});
}
RxPtr rx_bytes(std::string bytes) {
  if (bytes.empty()) return rx_empty();
  return make({Rx::Kind::bytes, {}, std::move(bytes), {}, 0, 0, 0});
}
RxPtr rx_sequence(std::vector<RxPtr> parts) {
  if (parts.empty()) return rx_empty();
  if (parts.size() == 1) return parts[0];
  return make({Rx::Kind::sequence, {}, {}, std::move(parts), 0, 0, 0});
}
RxPtr rx_any_of(std::vector<RxPtr> parts) {
  if (parts.empty()) return rx_never();
  if (parts.size() == 1) return parts[0];
  return make({Rx::Kind::alternation, {}, {}, std::move(parts), 0, 0, 0});
}
RxPtr rx_repeat(RxPtr part, std::uint32_t min, std::uint32_t max) {
  if (max == 0 || part->kind == Rx::Kind::empty) return rx_empty();
  if (min == 1 && max == 1) return part;
  return make({Rx::Kind::repeat, {}, {}, {std::move(part)}, min, max, 0});
}

Pattern parse_pattern(std::string_view pattern, std::string_view what) { return Parser(pattern, what).parse(); }

}  // namespace tashika::grammar
