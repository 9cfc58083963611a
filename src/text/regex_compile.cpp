#include <algorithm>

#include "base/error.h"
#include "text/regex_program.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace tashika {
namespace {

using Kind = RegexNode::Kind;
using Op = RegexInst::Op;
constexpr std::size_t max_code = 60000;
constexpr std::uint32_t max_look_behind = 1000;

// How many code points a node may match.
struct Width {
  std::uint32_t min, max;  // max may be regex_unbounded
};

std::uint32_t add(std::uint32_t a, std::uint32_t b) {
  return a == regex_unbounded || b == regex_unbounded ? regex_unbounded : std::min(a + b, 1u << 30);
}
std::uint32_t times(std::uint32_t a, std::uint32_t n) {
  if (a == 0 || n == 0) return 0;
  if (a == regex_unbounded || n == regex_unbounded) return regex_unbounded;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t(a) * n, 1u << 30));
}

Width width(const RegexNode& n) {
  switch (n.kind) {
    case Kind::set: return {1, 1};
    case Kind::sequence: {
      Width w{0, 0};
      for (const auto& c : n.children) {
        const Width k = width(*c);
        w = {add(w.min, k.min), add(w.max, k.max)};
      }
      return w;
    }
    case Kind::alternation: {
      Width w = width(*n.children[0]);
      for (const auto& c : n.children) {
        const Width k = width(*c);
        w = {std::min(w.min, k.min), std::max(w.max, k.max)};
      }
      return w;
    }
    case Kind::repeat: {
      const Width k = width(*n.children[0]);
      return {times(k.min, n.min), times(k.max, n.max)};
    }
    case Kind::group:
    case Kind::atomic: return width(*n.children[0]);
    case Kind::back_reference:
    case Kind::grapheme: return {0, regex_unbounded};
    default: return {0, 0};
  }
}

class Compiler {
 public:
  Compiler(const ParsedRegex& parsed, std::string_view what) : what_(what) {
    program_.slots = 2 + 2 * parsed.groups;
    program_.word = *unicode::property("word");
    node(*parsed.root);
    put(Op::match);
    program_.literal = literal_text(*parsed.root);
  }
  RegexProgram take() { return std::move(program_); }

 private:
  std::uint32_t here() const { return static_cast<std::uint32_t>(program_.code.size()); }
  std::uint32_t put(Op op, std::uint32_t x = 0, std::uint32_t y = 0) {
    if (program_.code.size() >= max_code) fail(what_, ": the pattern is too large");
    RegexInst inst{op};
    inst.x = x;
    inst.y = y;
    program_.code.push_back(inst);
    return here() - 1;
  }
  RegexInst& at(std::uint32_t pc) { return program_.code[pc]; }

  std::uint32_t set_index(const CodeSet& set) {
    for (std::uint32_t i = 0; i < program_.sets.size(); ++i) {
      if (program_.sets[i].ranges() == set.ranges()) return i;
    }
    program_.sets.push_back(set);
    return static_cast<std::uint32_t>(program_.sets.size()) - 1;
  }

  static std::string literal_text(const RegexNode& n) {
    std::string out;
    if (n.kind == Kind::set) {
      if (n.set.ranges().size() == 1 && n.set.ranges()[0].first == n.set.ranges()[0].last) {
        utf8::append(out, n.set.ranges()[0].first);
      }
      return out;
    }
    if (n.kind != Kind::sequence) return out;
    for (const auto& c : n.children) {
      const std::string part = c->kind == Kind::set ? literal_text(*c) : std::string{};
      if (part.empty()) return {};
      out += part;
    }
    return out;
  }

  void node(const RegexNode& n) {
    switch (n.kind) {
      case Kind::empty: break;
      case Kind::set: {
        const auto& r = n.set.ranges();
        if (r.size() == 1 && r[0].first == r[0].last) {
          put(Op::one, r[0].first);
        } else {
          put(Op::set, set_index(n.set));
        }
        break;
      }
      case Kind::sequence:
        for (const auto& c : n.children) node(*c);
        break;
      case Kind::alternation: {
        std::vector<std::uint32_t> ends;
        for (std::size_t i = 0; i < n.children.size(); ++i) {
          if (i + 1 == n.children.size()) {
            node(*n.children[i]);
            break;
          }
          const std::uint32_t split = put(Op::split);
          at(split).x = here();
          node(*n.children[i]);
          ends.push_back(put(Op::jump));
          at(split).y = here();
        }
        for (const std::uint32_t e : ends) at(e).x = here();
        break;
      }
      case Kind::repeat: repeat(n); break;
      case Kind::group:
        if (n.group == 0) {
          node(*n.children[0]);
        } else {
          put(Op::save, 2 * n.group);
          node(*n.children[0]);
          put(Op::save, 2 * n.group + 1);
        }
        break;
      case Kind::atomic: body(Op::atomic, *n.children[0]); break;
      case Kind::look_ahead: {
        const std::uint32_t pc = body(Op::look, *n.children[0]);
        at(pc).negative = n.negative;
        break;
      }
      case Kind::look_behind: {
        const Width w = width(*n.children[0]);
        if (w.max > max_look_behind) fail(what_, ": a look-behind of more than ", max_look_behind, " characters is not supported");
        const std::uint32_t pc = body(Op::look, *n.children[0]);
        at(pc).negative = n.negative;
        at(pc).behind = true;
        at(pc).min = w.min;
        at(pc).max = w.max;
        break;
      }
      case Kind::assertion: {
        const std::uint32_t pc = put(Op::assertion);
        at(pc).assertion = n.assertion;
        break;
      }
      case Kind::back_reference: put(Op::back_reference, 2 * n.group); break;
      case Kind::keep: put(Op::save, 0); break;
      case Kind::grapheme: put(Op::grapheme); break;
    }
  }

  std::uint32_t body(Op op, const RegexNode& inner) {
    const std::uint32_t pc = put(op);
    node(inner);
    put(Op::done);
    at(pc).y = here();
    return pc;
  }

  void repeat(const RegexNode& n) {
    const RegexNode& item = *n.children[0];
    if (item.kind == Kind::set) {
      const std::uint32_t pc = put(Op::loop, set_index(item.set));
      at(pc).min = n.min;
      at(pc).max = n.max;
      at(pc).mode = n.mode;
      return;
    }
    if (n.mode == RepeatMode::possessive) {
      const std::uint32_t pc = put(Op::atomic);
      loop(item, n.min, n.max, RepeatMode::greedy);
      put(Op::done);
      at(pc).y = here();
      return;
    }
    loop(item, n.min, n.max, n.mode);
  }

  void fork(std::uint32_t pc, RepeatMode mode, std::uint32_t in, std::uint32_t out) {
    at(pc).x = mode == RepeatMode::lazy ? out : in;
    at(pc).y = mode == RepeatMode::lazy ? in : out;
  }

  void loop(const RegexNode& item, std::uint32_t min, std::uint32_t max, RepeatMode mode) {
    for (std::uint32_t i = 0; i < min; ++i) node(item);
    if (max == regex_unbounded) {
      const bool nullable = width(item).min == 0;
      const std::uint32_t slot = nullable ? program_.slots++ : 0;
      const std::uint32_t split = put(Op::split);
      const std::uint32_t in = here();
      if (nullable) put(Op::save, slot);
      node(item);
      std::uint32_t check = 0;
      if (nullable) check = put(Op::progress, slot);
      put(Op::jump, split);
      if (nullable) at(check).y = here();  // an empty round ends the loop
      fork(split, mode, in, here());
      return;
    }
    std::vector<std::uint32_t> splits;
    for (std::uint32_t i = min; i < max; ++i) {
      splits.push_back(put(Op::split));
      at(splits.back()).x = here();
      node(item);
    }
    for (const std::uint32_t s : splits) fork(s, mode, s + 1, here());
  }

  std::string_view what_;
  RegexProgram program_;
};

}  // namespace

RegexProgram compile_regex(const ParsedRegex& parsed, std::string_view what) { return Compiler(parsed, what).take(); }

}  // namespace tashika
