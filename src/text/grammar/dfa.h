// Deterministic automata over bytes: the regular parts of a grammar.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/code_set.h"

namespace tashika::grammar {

// A pattern as a tree. Sets are of code points and match their UTF-8.
struct Rx;
using RxPtr = std::shared_ptr<const Rx>;
struct Rx {
  enum class Kind { empty, never, set, bytes, sequence, alternation, repeat, begin, end, rule };
  Kind kind = Kind::empty;
  CodeSet set;
  std::string bytes;
  std::vector<RxPtr> parts;
  std::uint32_t min = 0, max = 0;  // repeat
  std::uint32_t rule = 0;          // rule: only in GBNF
};
inline constexpr std::uint32_t rx_unbounded = ~std::uint32_t{0};

RxPtr rx_empty();
RxPtr rx_never();
RxPtr rx_set(CodeSet set);
RxPtr rx_bytes(std::string bytes);
RxPtr rx_sequence(std::vector<RxPtr> parts);
RxPtr rx_any_of(std::vector<RxPtr> parts);
RxPtr rx_repeat(RxPtr part, std::uint32_t min, std::uint32_t max);

// A pattern in ECMAScript's syntax (with flag u; `(?i)` in front is understood). `looks`: what stands in
// leading looks, which hold besides. Error(input) naming `what` and the offset.
struct Pattern {
  struct Look {
    RxPtr body;
    bool negative;
  };
  RxPtr root;
  std::vector<Look> looks;
};
Pattern parse_pattern(std::string_view pattern, std::string_view what);

// State 0 is dead; from every other state an accepting one can be reached.
struct Dfa {
  std::array<std::uint8_t, 256> byte_class{};
  std::uint32_t classes = 1;
  std::uint32_t start = 0;
  std::vector<std::uint32_t> next;  // [states, classes]
  std::vector<std::uint8_t> accept;
  std::vector<std::uint8_t> boundary;  // of JSON strings: between two characters of the body; else empty

  std::uint32_t step(std::uint32_t state, std::uint8_t byte) const { return next[std::size_t{state} * classes + byte_class[byte]]; }
  std::uint32_t states() const { return static_cast<std::uint32_t>(accept.size()); }
  bool empty() const { return start == 0; }
  bool matches(std::string_view text) const;
  bool has_edges(std::uint32_t state) const;
};
using DfaPtr = std::shared_ptr<const Dfa>;

struct DfaLimits {
  std::uint32_t nfa_states = 300'000;
  std::uint32_t states = 30'000;
  std::uint64_t work = 40'000'000;
};

// `search`: any text around the match is allowed where no anchor says otherwise. Error(limit) naming `what`.
Dfa compile_rx(const RxPtr& rx, bool search, std::string_view what, const DfaLimits& limits = {});
Dfa compile_pattern(const Pattern& pattern, bool search, std::string_view what, const DfaLimits& limits = {});

enum class DfaOp { both, first_without_second };
Dfa combine(const Dfa& a, const Dfa& b, DfaOp op, std::string_view what, const DfaLimits& limits = {});
// All valid UTF-8.
const Dfa& any_text();

// Number of texts accepted, counted to `most` at most.
std::uint64_t count_texts(const Dfa& dfa, std::uint64_t most);
// The accepted texts when there are at most `most`.
std::optional<std::vector<std::string>> list_texts(const Dfa& dfa, std::size_t most);

// The JSON strings, quotes included, whose values `dfa` accepts; each character in its one canonical spelling.
Dfa json_string_of(const Dfa& dfa);
// Every JSON string: any escapes, surrogates in pairs only.
const Dfa& any_json_string();
// The canonical spelling of a value: what json_string_of accepts for it.
std::string json_string_literal(std::string_view value);

// How many more characters may follow from each state of a JSON string automaton until the string can end.
struct Lengths {
  struct Interval {
    std::uint32_t first, last;
  };
  static constexpr std::uint32_t infinite = ~std::uint32_t{0};
  std::vector<std::vector<Interval>> of;  // [states], ascending
  std::uint32_t settled = 0;  // from here on nothing changes
  bool all_infinite = false;  // every state with a character to come has no longest string
  bool possible(std::uint32_t state, std::uint32_t least, std::uint32_t most) const {
    for (const Interval& i : of[state]) {
      if (i.last >= least) return i.first <= most;
    }
    return false;
  }
};
// Exact up to `horizon` characters and beyond it where they settle. nullopt: too large.
std::optional<Lengths> string_lengths(const Dfa& dfa, std::uint32_t horizon);

}  // namespace tashika::grammar
