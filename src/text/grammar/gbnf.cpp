// llama.cpp's grammar notation: rules of literals, character classes, groups and repetitions.
//
// Rules that do not recur are regular and become automata; the others stay rules. Left recursion is an Error.
#include <algorithm>
#include <functional>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/utf8.h"
#include "text/grammar/program.h"

namespace tashika::grammar {
namespace {

constexpr int max_depth = 100;
constexpr std::size_t max_text = 4 << 20;

struct Rules {
  std::vector<RxPtr> bodies;  // null: named and not defined
  std::vector<std::string> names;
  std::unordered_map<std::string, std::uint32_t> index;
  std::uint32_t number(std::string_view name) {
    const auto [place, fresh] = index.try_emplace(std::string(name), static_cast<std::uint32_t>(names.size()));
    if (fresh) names.emplace_back(name), bodies.emplace_back();
    return place->second;
  }
};

class Parser {
 public:
  Parser(std::string_view text, std::string_view what) : text_(text), what_(what) {}

  Rules parse() {
    if (text_.size() > max_text) fail_with(ErrorKind::limit, cat(what_, ": the grammar is longer than ", max_text, " bytes"));
    if (const std::size_t bad = find_invalid_utf8(text_); bad != std::string_view::npos) at_ = bad, wrong("the grammar is no UTF-8");
    blanks(true);
    while (at_ < text_.size()) rule();
    if (!rules_.index.contains("root")) fail(what_, ": there is no rule named root");
    for (std::size_t i = 0; i < rules_.names.size(); ++i) {
      if (!rules_.bodies[i]) fail(what_, ": the rule ", rules_.names[i], " is used and not defined");
    }
    return std::move(rules_);
  }

 private:
  [[noreturn]] void wrong(std::string_view problem) const {
    const auto line = std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, text_.size())), '\n') + 1;
    fail(what_, ": line ", line, ": ", problem);
  }
  bool more() const { return at_ < text_.size(); }
  bool take(std::string_view s) {
    if (!text_.substr(at_).starts_with(s)) return false;
    at_ += s.size();
    return true;
  }
  void blanks(bool newlines) {
    while (more()) {
      const char c = text_[at_];
      if (c == '#') {
        while (more() && text_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || (newlines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }
  static bool name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }
  std::string_view name() {
    const std::size_t begin = at_;
    while (more() && name_char(text_[at_])) ++at_;
    if (at_ == begin) wrong("expected a rule's name");
    return text_.substr(begin, at_ - begin);
  }

  void rule() {
    const std::string_view n = name();
    blanks(false);
    if (!take("::=")) wrong("expected '::='");
    blanks(true);
    const std::uint32_t number = rules_.number(n);
    if (rules_.bodies[number]) wrong(cat("the rule ", n, " is defined twice"));
    RxPtr body = alternation(0);
    rules_.bodies[number] = std::move(body);
    if (more() && text_[at_] != '\n' && text_[at_] != '\r') wrong("expected the end of the line");
    blanks(true);
  }

  RxPtr alternation(int depth) {
    if (depth > max_depth) wrong("groups are nested too deep");
    std::vector<RxPtr> choices;
    do {
      blanks(true);
      choices.push_back(sequence(depth));
      blanks(depth > 0);
      // A choice may go on in the next line.
      const std::size_t here = at_;
      blanks(true);
      if (more() && text_[at_] == '|') continue;
      at_ = here;
    } while (take("|"));
    return rx_any_of(std::move(choices));
  }

  RxPtr sequence(int depth) {
    std::vector<RxPtr> parts;
    while (true) {
      blanks(depth > 0);
      if (!more()) break;
      const char c = text_[at_];
      if (c == '|' || c == ')' || c == '\n' || c == '\r') break;
      parts.push_back(quantified(depth));
    }
    return rx_sequence(std::move(parts));
  }

  RxPtr quantified(int depth) {
    RxPtr part = atom(depth);
    int marks = 0;
    while (more()) {
      std::uint32_t min = 0, max = rx_unbounded;
      if (take("*")) {
      } else if (take("+")) {
        min = 1;
      } else if (take("?")) {
        max = 1;
      } else if (take("{")) {
        blanks(false);
        min = more() && text_[at_] == ',' ? 0 : count();
        blanks(false);
        max = min;
        if (take(",")) {
          blanks(false);
          max = more() && text_[at_] == '}' ? rx_unbounded : count();
          blanks(false);
        }
        if (!take("}")) wrong("expected '}'");
        if (max < min) wrong("a repetition's bounds are in the wrong order");
      } else {
        break;
      }
      if (++marks > 8) wrong("too many repetitions of repetitions");
      part = rx_repeat(std::move(part), min, max);
    }
    return part;
  }

  std::uint32_t count() {
    std::uint32_t n = 0;
    if (!more() || text_[at_] < '0' || text_[at_] > '9') wrong("expected a number");
    for (; more() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      n = n * 10 + static_cast<std::uint32_t>(text_[at_] - '0');
      if (n > 1'000'000) wrong("a repetition is too large");
    }
    return n;
  }

  RxPtr atom(int depth) {
    const char c = text_[at_];
    if (c == '"') {
      ++at_;
      std::string bytes;
      while (true) {
        if (!more() || text_[at_] == '\n') wrong("a literal is not closed");
        if (take("\"")) break;
        append_utf8(bytes, character());
      }
      return rx_bytes(std::move(bytes));
    }
    if (c == '[') {
      ++at_;
      const bool negative = take("^");
      std::vector<CodeRange> ranges;
      while (!take("]")) {
        if (!more()) wrong("a class is not closed");
        const char32_t first = character();
        char32_t last = first;
        if (more() && text_[at_] == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
          ++at_;
          last = character();
          if (last < first) wrong("a range is in the wrong order");
        }
        ranges.push_back({first, last});
      }
      CodeSet set(std::move(ranges));
      return rx_set(negative ? set.complement() : set);
    }
    if (c == '.') {
      ++at_;
      return rx_set(CodeSet({{0, 0x10FFFF}}));
    }
    if (c == '(') {
      ++at_;
      RxPtr body = alternation(depth + 1);
      blanks(true);
      if (!take(")")) wrong("expected ')'");
      return body;
    }
    if (c == '<' || c == '!') wrong("tokens in angle brackets are not supported; write their text as a literal");
    if (!name_char(c)) wrong(cat("unexpected '", printable(std::string_view(&c, 1)), "'"));
    Rx rx;
    rx.kind = Rx::Kind::rule;
    rx.rule = rules_.number(name());
    return std::make_shared<const Rx>(std::move(rx));
  }

  char32_t character() {
    if (!take("\\")) {
      const Utf8Char c = decode_utf8(text_, at_);
      at_ += static_cast<std::size_t>(c.size);
      return c.code;
    }
    if (!more()) wrong("a lone '\\' at the end");
    const char c = text_[at_++];
    switch (c) {
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case 'x': return hex(2);
      case 'u': return hex(4);
      case 'U': return hex(8);
      case '"':
      case '\\':
      case '[':
      case ']':
      case '-':
      case '^':
      case '/':
      case '.': return static_cast<char32_t>(c);
      default: --at_, wrong("an unknown escape");
    }
  }
  char32_t hex(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = more() ? text_[at_] : ' ';
      const int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (d < 0 || value > 0x1FFFFF) wrong("expected hexadecimal digits of a character");
      value = value * 16 + static_cast<char32_t>(d);
      ++at_;
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) wrong("an escape that is no character");
    return value;
  }

  std::string_view text_, what_;
  std::size_t at_ = 0;
  Rules rules_;
};

class Lowering {
 public:
  Lowering(Program& program, Rules rules, std::string_view what) : p_(program), rules_(std::move(rules)), what_(what) {}

  std::uint32_t run() {
    find_regular();
    base_ = static_cast<std::uint32_t>(p_.rules.size());
    p_.rules.resize(base_ + rules_.bodies.size(), no_id);
    const std::uint32_t root = rules_.index.at("root");
    wanted_.push_back(root);
    used_.assign(rules_.bodies.size(), false);
    used_[root] = true;
    while (!wanted_.empty()) {
      const std::uint32_t r = wanted_.back();
      wanted_.pop_back();
      p_.rules[base_ + r] = lower(rules_.bodies[r], 0);
    }
    return p_.rules[base_ + root];
  }

 private:
  // Rules from which no rule that recurs is reached.
  void find_regular() {
    const std::size_t n = rules_.bodies.size();
    std::vector<std::vector<std::uint32_t>> uses(n);
    for (std::size_t i = 0; i < n; ++i) collect(*rules_.bodies[i], uses[i]);
    std::vector<std::uint32_t> open(n, 0);
    std::vector<std::vector<std::uint32_t>> users(n);
    std::vector<std::uint32_t> ready;
    for (std::uint32_t i = 0; i < n; ++i) {
      open[i] = static_cast<std::uint32_t>(uses[i].size());
      for (const std::uint32_t u : uses[i]) users[u].push_back(i);
      if (open[i] == 0) ready.push_back(i);
    }
    regular_.assign(n, false);
    expanded_.assign(n, nullptr);
    while (!ready.empty()) {
      const std::uint32_t r = ready.back();
      ready.pop_back();
      regular_[r] = true;
      expanded_[r] = expand(rules_.bodies[r]);
      for (const std::uint32_t u : users[r]) {
        if (--open[u] == 0) ready.push_back(u);
      }
    }
  }
  static void collect(const Rx& rx, std::vector<std::uint32_t>& out) {
    if (rx.kind == Rx::Kind::rule) out.push_back(rx.rule);
    for (const RxPtr& part : rx.parts) collect(*part, out);
  }
  bool is_regular(const Rx& rx) const {
    if (rx.kind == Rx::Kind::rule) return regular_[rx.rule];
    return std::ranges::all_of(rx.parts, [&](const RxPtr& part) { return is_regular(*part); });
  }
  // Rules put in place; parts stay shared.
  RxPtr expand(const RxPtr& rx) const {
    if (rx->kind == Rx::Kind::rule) return expanded_[rx->rule];
    if (rx->parts.empty()) return rx;
    Rx copy = *rx;
    for (RxPtr& part : copy.parts) part = expand(part);
    return std::make_shared<const Rx>(std::move(copy));
  }

  std::uint32_t lower(const RxPtr& rx, int depth) {
    if (depth > 2 * max_depth) fail_with(ErrorKind::limit, cat(what_, ": nested too deep"));
    if (p_.exprs.size() > 200'000) fail_with(ErrorKind::limit, cat(what_, ": the grammar is too large"));
    if (is_regular(*rx)) {
      if (const std::uint32_t e = automaton(rx); e != no_id) return e;
    }
    switch (rx->kind) {
      case Rx::Kind::rule:
        if (!used_[rx->rule]) used_[rx->rule] = true, wanted_.push_back(rx->rule);
        return p_.add({Expr::Kind::rule, base_ + rx->rule, {}, 0, 0, false});
      case Rx::Kind::sequence: return group(*rx, Expr::Kind::sequence, depth);
      case Rx::Kind::alternation: return group(*rx, Expr::Kind::any_of, depth);
      case Rx::Kind::repeat: {
        const std::uint32_t body = lower(rx->parts[0], depth + 1);
        return p_.add({Expr::Kind::repeat, 0, {body}, rx->min, rx->max, false});
      }
      default: break;
    }
    fail_with(ErrorKind::limit, cat(what_, ": a part of the grammar is too large"));
  }

  // Neighbours that are regular go into one automaton.
  std::uint32_t group(const Rx& rx, Expr::Kind kind, int depth) {
    std::vector<std::uint32_t> parts;
    const bool sequence = kind == Expr::Kind::sequence;
    for (std::size_t i = 0; i < rx.parts.size();) {
      std::size_t end = i;
      std::vector<RxPtr> run;
      while (end < rx.parts.size() && is_regular(*rx.parts[end])) run.push_back(rx.parts[end++]);
      if (run.size() > 1 && run.size() < rx.parts.size()) {
        const std::uint32_t e = automaton(sequence ? rx_sequence(run) : rx_any_of(run));
        if (e != no_id) {
          parts.push_back(e);
          i = end;
          continue;
        }
      }
      parts.push_back(lower(rx.parts[i++], depth + 1));
    }
    return p_.add({kind, 0, std::move(parts), 0, 0, false});
  }

  std::uint32_t automaton(const RxPtr& rx) {
    // Few failures are borne: each costs the whole budget.
    if (failures_ > 12) return no_id;
    try {
      Terminal t;
      t.dfa = std::make_shared<const Dfa>(compile_rx(expand(rx), false, what_, {60'000, 6'000, 3'000'000}));
      return p_.add({Expr::Kind::text, p_.add_terminal(std::move(t)), {}, 0, 0, false});
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::limit) throw;
      ++failures_;
      return no_id;
    }
  }

  Program& p_;
  Rules rules_;
  std::string_view what_;
  std::vector<bool> regular_, used_;
  std::vector<RxPtr> expanded_;
  std::vector<std::uint32_t> wanted_;
  std::uint32_t base_ = 0;
  int failures_ = 0;
};

}  // namespace

std::uint32_t compile_gbnf(Program& program, std::string_view text, std::string_view what) {
  return Lowering(program, Parser(text, what).parse(), what).run();
}

}  // namespace tashika::grammar
