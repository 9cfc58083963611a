#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "text/regex.h"
#include "text/regex_program.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace tashika {
namespace {

using Op = RegexInst::Op;
constexpr std::size_t unset = ~std::size_t{0};

enum EntryKind : std::uint32_t {
  branch,   // go on at pc, position a
  give_up,  // a greedy loop that may still shrink: go on at pc, position b, down to a
  take_on,  // a lazy loop at pc that may still grow: position a, b rounds done
  restore,  // slots[pc] was a
};

class Matcher {
 public:
  Matcher(const RegexProgram& program, std::string_view text, std::size_t from, RegexScratch& scratch)
      : program_(program), text_(text), from_(from), scratch_(scratch) {}

  bool match_at(std::size_t begin, Regex::Match& match) {
    scratch_.stack.clear();
    scratch_.slots.assign(program_.slots, unset);
    scratch_.slots[0] = begin;
    std::size_t end = 0;
    if (!run(0, begin, end)) return false;
    match = {scratch_.slots[0], end};
    return true;
  }

  void step(std::uint64_t n = 1) {
    scratch_.steps += n;
    if (scratch_.steps > scratch_.budget) {
      fail_with(ErrorKind::limit, "a regular expression of the tokenizer takes too many steps on this text: the pattern backtracks "
                                  "without bound; split the text or fix the pattern");
    }
  }

 private:
  void push(std::uint32_t kind, std::uint32_t pc, std::size_t a, std::size_t b = 0) {
    scratch_.stack.push_back({kind, pc, a, b});
  }

  // Undoes what was saved since the stack had `base` entries.
  void unwind(std::size_t base) {
    while (scratch_.stack.size() > base) {
      const auto& e = scratch_.stack.back();
      if (e.kind == restore) scratch_.slots[e.pc] = e.a;
      scratch_.stack.pop_back();
    }
  }
  // Forgets the ways back since `base`, but not what must be undone if an earlier one is taken.
  void commit(std::size_t base) {
    auto& stack = scratch_.stack;
    stack.erase(std::remove_if(stack.begin() + static_cast<std::ptrdiff_t>(base), stack.end(),
                               [](const RegexScratch::Entry& e) { return e.kind != restore; }),
                stack.end());
  }

  bool is_word(std::size_t at) const { return program_.word.contains(utf8::decode(text_, at).code); }
  bool at_word_boundary(std::size_t pos) const {
    const bool before = pos > 0 && is_word(utf8::previous(text_, pos));
    const bool after = pos < text_.size() && is_word(pos);
    return before != after;
  }

  bool holds(RegexNode::Assertion a, std::size_t pos) const {
    using A = RegexNode::Assertion;
    switch (a) {
      case A::line_begin: return pos == 0 || (text_[pos - 1] == '\n' && pos < text_.size());
      case A::line_end: return pos == text_.size() || text_[pos] == '\n';
      case A::text_begin: return pos == 0;
      case A::text_end: return pos == text_.size();
      case A::text_end_or_newline: return pos == text_.size() || (pos + 1 == text_.size() && text_[pos] == '\n');
      case A::word: return at_word_boundary(pos);
      case A::not_word: return !at_word_boundary(pos);
      case A::search_start: return pos == from_;
    }
    return false;
  }

  bool look(const RegexInst& inst, std::uint32_t pc, std::size_t pos) {
    const std::size_t base = scratch_.stack.size();
    std::size_t end = 0;
    bool found = false;
    if (!inst.behind) {
      const std::size_t saved = stop_;
      stop_ = unset;
      found = run(pc + 1, pos, end);
      stop_ = saved;
    } else {
      std::size_t start = pos;
      std::uint32_t back = 0;
      for (; back < inst.min && start > 0; ++back) start = utf8::previous(text_, start);
      if (back == inst.min) {
        const std::size_t saved = stop_;
        stop_ = pos;
        for (;;) {
          if (run(pc + 1, start, end)) {
            found = true;
            break;
          }
          if (back >= inst.max || start == 0) break;
          start = utf8::previous(text_, start);
          ++back;
        }
        stop_ = saved;
      }
    }
    if (found && !inst.negative) {
      commit(base);
      return true;
    }
    unwind(base);
    return found != inst.negative;
  }

  // Runs from pc at pos until `match` or `done`; false when every way failed (the stack is then as
  // it was). Looks and atomic groups recurse: as deep as the pattern nests, which the parser bounds.
  bool run(std::uint32_t pc, std::size_t pos, std::size_t& end) {
    const std::size_t base = scratch_.stack.size();
    const std::size_t size = text_.size();
    for (;;) {
      step();
      const RegexInst& inst = program_.code[pc];
      bool ok = true;
      switch (inst.op) {
        case Op::one: {
          if (pos >= size) {
            ok = false;
            break;
          }
          const utf8::Decoded c = utf8::decode(text_, pos);
          ok = c.code == inst.x;
          pos += c.size;
          ++pc;
          break;
        }
        case Op::set: {
          if (pos >= size) {
            ok = false;
            break;
          }
          const utf8::Decoded c = utf8::decode(text_, pos);
          ok = program_.sets[inst.x].contains(c.code);
          pos += c.size;
          ++pc;
          break;
        }
        case Op::loop: ok = loop(inst, pc, pos); break;
        case Op::split:
          push(branch, inst.y, pos);
          pc = inst.x;
          break;
        case Op::jump: pc = inst.x; break;
        case Op::save:
          push(restore, inst.x, scratch_.slots[inst.x]);
          scratch_.slots[inst.x] = pos;
          ++pc;
          break;
        case Op::progress: pc = scratch_.slots[inst.x] == pos ? inst.y : pc + 1; break;
        case Op::back_reference: {
          const std::size_t b = scratch_.slots[inst.x], e = scratch_.slots[inst.x + 1];
          ok = b != unset && e != unset && b <= e && text_.substr(pos, e - b) == text_.substr(b, e - b);
          if (ok) {
            step(e - b);
            pos += e - b;
          }
          ++pc;
          break;
        }
        case Op::assertion:
          ok = holds(inst.assertion, pos);
          ++pc;
          break;
        case Op::look:
          ok = look(inst, pc, pos);
          pc = inst.y;
          break;
        case Op::atomic: {
          const std::size_t inner = scratch_.stack.size();
          const std::size_t saved = stop_;
          stop_ = unset;
          ok = run(pc + 1, pos, pos);
          stop_ = saved;
          if (ok) commit(inner);
          pc = inst.y;
          break;
        }
        case Op::grapheme:
          ok = pos < size;
          if (ok) {
            const std::size_t next = unicode::grapheme_end(text_, pos);
            step(next - pos);
            pos = next;
          }
          ++pc;
          break;
        case Op::done:
          // The body of a look-behind must end where it looks back from.
          if (stop_ != unset && pos != stop_) {
            ok = false;
            break;
          }
          end = pos;
          return true;
        case Op::match: end = pos; return true;
      }
      if (!ok && !back_up(base, pc, pos)) return false;
    }
  }

  // A class repeated: as far as it goes (or as little as it may), with one entry to come back by.
  bool loop(const RegexInst& inst, std::uint32_t& pc, std::size_t& pos) {
    const CodeSet& set = program_.sets[inst.x];
    const std::size_t size = text_.size();
    const std::uint32_t most = inst.mode == RepeatMode::lazy ? inst.min : inst.max;
    std::uint32_t n = 0;
    std::size_t least = inst.min == 0 ? pos : unset;
    const std::size_t start = pos;
    while (n < most && pos < size) {
      const utf8::Decoded c = utf8::decode(text_, pos);
      if (!set.contains(c.code)) break;
      pos += c.size;
      if (n != regex_unbounded - 1) ++n;
      if (n == inst.min) least = pos;
    }
    step(pos - start);
    if (n < inst.min) return false;
    if (inst.mode == RepeatMode::greedy && pos > least) push(give_up, pc + 1, least, pos);
    if (inst.mode == RepeatMode::lazy && n < inst.max) push(take_on, pc, pos, n);
    ++pc;
    return true;
  }

  bool back_up(std::size_t base, std::uint32_t& pc, std::size_t& pos) {
    auto& stack = scratch_.stack;
    while (stack.size() > base) {
      step();
      auto& e = stack.back();
      switch (e.kind) {
        case branch:
          pc = e.pc;
          pos = e.a;
          stack.pop_back();
          return true;
        case give_up:
          pc = e.pc;
          pos = e.b = utf8::previous(text_, e.b);
          if (e.b <= e.a) stack.pop_back();
          return true;
        case take_on: {
          const RegexInst& inst = program_.code[e.pc];
          if (e.a >= text_.size()) {
            stack.pop_back();
            continue;
          }
          const utf8::Decoded c = utf8::decode(text_, e.a);
          if (!program_.sets[inst.x].contains(c.code)) {
            stack.pop_back();
            continue;
          }
          pc = e.pc + 1;
          pos = e.a += c.size;
          if (++e.b >= inst.max && inst.max != regex_unbounded) stack.pop_back();
          return true;
        }
        default:
          scratch_.slots[e.pc] = e.a;
          stack.pop_back();
          break;
      }
    }
    return false;
  }

  const RegexProgram& program_;
  std::string_view text_;
  std::size_t from_;
  RegexScratch& scratch_;
  std::size_t stop_ = unset;  // where the look-behind being tried must end
};

}  // namespace

Regex::Regex(std::string_view pattern, std::string_view what)
    : pattern_(pattern), program_(std::make_shared<const RegexProgram>(compile_regex(parse_regex(pattern, what), what))) {}

std::size_t Regex::after(std::string_view text, std::size_t at) {
  return at < text.size() ? at + utf8::length(text[at]) : at + 1;
}

bool Regex::search(std::string_view text, std::size_t from, Match& match, RegexScratch& scratch) const {
  if (!program_->literal.empty()) {
    const std::size_t at = text.find(program_->literal, from);
    if (at == std::string_view::npos) return false;
    match = {at, at + program_->literal.size()};
    return true;
  }
  Matcher matcher(*program_, text, from, scratch);
  for (std::size_t begin = from; begin <= text.size(); begin = after(text, begin)) {
    if (matcher.match_at(begin, match)) return true;
  }
  return false;
}

}  // namespace tashika
