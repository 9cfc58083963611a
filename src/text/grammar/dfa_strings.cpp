// Automata of JSON strings, and how long the strings may still become.
#include <algorithm>
#include <functional>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "text/grammar/dfa.h"

namespace tashika::grammar {
namespace {

// An automaton in the making: edges by byte.
struct Draft {
  std::vector<std::map<std::uint8_t, std::uint32_t>> edges{{}};
  std::vector<std::uint8_t> accept{0}, boundary{0};
  std::uint32_t add(bool is_boundary) {
    edges.emplace_back();
    accept.push_back(0);
    boundary.push_back(is_boundary);
    return static_cast<std::uint32_t>(edges.size() - 1);
  }
  Dfa finish(std::uint32_t start) const {
    Dfa out;
    // Classes: bytes whose columns are alike.
    std::map<std::vector<std::uint32_t>, std::uint32_t> columns;
    std::vector<std::vector<std::uint32_t>> list;
    for (unsigned b = 0; b < 256; ++b) {
      std::vector<std::uint32_t> column(edges.size(), 0);
      for (std::size_t s = 0; s < edges.size(); ++s) {
        const auto found = edges[s].find(static_cast<std::uint8_t>(b));
        if (found != edges[s].end()) column[s] = found->second;
      }
      const auto [place, fresh] = columns.try_emplace(column, static_cast<std::uint32_t>(list.size()));
      if (fresh) list.push_back(std::move(column));
      out.byte_class[b] = static_cast<std::uint8_t>(place->second);
    }
    out.classes = static_cast<std::uint32_t>(list.size());
    out.start = start;
    out.accept = accept;
    out.boundary = boundary;
    out.next.resize(edges.size() * out.classes);
    for (std::size_t s = 0; s < edges.size(); ++s) {
      for (std::uint32_t c = 0; c < out.classes; ++c) out.next[s * out.classes + c] = list[c][s];
    }
    return out;
  }
};

constexpr std::string_view hex_digits = "0123456789abcdef";

}  // namespace

std::string json_string_literal(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    const auto b = static_cast<unsigned char>(c);
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (b < 0x20) {
          out += "\\u00";
          out += hex_digits[b >> 4];
          out += hex_digits[b & 15];
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

Dfa json_string_of(const Dfa& dfa) {
  if (dfa.empty()) {
    Draft none;
    return none.finish(0);
  }
  // The states of `dfa` keep their numbers plus one; 1 is before the opening quote.
  const std::uint32_t n = dfa.states();
  // Between two characters: no byte of the middle of one comes next.
  const auto is_boundary = [&](std::uint32_t s) {
    for (unsigned b = 0x80; b < 0xC0; ++b) {
      if (dfa.step(s, static_cast<std::uint8_t>(b)) != 0) return false;
    }
    return true;
  };
  // Few bytes differ, so the table is written class by class: raw bytes as they are, and a tail of escapes a state.
  Dfa out;
  std::map<std::pair<std::uint32_t, int>, std::uint32_t> classes;
  std::vector<std::uint8_t> sample;
  for (unsigned b = 0; b < 256; ++b) {
    // Bytes that escapes are made of stand alone.
    const bool own = std::string_view("\"\\bfnrtu0123456789abcdef").find(static_cast<char>(b)) != std::string_view::npos && b < 0x80;
    const int kind = b < 0x20 ? -1 : own ? static_cast<int>(b) : -2;
    const auto [place, fresh] = classes.try_emplace({kind == -1 ? 0 : dfa.byte_class[b], kind}, static_cast<std::uint32_t>(sample.size()));
    if (fresh) sample.push_back(static_cast<std::uint8_t>(b));
    out.byte_class[b] = static_cast<std::uint8_t>(place->second);
  }
  out.classes = static_cast<std::uint32_t>(sample.size());
  const auto add = [&](bool boundary) {
    out.accept.push_back(0);
    out.boundary.push_back(boundary);
    out.next.resize(out.next.size() + out.classes, 0);
    return static_cast<std::uint32_t>(out.accept.size() - 1);
  };
  const auto edge = [&](std::uint32_t from, unsigned byte, std::uint32_t to) { out.next[std::size_t{from} * out.classes + out.byte_class[byte]] = to; };
  add(false);
  const std::uint32_t before = add(false);
  for (std::uint32_t s = 1; s < n; ++s) add(is_boundary(s));
  const std::uint32_t after = add(false);
  out.accept[after] = 1;
  out.start = before;
  edge(before, '"', dfa.start + 1);
  for (std::uint32_t s = 1; s < n; ++s) {
    for (std::uint32_t c = 0; c < out.classes; ++c) {
      const std::uint8_t b = sample[c];
      if (b < 0x20 || b == '"' || b == '\\') continue;
      const std::uint32_t to = dfa.step(s, b);
      if (to != 0) out.next[std::size_t{s + 1} * out.classes + c] = to + 1;
    }
    if (dfa.accept[s]) edge(s + 1, '"', after);
    std::uint32_t escape = 0, control[2] = {0, 0}, u = 0, u0 = 0, u00 = 0;
    const auto escaped = [&] {
      if (escape == 0) escape = add(false), edge(s + 1, '\\', escape);
      return escape;
    };
    constexpr std::pair<char, char> short_forms[] = {{'"', '"'}, {'\\', '\\'}, {'b', '\b'}, {'f', '\f'}, {'n', '\n'}, {'r', '\r'}, {'t', '\t'}};
    for (const auto& [letter, code] : short_forms) {
      const std::uint32_t to = dfa.step(s, static_cast<std::uint8_t>(code));
      if (to != 0) edge(escaped(), static_cast<unsigned char>(letter), to + 1);
    }
    for (unsigned b = 0; b < 0x20; ++b) {
      if (b == '\b' || b == '\f' || b == '\n' || b == '\r' || b == '\t') continue;
      const std::uint32_t to = dfa.step(s, static_cast<std::uint8_t>(b));
      if (to == 0) continue;
      if (u == 0) {
        u = add(false), u0 = add(false), u00 = add(false);
        edge(escaped(), 'u', u), edge(u, '0', u0), edge(u0, '0', u00);
      }
      std::uint32_t& tens = control[b >> 4];
      if (tens == 0) tens = add(false), edge(u00, b >> 4 ? '1' : '0', tens);
      edge(tens, static_cast<unsigned char>(hex_digits[b & 15]), to + 1);
    }
  }
  return out;
}

const Dfa& any_json_string() {
  static const Dfa dfa = [] {
    Draft d;
    const std::uint32_t before = d.add(false), body = d.add(true), after = d.add(false), escape = d.add(false);
    d.accept[after] = 1;
    const auto range = [&](std::uint32_t from, unsigned low, unsigned high, std::uint32_t to) {
      for (unsigned b = low; b <= high; ++b) d.edges[from][static_cast<std::uint8_t>(b)] = to;
    };
    d.edges[before]['"'] = body;
    range(body, 0x20, 0x7F, body);
    d.edges[body]['"'] = after;
    d.edges[body]['\\'] = escape;
    for (const char c : std::string_view("\"\\/bfnrt")) d.edges[escape][static_cast<std::uint8_t>(c)] = body;
    // UTF-8 without overlong forms and surrogates: Unicode table 3-7.
    const std::uint32_t one = d.add(false), two = d.add(false), three = d.add(false), e0 = d.add(false), ed = d.add(false), f0 = d.add(false), f4 = d.add(false);
    range(body, 0xC2, 0xDF, one);
    range(body, 0xE0, 0xE0, e0), range(body, 0xE1, 0xEC, two), range(body, 0xED, 0xED, ed), range(body, 0xEE, 0xEF, two);
    range(body, 0xF0, 0xF0, f0), range(body, 0xF1, 0xF3, three), range(body, 0xF4, 0xF4, f4);
    range(one, 0x80, 0xBF, body), range(two, 0x80, 0xBF, one), range(three, 0x80, 0xBF, two);
    range(e0, 0xA0, 0xBF, one), range(ed, 0x80, 0x9F, one), range(f0, 0x90, 0xBF, two), range(f4, 0x80, 0x8F, two);
    const auto hex = [&](std::uint32_t from, std::string_view digits, std::uint32_t to) {
      for (const char c : digits) {
        d.edges[from][static_cast<std::uint8_t>(c)] = to;
        if (c >= 'a') d.edges[from][static_cast<std::uint8_t>(c - 32)] = to;
      }
    };
    // \uXXXX, with a low surrogate behind a high one.
    const std::uint32_t u = d.add(false), h3 = d.add(false), h2 = d.add(false), h1 = d.add(false), hd = d.add(false), s2 = d.add(false), s1 = d.add(false),
                        ls = d.add(false), lu = d.add(false), l4 = d.add(false), l3 = d.add(false);
    d.edges[escape]['u'] = u;
    hex(u, "0123456789abcef", h3), hex(u, "d", hd);
    hex(h3, hex_digits, h2), hex(h2, hex_digits, h1), hex(h1, hex_digits, body);
    hex(hd, "01234567", h2), hex(hd, "89ab", s2);
    hex(s2, hex_digits, s1), hex(s1, hex_digits, ls);
    d.edges[ls]['\\'] = lu, d.edges[lu]['u'] = l4;
    hex(l4, "d", l3), hex(l3, "cdef", h2);
    return d.finish(before);
  }();
  return dfa;
}

std::uint64_t count_texts(const Dfa& dfa, std::uint64_t most) {
  if (dfa.empty()) return 0;
  // Every state is live, so a cycle means that there is no end.
  const std::uint32_t n = dfa.states();
  std::vector<std::uint8_t> color(n, 0);
  std::vector<std::uint64_t> count(n, 0);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> stack{{dfa.start, 0}};
  color[dfa.start] = 1;
  std::vector<std::uint32_t> bytes_in(dfa.classes, 0);
  for (unsigned b = 0; b < 256; ++b) ++bytes_in[dfa.byte_class[b]];
  while (!stack.empty()) {
    auto& [s, c] = stack.back();
    if (c == dfa.classes) {
      std::uint64_t sum = dfa.accept[s];
      for (std::uint32_t k = 0; k < dfa.classes; ++k) {
        const std::uint32_t to = dfa.next[std::size_t{s} * dfa.classes + k];
        if (to != 0) sum = std::min(most, sum + std::min(most, count[to]) * bytes_in[k]);
      }
      count[s] = std::min(most, sum);
      color[s] = 2;
      stack.pop_back();
      continue;
    }
    const std::uint32_t to = dfa.next[std::size_t{s} * dfa.classes + c++];
    if (to == 0 || color[to] == 2) continue;
    if (color[to] == 1) return most;
    color[to] = 1;
    stack.push_back({to, 0});
  }
  return count[dfa.start];
}

std::optional<std::vector<std::string>> list_texts(const Dfa& dfa, std::size_t most) {
  if (count_texts(dfa, most + 1) > most) return std::nullopt;
  std::vector<std::string> out;
  if (dfa.empty()) return out;
  std::vector<std::pair<std::uint32_t, unsigned>> stack{{dfa.start, 0}};
  std::string text;
  if (dfa.accept[dfa.start]) out.push_back(text);
  while (!stack.empty()) {
    auto& [s, b] = stack.back();
    if (b == 256) {
      stack.pop_back();
      if (!text.empty()) text.pop_back();
      continue;
    }
    const auto byte = static_cast<std::uint8_t>(b++);
    const std::uint32_t to = dfa.step(s, byte);
    if (to == 0) continue;
    text += static_cast<char>(byte);
    if (dfa.accept[to]) out.push_back(text);
    stack.push_back({to, 0});
  }
  return out;
}

std::optional<Lengths> string_lengths(const Dfa& dfa, std::uint32_t horizon) {
  const std::uint32_t n = dfa.states();
  struct Edge {
    std::uint32_t from, to;
  };
  std::vector<Edge> inside, counted;  // within a character; ending one
  for (std::uint32_t s = 1; s < n; ++s) {
    std::vector<std::uint32_t> seen;
    for (std::uint32_t c = 0; c < dfa.classes; ++c) {
      const std::uint32_t to = dfa.next[std::size_t{s} * dfa.classes + c];
      if (to == 0 || std::ranges::find(seen, to) != seen.end()) continue;
      seen.push_back(to);
      (dfa.boundary[to] && s != dfa.start ? counted : inside).push_back({s, to});
    }
  }
  if ((std::uint64_t{horizon} + 2) * (inside.size() * 2 + counted.size()) > 400'000'000 && horizon > n + 2) return std::nullopt;
  std::vector<std::vector<std::uint32_t>> inner(n);
  for (const Edge& e : inside) inner[e.to].push_back(e.from);
  const auto close = [&](std::vector<std::uint8_t>& set) {
    std::vector<std::uint32_t> stack;
    for (std::uint32_t s = 1; s < n; ++s) {
      if (set[s]) stack.push_back(s);
    }
    while (!stack.empty()) {
      const std::uint32_t s = stack.back();
      stack.pop_back();
      for (const std::uint32_t p : inner[s]) {
        if (!set[p]) set[p] = 1, stack.push_back(p);
      }
    }
  };
  Lengths out;
  out.of.resize(n);
  std::vector<std::uint8_t> now(n, 0);
  for (std::uint32_t s = 1; s < n; ++s) now[s] = dfa.accept[s];
  close(now);
  std::vector<std::uint8_t> before(n, 0);
  std::uint64_t work = 0;
  for (std::uint32_t r = 0;; ++r) {
    for (std::uint32_t s = 1; s < n; ++s) {
      if (!now[s]) continue;
      if (!out.of[s].empty() && out.of[s].back().last + 1 == r) {
        out.of[s].back().last = r;
      } else {
        out.of[s].push_back({r, r});
      }
    }
    std::vector<std::uint8_t> next(n, 0);
    for (const Edge& e : counted) {
      if (now[e.to]) next[e.from] = 1;
    }
    close(next);
    work += inside.size() + counted.size() + n;
    if (next == now) {
      out.settled = r;
      for (std::uint32_t s = 1; s < n; ++s) {
        if (now[s]) out.of[s].back().last = Lengths::infinite;
      }
      break;
    }
    if (r >= horizon) {
      out.settled = Lengths::infinite;  // not settled within what is asked
      break;
    }
    if (work > 400'000'000) return std::nullopt;
    now = std::move(next);
  }
  out.all_infinite = out.settled != Lengths::infinite;
  for (std::uint32_t s = 1; s < n && out.all_infinite; ++s) {
    if (dfa.accept[s]) continue;
    out.all_infinite = !out.of[s].empty() && out.of[s].back().last == Lengths::infinite && out.of[s].size() == 1;
  }
  return out;
}

}  // namespace tashika::grammar
