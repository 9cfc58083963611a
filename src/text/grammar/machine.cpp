// Reading bytes: expressions, automata, literals, numbers. Objects and arrays are in machine_json.cpp.
#include <algorithm>

#include "base/error.h"
#include "text/grammar/program.h"

namespace tashika::grammar {
namespace {

constexpr std::uint32_t max_work = 200'000;  // closures of one byte
constexpr std::uint32_t max_threads = 2'000;
constexpr std::uint32_t max_nesting = 600;

std::uint64_t mix(std::uint64_t h, std::uint64_t x) {
  h = (h ^ x) * 0x9E3779B97F4A7C15ULL;
  return h ^ (h >> 31);
}

bool same_seen(const Seen* a, const Seen* b) {
  for (; a != b; a = a->next.get(), b = b->next.get()) {
    if (a == nullptr || b == nullptr || a->text != b->text) return false;
  }
  return true;
}

bool same_stack(const Frame* a, const Frame* b) {
  for (; a != b; a = a->next.get(), b = b->next.get()) {
    if (a == nullptr || b == nullptr || a->hash != b->hash || a->kind != b->kind || a->id != b->id || a->at != b->at || a->start != b->start ||
        a->seen != b->seen || !same_seen(a->others.get(), b->others.get())) {
      return false;
    }
  }
  return true;
}

}  // namespace

FramePtr seal(Frame f) {
  std::uint64_t h = mix(static_cast<std::uint64_t>(f.kind), f.id);
  h = mix(mix(h, f.at), f.start);
  for (const std::uint64_t w : f.seen) h = mix(h, w);
  h = mix(h, f.others ? std::hash<std::string>{}(f.others->text) : 0);
  f.hash = mix(h, f.next ? f.next->hash : 0);
  return std::make_shared<const Frame>(std::move(f));
}

bool same(const Thread& a, const Thread& b) {
  return a.kind == b.kind && a.id == b.id && a.a == b.a && a.b == b.b && a.c == b.c && a.start == b.start && same_stack(a.stack.get(), b.stack.get());
}

void Machine::spend() {
  if (++work_ > max_work) fail_with(ErrorKind::limit, "the grammar is too ambiguous: one text has too many readings");
}

void Machine::dedupe(std::vector<Thread>& list) {
  if (list.size() < 2) return;
  if (list.size() > max_threads * 4) fail_with(ErrorKind::limit, "the grammar is too ambiguous: one text has too many readings");
  if (list.size() <= 8) {
    std::size_t kept = 1;
    for (std::size_t i = 1; i < list.size(); ++i) {
      bool twice = false;
      for (std::size_t j = 0; j < kept && !twice; ++j) twice = same(list[i], list[j]);
      if (twice) continue;
      if (kept != i) list[kept] = std::move(list[i]);
      ++kept;
    }
    list.resize(kept);
  } else {
    std::unordered_multimap<std::uint64_t, std::size_t> index;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Thread& t = list[i];
      std::uint64_t h = mix(static_cast<std::uint64_t>(t.kind), t.id);
      h = mix(mix(mix(mix(h, t.a), t.b), t.c), t.start);
      h = mix(h, t.stack ? t.stack->hash : 0);
      bool twice = false;
      for (auto [it, end] = index.equal_range(h); it != end && !twice; ++it) twice = same(t, list[it->second]);
      if (twice) continue;
      if (kept != i) list[kept] = std::move(list[i]);
      index.emplace(h, kept++);
    }
    list.resize(kept);
  }
  if (list.size() > max_threads) fail_with(ErrorKind::limit, "the grammar is too ambiguous: one text has too many readings");
}

void Machine::begin(std::vector<Thread>& out) {
  work_ = 0;
  depth_ = 0;
  enter(p_.root, nullptr, {}, out);
  dedupe(out);
}

void Machine::enter(std::uint32_t expr, const FramePtr& stack, std::string_view text, std::vector<Thread>& out) {
  spend();
  if (++depth_ > max_nesting) {
    depth_ = 0;
    fail_with(ErrorKind::limit, "the grammar's rules are nested too deep");
  }
  const Expr& e = p_.exprs[expr];
  switch (e.kind) {
    case Expr::Kind::text: {
      const Dfa& dfa = *p_.terminals[e.id].dfa;
      if (dfa.empty()) break;
      if (dfa.accept[dfa.start]) complete(stack, text, out);
      if (dfa.has_edges(dfa.start)) out.push_back({Thread::Kind::text, e.id, dfa.start, 0, 0, 0, stack});
      break;
    }
    case Expr::Kind::sequence: enter_sequence(expr, 0, stack, text, out); break;
    case Expr::Kind::any_of:
      for (const std::uint32_t part : e.parts) enter(part, stack, text, out);
      break;
    case Expr::Kind::repeat: enter_repeat(expr, 0, stack, text, out); break;
    case Expr::Kind::rule: enter(p_.rules[e.id], stack, text, out); break;
    case Expr::Kind::value: out.push_back({Thread::Kind::value, e.id, 0, 0, 0, 0, stack}); break;
  }
  --depth_;
}

void Machine::enter_sequence(std::uint32_t expr, std::uint32_t part, const FramePtr& stack, std::string_view text, std::vector<Thread>& out) {
  const Expr& e = p_.exprs[expr];
  if (part + 1 == e.parts.size()) return enter(e.parts[part], stack, text, out);
  Frame f(Frame::Kind::sequence, expr);
  f.at = part + 1;
  f.depth = stack ? stack->depth : 0;
  f.next = stack;
  enter(e.parts[part], seal(std::move(f)), text, out);
}

void Machine::enter_repeat(std::uint32_t expr, std::uint32_t rounds, const FramePtr& stack, std::string_view text, std::vector<Thread>& out) {
  const Expr& e = p_.exprs[expr];
  if (rounds >= e.least || e.nullable_body) complete(stack, text, out);
  if (rounds >= e.most) return;
  Frame f(Frame::Kind::repeat, expr);
  // Beyond what is counted all rounds are alike.
  f.at = e.most == unlimited ? std::min(rounds + 1, e.least) : rounds + 1;
  if (e.nullable_body) f.start = static_cast<std::uint32_t>(text.size());
  f.depth = stack ? stack->depth : 0;
  f.next = stack;
  enter(e.parts[0], seal(std::move(f)), text, out);
}

// What stands above `stack` is complete at the end of `text`.
void Machine::complete(const FramePtr& stack, std::string_view text, std::vector<Thread>& out) {
  spend();
  if (!stack) {
    out.push_back({});
    return;
  }
  switch (stack->kind) {
    case Frame::Kind::sequence: return enter_sequence(stack->id, stack->at, stack->next, text, out);
    case Frame::Kind::repeat:
      if (p_.exprs[stack->id].nullable_body && stack->start == text.size()) return;  // a round of nothing: the way around it is there
      return enter_repeat(stack->id, stack->at, stack->next, text, out);
    case Frame::Kind::object: out.push_back({Thread::Kind::object, stack->id, 1, 0, 0, 0, stack}); return;
    case Frame::Kind::array: {
      const ArrayPlan& plan = p_.arrays[stack->id];
      Frame f = *stack;
      ++f.at;
      if (plan.unique) {
        std::string item = canonical_value(parse_json(text.substr(stack->start), "item", {1024}));
        for (const Seen* s = stack->others.get(); s != nullptr; s = s->next.get()) {
          if (s->text == item) return;
        }
        f.others = std::make_shared<const Seen>(Seen{std::move(item), stack->others});
      } else if (plan.most == unlimited) {
        // Beyond what is counted all items are alike.
        f.at = std::min(f.at, std::max(plan.least, static_cast<std::uint32_t>(plan.prefix.size())) + 1);
      }
      FramePtr frame = seal(std::move(f));
      out.push_back({Thread::Kind::array, frame->id, 1, 0, 0, 0, frame});
      return;
    }
  }
}

void Machine::finish(const Thread& t, std::string_view text, std::vector<Thread>& out) {
  switch (t.kind) {
    case Thread::Kind::text: {
      const Terminal& terminal = p_.terminals[t.id];
      if (terminal.dfa->accept[t.a] && t.b >= terminal.least && t.b <= terminal.most) complete(t.stack, text, out);
      return;
    }
    case Thread::Kind::literals:
      if (p_.literals[t.id].texts[t.a].size() == t.c) complete(t.stack, text, out);
      return;
    case Thread::Kind::number:
      if (p_.numbers[t.id].accepts(text.substr(t.start), numbers_seen(t))) complete(t.stack, text, out);
      return;
    default: return;
  }
}

bool Machine::may_end(const std::vector<Thread>& list, std::string_view text) {
  work_ = 0;
  std::vector<Thread> next;
  for (const Thread& t : list) {
    if (t.kind == Thread::Kind::end) return true;
    next.clear();
    finish(t, text, next);
    for (const Thread& n : next) {
      if (n.kind == Thread::Kind::end) return true;
    }
  }
  return false;
}

bool Machine::depends_on_text(const Thread& t) const { return t.kind == Thread::Kind::other_key || distinct(t) != nullptr; }

void Machine::step(const Thread& thread, std::uint8_t byte, std::string_view text, std::vector<Thread>& out) {
  work_ = 0;
  depth_ = 0;
  if (thread.kind == Thread::Kind::text || thread.kind == Thread::Kind::literals || thread.kind == Thread::Kind::number) {
    std::vector<Thread> behind;
    finish(thread, text.substr(0, text.size() - 1), behind);
    for (const Thread& t : behind) advance(t, byte, text, out);
  }
  advance(thread, byte, text, out);
}

void Machine::advance(const Thread& t, std::uint8_t byte, std::string_view text, std::vector<Thread>& out) {
  switch (t.kind) {
    case Thread::Kind::text: return step_text(t, t.a, t.b, byte, text, out);
    case Thread::Kind::literals: return step_literals(t, t.a, t.b, t.c, byte, text, out);
    case Thread::Kind::number:
      if (p_.numbers[t.id].viable(text.substr(t.start), numbers_seen(t))) out.push_back(t);
      return;
    case Thread::Kind::value: return start_value(t, byte, text, out);
    case Thread::Kind::object: return step_object(t, byte, text, out);
    case Thread::Kind::array: return step_array(t, byte, text, out);
    case Thread::Kind::key: return step_key(t, t.a, t.b, t.c, byte, out);
    case Thread::Kind::other_key: return step_other_key(t, byte, text, out);
    case Thread::Kind::colon: return step_colon(t, byte, text, out);
    case Thread::Kind::end: return;
  }
}

void Machine::step_text(const Thread& t, std::uint32_t from, std::uint32_t count, std::uint8_t byte, std::string_view text, std::vector<Thread>& out) {
  const Terminal& terminal = p_.terminals[t.id];
  const Dfa& dfa = *terminal.dfa;
  const std::uint32_t to = dfa.step(from, byte);
  if (to == 0) return;
  if (terminal.lengths) {
    if (dfa.boundary[to] && from != dfa.start) ++count;
    if (count > terminal.most) return;
    const std::uint32_t least = terminal.least > count ? terminal.least - count : 0;
    const std::uint32_t most = terminal.most == unlimited ? unlimited : terminal.most - count;
    if (!terminal.lengths->possible(to, least, most)) return;
  }
  Thread next = t;
  next.kind = Thread::Kind::text;
  next.a = to, next.b = terminal.lengths ? count : 0, next.c = 0;
  if (dfa.accept[to] && !dfa.has_edges(to)) return finish(next, text, out);
  if (distinct(t) != nullptr && t.stack->others && !dfa.boundary.empty() && dfa.boundary[to]) {
    const std::size_t start = text.find('"', t.stack->start);
    if (!extends(terminal, to, count, text.substr(start), t.stack->others, true)) return;
  }
  out.push_back(std::move(next));
}

void Machine::step_literals(const Thread& t, std::uint32_t first, std::uint32_t end, std::uint32_t depth, std::uint8_t byte, std::string_view text,
                            std::vector<Thread>& out) {
  const Literals& set = p_.literals[t.id];
  const auto begin = set.texts.begin();
  // Those of length `depth` sort first and have no further byte.
  const auto at = [depth](const std::string& s) { return s.size() > depth ? static_cast<int>(static_cast<unsigned char>(s[depth])) : -1; };
  const auto low = std::partition_point(begin + first, begin + end, [&](const std::string& s) { return at(s) < byte; });
  const auto high = std::partition_point(low, begin + end, [&](const std::string& s) { return at(s) <= byte; });
  if (low == high) return;
  Thread next = t;
  next.kind = Thread::Kind::literals;
  next.a = static_cast<std::uint32_t>(low - begin), next.b = static_cast<std::uint32_t>(high - begin), next.c = depth + 1;
  if (distinct(t) != nullptr && t.stack->others) {
    bool fresh = false;
    for (std::uint32_t i = next.a; i < next.b && !fresh; ++i) {
      fresh = true;
      for (const Seen* s = t.stack->others.get(); s != nullptr && fresh; s = s->next.get()) fresh = s->text != set.canonical[i];
    }
    if (!fresh) return;
  }
  if (next.b - next.a == 1 && set.texts[next.a].size() == next.c) return finish(next, text, out);
  out.push_back(std::move(next));
}

}  // namespace tashika::grammar
