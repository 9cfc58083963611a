// What a pattern becomes: a tree, then instructions. Internal to regex_*.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/code_set.h"

namespace tashika {

enum class RepeatMode : std::uint8_t { greedy, lazy, possessive };
inline constexpr std::uint32_t regex_unbounded = ~std::uint32_t{0};

struct RegexNode {
  enum class Kind {
    empty, set, sequence, alternation, repeat, group, atomic, look_ahead, look_behind, assertion, back_reference, keep, grapheme
  };
  enum class Assertion : std::uint8_t { line_begin, line_end, text_begin, text_end, text_end_or_newline, word, not_word, search_start };

  Kind kind = Kind::empty;
  std::vector<std::unique_ptr<RegexNode>> children;
  CodeSet set;                         // set
  std::uint32_t min = 0, max = 0;      // repeat
  RepeatMode mode = RepeatMode::greedy;
  bool negative = false;               // looks
  Assertion assertion = Assertion::line_begin;
  std::uint32_t group = 0;             // group (0: not captured), back_reference
};
using RegexNodePtr = std::unique_ptr<RegexNode>;

struct ParsedRegex {
  RegexNodePtr root;
  std::uint32_t groups = 0;
};
ParsedRegex parse_regex(std::string_view pattern, std::string_view what);

struct RegexInst {
  enum class Op : std::uint8_t {
    one,           // a single code point x
    set,           // a code point of sets[x]
    loop,          // sets[x], min to max times
    split,         // try x, then y
    jump,          // to x
    save,          // slots[x] = position
    progress,      // fail over to y unless the position moved since slots[x] was saved
    back_reference,
    assertion,
    look,          // body at pc + 1, ending in `done`; go on at y
    atomic,
    grapheme,
    done,          // end of a body
    match,
  };
  Op op;
  RepeatMode mode = RepeatMode::greedy;
  RegexNode::Assertion assertion = RegexNode::Assertion::line_begin;
  bool negative = false, behind = false;
  std::uint32_t x = 0, y = 0, min = 0, max = 0;
};

struct RegexProgram {
  std::vector<RegexInst> code;
  std::vector<CodeSet> sets;
  std::uint32_t slots = 2;  // begin and end of the match, then groups, then loop positions
  CodeSet word;
  std::string literal;      // not empty: the whole pattern is this text
};

RegexProgram compile_regex(const ParsedRegex& parsed, std::string_view what);

}  // namespace tashika
