// From trees to automata: Thompson's construction over UTF-8 bytes, then subsets (Rabin & Scott 1959). Both within
// budgets: what grows exponentially ends in an Error.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/utf8.h"
#include "text/grammar/dfa.h"

namespace tashika::grammar {
namespace {

struct Range {
  std::uint8_t low, high;
  std::uint32_t to;
};

class Nfa {
 public:
  enum class Kind : std::uint8_t { ranges, split, begin, end, match };
  struct State {
    Kind kind = Kind::split;
    std::uint32_t a = none, b = none;  // split: both ways; begin, end: a; ranges: first and count
  };
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  Nfa(std::string_view what, const DfaLimits& limits) : what_(what), limits_(limits) {}

  std::uint32_t add(State s) {
    if (states.size() >= limits_.nfa_states) fail_with(ErrorKind::limit, cat(what_, ": the pattern is too large"));
    states.push_back(s);
    return static_cast<std::uint32_t>(states.size() - 1);
  }
  std::uint32_t add_ranges(const std::vector<Range>& list) {
    const auto first = static_cast<std::uint32_t>(ranges.size());
    if (ranges.size() + list.size() > std::size_t{limits_.nfa_states} * 4) fail_with(ErrorKind::limit, cat(what_, ": the pattern is too large"));
    ranges.insert(ranges.end(), list.begin(), list.end());
    return add({Kind::ranges, first, static_cast<std::uint32_t>(list.size())});
  }

  // The state that begins `rx` and goes on at `next`; none when it matches nothing.
  std::uint32_t build(const Rx& rx, std::uint32_t next, int depth = 0) {
    if (depth > 400) fail_with(ErrorKind::limit, cat(what_, ": the pattern is nested too deep"));
    switch (rx.kind) {
      case Rx::Kind::empty: return next;
      case Rx::Kind::never: return none;
      case Rx::Kind::set: return set(rx.set, next);
      case Rx::Kind::bytes:
        for (std::size_t i = rx.bytes.size(); i-- > 0;) {
          const auto byte = static_cast<std::uint8_t>(rx.bytes[i]);
          next = add_ranges({{byte, byte, next}});
        }
        return next;
      case Rx::Kind::sequence:
        for (std::size_t i = rx.parts.size(); i-- > 0 && next != none;) next = build(*rx.parts[i], next, depth + 1);
        return next;
      case Rx::Kind::alternation: {
        std::uint32_t out = none;
        for (std::size_t i = rx.parts.size(); i-- > 0;) {
          const std::uint32_t way = build(*rx.parts[i], next, depth + 1);
          if (way == none) continue;
          out = out == none ? way : add({Kind::split, way, out});
        }
        return out;
      }
      case Rx::Kind::repeat: return repeat(rx, next, depth);
      case Rx::Kind::begin: return add({Kind::begin, next, none});
      case Rx::Kind::end: return add({Kind::end, next, none});
      case Rx::Kind::rule: break;
    }
    fail_with(ErrorKind::internal, "a rule inside a regular part");
  }

  std::uint32_t any_character_loop(std::uint32_t next) {
    const std::uint32_t loop = add({Kind::split, none, next});
    const std::uint32_t body = set(CodeSet({{0, 0x10FFFF}}), loop);
    states[loop].a = body;
    return loop;
  }

  std::vector<State> states;
  std::vector<Range> ranges;

 private:
  std::uint32_t repeat(const Rx& rx, std::uint32_t next, int depth) {
    const Rx& body = *rx.parts[0];
    std::uint32_t at = next;
    if (rx.max == rx_unbounded) {
      const std::uint32_t loop = add({Kind::split, none, next});
      const std::uint32_t way = build(body, loop, depth + 1);
      states[loop].a = way;
      at = loop;
    } else {
      for (std::uint32_t i = rx.min; i < rx.max; ++i) {
        const std::uint32_t way = build(body, at, depth + 1);
        if (way == none || way == at) break;
        at = add({Kind::split, way, next});
      }
    }
    for (std::uint32_t i = 0; i < rx.min && at != none; ++i) {
      const std::uint32_t before = at;
      at = build(body, at, depth + 1);
      if (at == before) break;  // an empty body
    }
    return at;
  }

  // UTF-8 of the set's ranges; equal ends of encodings are shared.
  std::uint32_t set(const CodeSet& codes, std::uint32_t next) {
    std::map<std::tuple<std::uint8_t, std::uint8_t, std::uint32_t>, std::uint32_t> shared;
    std::vector<Range> lead;
    const auto sequence = [&](const std::uint8_t* low, const std::uint8_t* high, int size) {
      std::uint32_t to = next;
      for (int i = size; --i > 0;) {
        std::uint32_t& state = shared.try_emplace({low[i], high[i], to}, none).first->second;
        if (state == none) state = add_ranges({{low[i], high[i], to}});
        to = state;
      }
      if (size == 1 && !lead.empty() && lead.back().to == to && lead.back().high + 1 == low[0]) {
        lead.back().high = high[0];
      } else {
        lead.push_back({low[0], high[0], to});
      }
    };
    for (const CodeRange& r : codes.ranges()) split(r.first, std::min<char32_t>(r.last, 0x10FFFF), sequence);
    return lead.empty() ? none : add_ranges(lead);
  }

  // Cuts a range of code points where lengths change and where a lower byte is not its whole span.
  template <typename F>
  static void split(char32_t first, char32_t last, F& emit) {
    if (first > last) return;
    if (first < 0xD800 && last >= 0xD800) {
      split(first, 0xD7FF, emit);
      split(0xE000, last, emit);
      return;
    }
    if (first >= 0xD800 && first < 0xE000) return split(0xE000, last, emit);
    for (const char32_t limit : {char32_t{0x7F}, char32_t{0x7FF}, char32_t{0xFFFF}}) {
      if (first <= limit && last > limit) {
        split(first, limit, emit);
        split(limit + 1, last, emit);
        return;
      }
    }
    for (int i = 1; i < 4; ++i) {
      const char32_t mask = (char32_t{1} << (6 * i)) - 1;
      if (last <= 0x7F || (first & ~mask) == (last & ~mask)) continue;
      if ((first & mask) != 0) {
        split(first, first | mask, emit);
        split((first | mask) + 1, last, emit);
        return;
      }
      if ((last & mask) != mask) {
        split(first, (last & ~mask) - 1, emit);
        split(last & ~mask, last, emit);
        return;
      }
    }
    std::string low, high;
    append_utf8(low, first);
    append_utf8(high, last);
    emit(reinterpret_cast<const std::uint8_t*>(low.data()), reinterpret_cast<const std::uint8_t*>(high.data()), static_cast<int>(low.size()));
  }

  std::string_view what_;
  const DfaLimits& limits_;
};

struct VectorHash {
  std::size_t operator()(const std::vector<std::uint32_t>& v) const {
    std::uint64_t h = v.size();
    for (const std::uint32_t x : v) h = (h ^ x) * 0x9E3779B97F4A7C15ULL, h ^= h >> 29;
    return static_cast<std::size_t>(h);
  }
};

class Subsets {
 public:
  Subsets(const Nfa& nfa, std::string_view what, const DfaLimits& limits) : nfa_(nfa), what_(what), limits_(limits), mark_(nfa.states.size(), 0) {}

  Dfa run(std::uint32_t start) {
    Dfa dfa;
    classes(dfa);
    dfa.accept.push_back(0);
    dfa.next.assign(dfa.classes, 0);
    sets_.emplace_back();
    if (start != Nfa::none) {
      std::vector<std::uint32_t> first{start};
      close(first, true, false);
      dfa.start = state(dfa, std::move(first), true);
    }
    std::vector<std::vector<std::uint32_t>> buckets(dfa.classes);
    for (std::size_t s = 1; s < sets_.size(); ++s) {
      for (const std::uint32_t n : sets_[s]) {
        const Nfa::State& state = nfa_.states[n];
        if (state.kind != Nfa::Kind::ranges) continue;
        for (std::uint32_t r = state.a; r < state.a + state.b; ++r) {
          const Range& range = nfa_.ranges[r];
          const unsigned low = dfa.byte_class[range.low], high = dfa.byte_class[range.high];
          spend(high - low + 1);
          for (unsigned c = low; c <= high; ++c) buckets[c].push_back(range.to);
        }
      }
      for (std::uint32_t c = 0; c < dfa.classes; ++c) {
        if (buckets[c].empty()) continue;
        std::vector<std::uint32_t> set = std::move(buckets[c]);
        buckets[c].clear();
        close(set, false, false);
        const std::uint32_t to = state(dfa, std::move(set), false);
        dfa.next[s * dfa.classes + c] = to;
      }
    }
    return dfa;
  }

 private:
  void spend(std::uint64_t n) {
    work_ += n;
    if (work_ > limits_.work) fail_with(ErrorKind::limit, cat(what_, ": the pattern takes too much work"));
  }

  void classes(Dfa& dfa) const {
    std::array<bool, 257> cut{};
    for (const Range& r : nfa_.ranges) cut[r.low] = true, cut[std::size_t{r.high} + 1] = true;
    std::uint32_t n = 0;
    for (std::size_t b = 0; b < 256; ++b) {
      if (b > 0 && cut[b]) ++n;
      dfa.byte_class[b] = static_cast<std::uint8_t>(n);
    }
    dfa.classes = n + 1;
  }

  // Adds what is reached without a byte; keeps only states that matter.
  void close(std::vector<std::uint32_t>& set, bool at_start, bool at_end) {
    ++epoch_;
    stack_.assign(set.begin(), set.end());
    set.clear();
    const auto visit = [&](std::uint32_t n) {
      if (n != Nfa::none && mark_[n] != epoch_) stack_.push_back(n);
    };
    while (!stack_.empty()) {
      const std::uint32_t n = stack_.back();
      stack_.pop_back();
      if (mark_[n] == epoch_) continue;
      mark_[n] = epoch_;
      spend(1);
      const Nfa::State& s = nfa_.states[n];
      switch (s.kind) {
        case Nfa::Kind::split: visit(s.a), visit(s.b); break;
        case Nfa::Kind::begin:
          if (at_start) visit(s.a);
          break;
        case Nfa::Kind::end:
          set.push_back(n);
          if (at_end) visit(s.a);
          break;
        default: set.push_back(n);
      }
    }
    std::ranges::sort(set);
  }

  std::uint32_t state(Dfa& dfa, std::vector<std::uint32_t> set, bool at_start) {
    if (set.empty()) return 0;
    // The first state knows that it is at the start, by a mark no state has.
    if (at_start) set.push_back(Nfa::none);
    const auto [place, fresh] = index_.try_emplace(set, static_cast<std::uint32_t>(sets_.size()));
    if (!fresh) return place->second;
    if (sets_.size() >= limits_.states) fail_with(ErrorKind::limit, cat(what_, ": the pattern needs too many states"));
    if (at_start) set.pop_back();
    sets_.push_back(set);
    close(set, at_start, true);
    bool accept = false;
    for (const std::uint32_t n : set) accept |= nfa_.states[n].kind == Nfa::Kind::match;
    dfa.accept.push_back(accept);
    dfa.next.resize(dfa.next.size() + dfa.classes, 0);
    return place->second;
  }

  const Nfa& nfa_;
  std::string_view what_;
  const DfaLimits& limits_;
  std::vector<std::uint32_t> mark_, stack_;
  std::uint32_t epoch_ = 0;
  std::uint64_t work_ = 0;
  std::vector<std::vector<std::uint32_t>> sets_;
  std::unordered_map<std::vector<std::uint32_t>, std::uint32_t, VectorHash> index_;
};

// Drops states that reach no accepting one, and joins classes that are alike.
Dfa trimmed(const Dfa& dfa) {
  const std::uint32_t n = dfa.states();
  std::vector<std::vector<std::uint32_t>> back(n);
  for (std::uint32_t s = 1; s < n; ++s) {
    std::uint32_t last = 0;
    for (std::uint32_t c = 0; c < dfa.classes; ++c) {
      const std::uint32_t to = dfa.next[std::size_t{s} * dfa.classes + c];
      if (to != 0 && to != last) back[to].push_back(s);
      last = to;
    }
  }
  std::vector<std::uint32_t> stack;
  std::vector<bool> live(n, false);
  for (std::uint32_t s = 1; s < n; ++s) {
    if (dfa.accept[s] && !live[s]) live[s] = true, stack.push_back(s);
  }
  while (!stack.empty()) {
    const std::uint32_t s = stack.back();
    stack.pop_back();
    for (const std::uint32_t p : back[s]) {
      if (!live[p]) live[p] = true, stack.push_back(p);
    }
  }
  // Numbered as they are reached, so that equal languages built alike look alike.
  std::vector<std::uint32_t> number(n, 0), order{0};
  if (dfa.start != 0 && live[dfa.start]) {
    number[dfa.start] = 1;
    order.push_back(dfa.start);
    for (std::size_t i = 1; i < order.size(); ++i) {
      for (std::uint32_t c = 0; c < dfa.classes; ++c) {
        const std::uint32_t to = dfa.next[std::size_t{order[i]} * dfa.classes + c];
        if (to == 0 || !live[to] || number[to] != 0) continue;
        number[to] = static_cast<std::uint32_t>(order.size());
        order.push_back(to);
      }
    }
  }
  Dfa out;
  std::map<std::vector<std::uint32_t>, std::uint32_t> columns;
  std::vector<std::uint32_t> column_of(dfa.classes);
  std::vector<std::uint32_t> representative;
  for (std::uint32_t c = 0; c < dfa.classes; ++c) {
    std::vector<std::uint32_t> column;
    for (const std::uint32_t s : order) column.push_back(number[dfa.next[std::size_t{s} * dfa.classes + c]]);
    const auto [place, fresh] = columns.try_emplace(std::move(column), static_cast<std::uint32_t>(representative.size()));
    if (fresh) representative.push_back(c);
    column_of[c] = place->second;
  }
  out.classes = static_cast<std::uint32_t>(representative.size());
  for (std::size_t b = 0; b < 256; ++b) out.byte_class[b] = static_cast<std::uint8_t>(column_of[dfa.byte_class[b]]);
  out.start = order.size() > 1 ? 1 : 0;
  for (const std::uint32_t s : order) {
    out.accept.push_back(s != 0 && dfa.accept[s]);
    if (!dfa.boundary.empty()) out.boundary.push_back(dfa.boundary[s]);
    for (const std::uint32_t c : representative) out.next.push_back(number[dfa.next[std::size_t{s} * dfa.classes + c]]);
  }
  return out;
}

}  // namespace

bool Dfa::matches(std::string_view text) const {
  std::uint32_t s = start;
  for (const char c : text) {
    s = step(s, static_cast<std::uint8_t>(c));
    if (s == 0) return false;
  }
  return accept[s] != 0;
}

bool Dfa::has_edges(std::uint32_t state) const {
  for (std::uint32_t c = 0; c < classes; ++c) {
    if (next[std::size_t{state} * classes + c] != 0) return true;
  }
  return false;
}

Dfa compile_rx(const RxPtr& rx, bool search, std::string_view what, const DfaLimits& limits) {
  Nfa nfa(what, limits);
  std::uint32_t at = nfa.add({Nfa::Kind::match, Nfa::none, Nfa::none});
  if (search) at = nfa.any_character_loop(at);
  at = nfa.build(*rx, at);
  if (search && at != Nfa::none) at = nfa.any_character_loop(at);
  return trimmed(Subsets(nfa, what, limits).run(at));
}

Dfa compile_pattern(const Pattern& pattern, bool search, std::string_view what, const DfaLimits& limits) {
  Dfa out = compile_rx(pattern.root, search, what, limits);
  // A look behind '^' is about what the text begins with.
  const RxPtr rest = rx_repeat(rx_set(CodeSet({{0, 0x10FFFF}})), 0, rx_unbounded);
  for (const Pattern::Look& look : pattern.looks) {
    const Dfa begins = compile_rx(rx_sequence({look.body, rest}), false, what, limits);
    out = combine(out, begins, look.negative ? DfaOp::first_without_second : DfaOp::both, what, limits);
  }
  return out;
}

Dfa combine(const Dfa& a, const Dfa& b, DfaOp op, std::string_view what, const DfaLimits& limits) {
  Dfa out;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> classes;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
  for (std::size_t i = 0; i < 256; ++i) {
    const std::pair<std::uint32_t, std::uint32_t> key{a.byte_class[i], b.byte_class[i]};
    const auto [place, fresh] = classes.try_emplace(key, static_cast<std::uint32_t>(pairs.size()));
    if (fresh) pairs.push_back(key);
    out.byte_class[i] = static_cast<std::uint8_t>(place->second);
  }
  out.classes = static_cast<std::uint32_t>(pairs.size());
  std::unordered_map<std::uint64_t, std::uint32_t> index;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> order{{0, 0}};
  out.accept.push_back(0);
  out.next.assign(out.classes, 0);
  const auto state = [&](std::uint32_t x, std::uint32_t y) -> std::uint32_t {
    if (x == 0 || (y == 0 && op == DfaOp::both)) return 0;
    const auto [place, fresh] = index.try_emplace((std::uint64_t{x} << 32) | y, static_cast<std::uint32_t>(order.size()));
    if (fresh) {
      if (order.size() >= limits.states) fail_with(ErrorKind::limit, cat(what, ": the patterns together need too many states"));
      order.push_back({x, y});
      out.accept.push_back(a.accept[x] && (b.accept[y] != 0) == (op == DfaOp::both));
      out.next.resize(out.next.size() + out.classes, 0);
    }
    return place->second;
  };
  out.start = state(a.start, b.start);
  for (std::size_t i = 1; i < order.size(); ++i) {
    const auto [x, y] = order[i];
    for (std::uint32_t c = 0; c < out.classes; ++c) {
      const std::uint32_t to = state(a.next[std::size_t{x} * a.classes + pairs[c].first], b.next[std::size_t{y} * b.classes + pairs[c].second]);
      out.next[i * out.classes + c] = to;
    }
  }
  return trimmed(out);
}

const Dfa& any_text() {
  static const Dfa dfa = compile_rx(rx_repeat(rx_set(CodeSet({{0, 0x10FFFF}})), 0, rx_unbounded), false, "any text");
  return dfa;
}

}  // namespace tashika::grammar
