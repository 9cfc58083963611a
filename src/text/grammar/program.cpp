// What holds for any program: its parts can end, and reading never loops without a byte.
#include "text/grammar/program.h"

#include "base/error.h"

namespace tashika::grammar {

void settle(Program& p, std::string_view what) {
  const std::size_t n = p.exprs.size();
  std::vector<bool> nullable(n, false), productive(n, false);
  const auto all = [](const std::vector<bool>& of, const Expr& e) {
    for (const std::uint32_t part : e.parts) {
      if (!of[part]) return false;
    }
    return true;
  };
  const auto any = [](const std::vector<bool>& of, const Expr& e) {
    for (const std::uint32_t part : e.parts) {
      if (of[part]) return true;
    }
    return false;
  };
  std::uint64_t work = 0;
  bool forward = false;
  for (bool changed = true; changed;) {
    changed = false;
    forward = !forward;
    work += n;
    if (work > 300'000'000) fail_with(ErrorKind::limit, cat(what, ": the grammar is too large"));
    for (std::size_t k = 0; k < n; ++k) {
      const std::size_t i = forward ? k : n - 1 - k;
      const Expr& e = p.exprs[i];
      bool empty = false, ends = false;
      switch (e.kind) {
        case Expr::Kind::text: {
          const Dfa& dfa = *p.terminals[e.id].dfa;
          ends = !dfa.empty(), empty = ends && dfa.accept[dfa.start];
          break;
        }
        case Expr::Kind::sequence: ends = all(productive, e), empty = all(nullable, e); break;
        case Expr::Kind::any_of: ends = any(productive, e), empty = any(nullable, e); break;
        case Expr::Kind::repeat: ends = e.least == 0 || productive[e.parts[0]], empty = e.least == 0 || nullable[e.parts[0]]; break;
        case Expr::Kind::rule:
          if (p.rules[e.id] != no_id) ends = productive[p.rules[e.id]], empty = nullable[p.rules[e.id]];
          break;
        case Expr::Kind::value: ends = true; break;
      }
      if (ends != productive[i] || empty != nullable[i]) productive[i] = ends, nullable[i] = empty, changed = true;
    }
  }
  if (!productive[p.root]) fail(what, ": no finite text follows this grammar");
  for (std::size_t i = 0; i < n; ++i) {
    Expr& e = p.exprs[i];
    if (e.kind == Expr::Kind::any_of) std::erase_if(e.parts, [&](std::uint32_t part) { return !productive[part]; });
    if (e.kind == Expr::Kind::repeat && !productive[e.parts[0]]) e.most = 0;
    if (e.kind == Expr::Kind::repeat) e.nullable_body = nullable[e.parts[0]];
  }
  // Left recursion: a way from an expr to itself that takes no byte.
  std::vector<std::uint8_t> color(n, 0);
  struct Place {
    std::uint32_t expr;
    std::vector<std::uint32_t> ways;
  };
  const auto ways = [&](std::uint32_t i) {
    const Expr& e = p.exprs[i];
    std::vector<std::uint32_t> out;
    if (e.kind == Expr::Kind::rule && p.rules[e.id] != no_id) out.push_back(p.rules[e.id]);
    if (e.kind == Expr::Kind::any_of || (e.kind == Expr::Kind::repeat && e.most > 0)) out = e.parts;
    if (e.kind == Expr::Kind::sequence) {
      for (const std::uint32_t part : e.parts) {
        out.push_back(part);
        if (!nullable[part]) break;
      }
    }
    return out;
  };
  std::vector<Place> stack{{p.root, ways(p.root)}};
  color[p.root] = 1;
  // Everything that is reached is looked at, not only what stands first.
  std::vector<bool> reached(n, false);
  std::vector<std::uint32_t> next{p.root};
  reached[p.root] = true;
  while (!next.empty()) {
    const std::uint32_t first = next.back();
    next.pop_back();
    const Expr& e = p.exprs[first];
    const auto reach = [&](std::uint32_t to) {
      if (!reached[to]) reached[to] = true, next.push_back(to);
    };
    for (const std::uint32_t part : e.parts) reach(part);
    if (e.kind == Expr::Kind::rule && p.rules[e.id] != no_id) reach(p.rules[e.id]);
    if (color[first] == 0) color[first] = 1, stack.push_back({first, ways(first)});
    while (!stack.empty()) {
      if (stack.back().ways.empty()) {
        color[stack.back().expr] = 2;
        stack.pop_back();
        continue;
      }
      const std::uint32_t to = stack.back().ways.back();
      stack.back().ways.pop_back();
      if (color[to] == 1) fail(what, ": a rule begins with itself (left recursion); write it the other way round, or as a repetition");
      if (color[to] == 0) color[to] = 1, stack.push_back({to, ways(to)});
    }
  }
}

}  // namespace tashika::grammar
