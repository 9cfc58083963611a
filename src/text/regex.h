// Regular expressions as tokenizer files write them: Oniguruma's syntax (its Ruby-like dialect) over
// UTF-8, with the character tables of the reference.
//
// A backtracking matcher with its stack on the heap. A repeated character class costs one stack
// entry, however long the run, and every step is counted against a budget that grows with the text,
// so a hostile pattern or text ends in an Error and never in a hang or an overflow. An own engine
// and not a library because the reference's classes follow a newer Unicode than the libraries of
// the distributions, and because work can be counted in tests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/code_set.h"

namespace tashika {

struct RegexProgram;

// The matcher's memory, reused from one match to the next, and the work done so far.
struct RegexScratch {
  struct Entry {
    std::uint32_t kind, pc;
    std::size_t a, b;
  };
  std::vector<Entry> stack;
  std::vector<std::size_t> slots;
  std::uint64_t steps = 0;
  // Patterns of real tokenizers take a few steps a byte; an encoding sets this by its text's size.
  std::uint64_t budget = 10'000'000;
};

class Regex {
 public:
  // Throws Error naming `what`, the place and the reason when the pattern is wrong or uses what is
  // not supported (conditionals, subexpression calls, absent operators, unbounded look-behind).
  Regex(std::string_view pattern, std::string_view what);

  struct Match {
    std::size_t begin, end;
  };
  // The leftmost match that starts at `from` or later; looks behind see the text before `from`.
  // Throws Error(limit) when the steps in `scratch` pass the budget for such a text.
  bool search(std::string_view valid_utf8, std::size_t from, Match& match, RegexScratch& scratch) const;

  // All matches in order, as the reference iterates: an empty match right after a match is skipped.
  template <typename F>
  void for_each(std::string_view text, RegexScratch& scratch, F&& on_match) const {
    std::size_t from = 0, last_end = std::string_view::npos;
    Match m{};
    while (from <= text.size() && search(text, from, m, scratch)) {
      if (m.begin == m.end && m.end == last_end) {
        from = after(text, from);
        continue;
      }
      from = last_end = m.end;
      on_match(m);
    }
  }

  const std::string& pattern() const { return pattern_; }

 private:
  static std::size_t after(std::string_view text, std::size_t at);
  std::string pattern_;
  std::shared_ptr<const RegexProgram> program_;
};

// The pattern that matches `literal` itself.
std::string regex_escape(std::string_view literal);

}  // namespace tashika
