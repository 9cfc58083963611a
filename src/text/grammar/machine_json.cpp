// Reading JSON values: what may come at each byte of an object, an array, a key.
#include <algorithm>
#include <cmath>
#include <charconv>

#include "base/error.h"
#include "text/grammar/program.h"

namespace tashika::grammar {
namespace {

// Blanks between tokens: none, one space, or a newline with an indentation of at most 40. 0: none yet, 1: done.
constexpr std::uint32_t no_more = 1, newline = 2, most_blanks = 42;
bool blank(std::uint32_t& state, std::uint8_t byte) {
  if (state == 0) {
    if (byte == ' ') return state = no_more, true;
    if (byte == '\n') return state = newline, true;
    return false;
  }
  if (state >= newline && state < most_blanks && (byte == ' ' || byte == '\t')) return ++state, true;
  return false;
}

bool has(const std::vector<std::uint64_t>& bits, std::uint32_t i) { return (bits[i >> 6] >> (i & 63)) & 1; }

bool contains(const SeenPtr& list, std::string_view text) {
  for (const Seen* s = list.get(); s != nullptr; s = s->next.get()) {
    if (s->text == text) return true;
  }
  return false;
}

// The value of a JSON string whose end may be missing; what is half written at the end is left out.
std::string string_so_far(std::string_view raw) {
  std::string_view body = raw.substr(1);
  std::string text(body);
  if (text.find('\\') == std::string::npos) return text;
  for (std::size_t cut = 0; cut <= 12 && cut <= body.size(); ++cut) {
    text.assign(body.substr(0, body.size() - cut));
    try {
      return parse_json(cat("\"", text, "\""), "string").as_string();
    } catch (const Error&) {
    }
  }
  return {};
}

void append_number(std::vector<double>& out, const std::string& text) {
  double value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec == std::errc{} && end.ptr == text.data() + text.size()) out.push_back(value);
}

}  // namespace

std::string canonical_value(const Json& value) {
  switch (value.type()) {
    case Json::Type::integer:
    case Json::Type::real: {
      const double d = value.as_double();
      if (value.is_integer() && std::fabs(d) > 9e15) return cat(value.as_integer());
      return d == 0 ? "0" : std::fabs(d) < 9e15 && d == std::floor(d) ? cat(static_cast<std::int64_t>(d)) : python_float(d);
    }
    case Json::Type::array: {
      std::string out = "[";
      for (const Json& item : value.as_array()) out += cat(out.size() > 1 ? "," : "", canonical_value(item));
      return out + "]";
    }
    case Json::Type::object: {
      std::vector<std::pair<std::string, std::string>> members;
      for (const auto& [key, member] : value.as_object().entries()) members.emplace_back(json_string_literal(key), canonical_value(member));
      std::ranges::sort(members);
      std::string out = "{";
      for (const auto& [key, member] : members) out += cat(out.size() > 1 ? "," : "", key, ":", member);
      return out + "}";
    }
    case Json::Type::string: return json_string_literal(value.as_string());
    default: return dump_json(value);
  }
}

const ArrayPlan* Machine::distinct(const Thread& t) const {
  if (!t.stack || t.stack->kind != Frame::Kind::array) return nullptr;
  if (t.kind != Thread::Kind::text && t.kind != Thread::Kind::literals && t.kind != Thread::Kind::number && t.kind != Thread::Kind::value) return nullptr;
  const ArrayPlan& plan = p_.arrays[t.stack->id];
  return plan.unique ? &plan : nullptr;
}

std::vector<double> Machine::numbers_seen(const Thread& t) const {
  std::vector<double> out;
  if (distinct(t) == nullptr) return out;
  for (const Seen* s = t.stack->others.get(); s != nullptr; s = s->next.get()) append_number(out, s->text);
  return out;
}

void Machine::start_value(const Thread& t, std::uint8_t byte, std::string_view text, std::vector<Thread>& out) {
  std::uint32_t blanks = t.a;
  if (blank(blanks, byte)) {
    Thread next = t;
    next.a = blanks;
    out.push_back(std::move(next));
    return;
  }
  const std::uint32_t depth = t.stack ? t.stack->depth : 0;
  for (const Plan& plan : p_.values[t.id].plans) {
    if (depth + plan.height > p_.depth_limit) continue;
    Thread next;
    next.id = plan.id;
    next.stack = t.stack;
    next.start = static_cast<std::uint32_t>(text.size() - 1);
    switch (plan.kind) {
      case Plan::Kind::text: {
        next.start = 0;
        next.kind = Thread::Kind::text;
        step_text(next, p_.terminals[plan.id].dfa->start, 0, byte, text, out);
        break;
      }
      case Plan::Kind::literals:
        next.start = 0;
        next.kind = Thread::Kind::literals;
        step_literals(next, 0, static_cast<std::uint32_t>(p_.literals[plan.id].texts.size()), 0, byte, text, out);
        break;
      case Plan::Kind::number:
        next.kind = Thread::Kind::number;
        if (p_.numbers[plan.id].viable(text.substr(next.start), numbers_seen(next))) out.push_back(std::move(next));
        break;
      case Plan::Kind::object: {
        if (byte != '{') break;
        const ObjectPlan& object = p_.objects[plan.id];
        Frame f(Frame::Kind::object, plan.id);
        f.depth = depth + 1;
        f.seen.assign((object.properties.size() + 63) / 64, 0);
        f.next = t.stack;
        out.push_back({Thread::Kind::object, plan.id, 0, 0, 0, 0, seal(std::move(f))});
        break;
      }
      case Plan::Kind::array: {
        if (byte != '[') break;
        Frame f(Frame::Kind::array, plan.id);
        f.depth = depth + 1;
        if (p_.arrays[plan.id].unique) f.start = static_cast<std::uint32_t>(text.size());
        f.next = t.stack;
        out.push_back({Thread::Kind::array, plan.id, 0, 0, 0, 0, seal(std::move(f))});
        break;
      }
    }
  }
}

// What may come of an object with its members so far: none that passes maxProperties, and room is kept for those that
// are required.
bool Machine::property_possible(const Frame& f, std::uint32_t i) const {
  const ObjectPlan& plan = p_.objects[f.id];
  const ObjectPlan::Property& property = plan.properties[i];
  if (has(f.seen, i)) return false;
  if (f.depth + p_.values[property.child].height > p_.depth_limit) return false;
  if (plan.most == unlimited || property.required) return true;
  std::uint32_t missing = plan.required;
  for (std::uint32_t k = 0; k < plan.properties.size(); ++k) missing -= plan.properties[k].required && has(f.seen, k);
  return f.at + 1 + missing <= plan.most;
}

bool Machine::other_possible(const Frame& f, const ObjectPlan::KeyClass& c) const {
  const ObjectPlan& plan = p_.objects[f.id];
  if (f.depth + p_.values[c.child].height > p_.depth_limit) return false;
  if (plan.most == unlimited) return true;
  std::uint32_t missing = plan.required;
  for (std::uint32_t k = 0; k < plan.properties.size(); ++k) missing -= plan.properties[k].required && has(f.seen, k);
  return f.at + 1 + missing <= plan.most;
}

bool Machine::key_possible(const Frame& f) const {
  const ObjectPlan& plan = p_.objects[f.id];
  if (f.at >= plan.most) return false;
  for (const auto& c : plan.classes) {
    if (other_possible(f, c)) return true;
  }
  for (std::uint32_t i = 0; i < plan.properties.size(); ++i) {
    if (property_possible(f, i)) return true;
  }
  return false;
}

void Machine::step_object(const Thread& t, std::uint8_t byte, std::string_view text, std::vector<Thread>& out) {
  Thread next = t;
  if (blank(next.b, byte)) {
    out.push_back(std::move(next));
    return;
  }
  const Frame& f = *t.stack;
  const ObjectPlan& plan = p_.objects[f.id];
  const std::uint32_t phase = t.a;
  if (byte == '}' && phase != 2 && f.at >= plan.least) {
    bool whole = true;
    for (std::uint32_t i = 0; i < plan.properties.size() && whole; ++i) whole = !plan.properties[i].required || has(f.seen, i);
    if (whole) complete(f.next, text, out);
    return;
  }
  if (byte == ',' && phase == 1 && key_possible(f)) {
    next.a = 2, next.b = 0;
    out.push_back(std::move(next));
    return;
  }
  if (byte != '"' || phase == 1) return;
  if (f.at >= plan.most) return;
  next.start = 0;
  step_key(next, 0, static_cast<std::uint32_t>(plan.names.size()), 0, byte, out);
  for (std::uint32_t c = 0; c < plan.classes.size(); ++c) {
    if (!other_possible(f, plan.classes[c])) continue;
    Thread key;
    key.kind = Thread::Kind::other_key;
    key.id = plan.classes[c].key;
    key.a = p_.terminals[key.id].dfa->start;
    key.c = c;
    key.start = static_cast<std::uint32_t>(text.size() - 1);
    key.stack = t.stack;
    step_other_key(key, byte, text, out);
  }
}

void Machine::step_key(const Thread& t, std::uint32_t first, std::uint32_t end, std::uint32_t depth, std::uint8_t byte, std::vector<Thread>& out) {
  const ObjectPlan& plan = p_.objects[t.stack->id];
  const auto begin = plan.names.begin();
  const auto at = [depth](const std::string& s) { return s.size() > depth ? static_cast<int>(static_cast<unsigned char>(s[depth])) : -1; };
  const auto low = std::partition_point(begin + first, begin + end, [&](const std::string& s) { return at(s) < byte; });
  const auto high = std::partition_point(low, begin + end, [&](const std::string& s) { return at(s) <= byte; });
  for (auto i = low; i < high; ++i) {
    const auto index = static_cast<std::uint32_t>(i - begin);
    if (!property_possible(*t.stack, index)) continue;
    Thread next;
    next.stack = t.stack;
    if (high - low == 1 && i->size() == depth + 1) {
      next.kind = Thread::Kind::colon;
      next.id = plan.properties[index].child;
      next.a = index;
    } else {
      next.kind = Thread::Kind::key;
      next.id = t.stack->id;
      next.a = static_cast<std::uint32_t>(low - begin), next.b = static_cast<std::uint32_t>(high - begin), next.c = depth + 1;
    }
    out.push_back(std::move(next));
    return;
  }
}

bool Machine::key_allowed(const Frame& f, const ObjectPlan::KeyClass& c, std::string_view key) const {
  const ObjectPlan& plan = p_.objects[f.id];
  if (plan.index.contains(std::string(key)) || std::ranges::binary_search(plan.forbidden, key) || contains(f.others, key)) return false;
  for (const DfaPtr& refused : plan.refused) {
    if (refused->matches(key)) return false;
  }
  for (const auto& other : plan.classes) {
    if (&other != &c && other.pattern && other.pattern->matches(key)) return false;
  }
  return true;
}

void Machine::step_other_key(const Thread& t, std::uint8_t byte, std::string_view text, std::vector<Thread>& out) {
  const Terminal& terminal = p_.terminals[t.id];
  const Dfa& dfa = *terminal.dfa;
  const std::uint32_t to = dfa.step(t.a, byte);
  if (to == 0) return;
  std::uint32_t count = t.b;
  if (terminal.lengths) {
    if (dfa.boundary[to] && t.a != dfa.start) ++count;
    if (count > terminal.most) return;
    const std::uint32_t least = terminal.least > count ? terminal.least - count : 0;
    if (!terminal.lengths->possible(to, least, terminal.most == unlimited ? unlimited : terminal.most - count)) return;
  }
  Thread next = t;
  next.a = to, next.b = count;
  if (!dfa.accept[to]) {
    if (dfa.boundary[to] && t.stack->others && !extends(terminal, to, count, text.substr(t.start), t.stack->others, false)) return;
    out.push_back(std::move(next));
    return;
  }
  const ObjectPlan::KeyClass& c = p_.objects[t.stack->id].classes[t.c];
  const std::string_view raw = text.substr(t.start);
  const std::string key = raw.find('\\') == std::string_view::npos ? std::string(raw.substr(1, raw.size() - 2)) : parse_json(raw, "key").as_string();
  if (!key_allowed(*t.stack, c, key)) return;
  out.push_back({Thread::Kind::colon, c.child, no_id, 0, 0, t.start, t.stack});
}

void Machine::step_colon(const Thread& t, std::uint8_t byte, std::string_view text, std::vector<Thread>& out) {
  if (byte != ':') return;
  Frame f = *t.stack;
  const ObjectPlan& plan = p_.objects[f.id];
  // Beyond what is counted all members are alike.
  if (plan.most != unlimited || f.at < plan.least) ++f.at;
  if (t.a != no_id) {
    f.seen[t.a >> 6] |= std::uint64_t{1} << (t.a & 63);
  } else {
    const std::string_view raw = text.substr(t.start, text.size() - 1 - t.start);
    f.others = std::make_shared<const Seen>(Seen{parse_json(raw, "key").as_string(), f.others});
  }
  out.push_back({Thread::Kind::value, t.id, 0, 0, 0, 0, seal(std::move(f))});
}

bool Machine::item_possible(const Frame& f) const {
  const ArrayPlan& plan = p_.arrays[f.id];
  if (f.at >= plan.most) return false;
  const std::uint32_t child = plan.child(f.at);
  if (child == no_id || f.depth + p_.values[child].height > p_.depth_limit) return false;
  if (!plan.unique || !f.others) return true;
  for (const Plan& item : p_.values[child].plans) {
    if (item.kind == Plan::Kind::literals) {
      for (const std::string& text : p_.literals[item.id].canonical) {
        if (!contains(f.others, text)) return true;
      }
    } else if (item.kind == Plan::Kind::number) {
      std::vector<double> seen;
      for (const Seen* s = f.others.get(); s != nullptr; s = s->next.get()) append_number(seen, s->text);
      const NumberPlan& number = p_.numbers[item.id];
      for (const char* first : {"-", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}) {
        if (number.viable(first, seen)) return true;
      }
    } else if (item.kind == Plan::Kind::text) {
      const Terminal& t = p_.terminals[item.id];
      if (t.dfa->boundary.empty() || extends(t, t.dfa->step(t.dfa->start, '"'), 0, "\"", f.others, true)) return true;
    } else {
      return true;
    }
  }
  return false;
}

void Machine::step_array(const Thread& t, std::uint8_t byte, std::string_view text, std::vector<Thread>& out) {
  Thread next = t;
  if (blank(next.b, byte)) {
    out.push_back(std::move(next));
    return;
  }
  const Frame& f = *t.stack;
  const ArrayPlan& plan = p_.arrays[f.id];
  if (byte == ']') {
    if (f.at >= plan.least) complete(f.next, text, out);
    return;
  }
  if (!item_possible(f)) return;
  Thread item{Thread::Kind::value, plan.child(f.at), 0, 0, 0, 0, t.stack};
  if (t.a == 0) {
    item.a = no_more;  // blanks came before
    return start_value(item, byte, text, out);
  }
  if (byte != ',') return;
  if (plan.unique) {
    Frame begun = f;
    begun.start = static_cast<std::uint32_t>(text.size());
    item.stack = seal(std::move(begun));
  }
  out.push_back(std::move(item));
}

// A string at a boundary that begins as strings seen do: is there an end that was not seen?
bool Machine::extends(const Terminal& t, std::uint32_t state, std::uint32_t count, std::string_view raw, const SeenPtr& seen, bool items) const {
  if (&*t.dfa == &any_json_string() && t.most == unlimited) return true;
  const std::string prefix = string_so_far(raw);
  std::uint32_t alike = 0;
  for (const Seen* s = seen.get(); s != nullptr; s = s->next.get()) {
    if (!items) {
      alike += s->text.starts_with(prefix);
    } else if (s->text.starts_with('"')) {
      alike += string_so_far(std::string_view(s->text).substr(0, s->text.size() - 1)).starts_with(prefix);
    }
  }
  if (alike == 0) return true;
  // Counts ends, at most one more than those seen.
  struct Place {
    std::uint32_t state, count, byte;
  };
  std::vector<Place> stack{{state, count, 0}};
  std::uint32_t found = 0, steps = 0;
  while (!stack.empty() && steps < 50'000) {
    Place& at = stack.back();
    if (at.byte == 256) {
      stack.pop_back();
      continue;
    }
    ++steps;
    const auto byte = static_cast<std::uint8_t>(at.byte++);
    const std::uint32_t to = t.dfa->step(at.state, byte);
    if (to == 0) continue;
    const std::uint32_t n = at.count + (t.dfa->boundary[to] && at.state != t.dfa->start ? 1 : 0);
    if (t.lengths) {
      if (n > t.most || !t.lengths->possible(to, t.least > n ? t.least - n : 0, t.most == unlimited ? unlimited : t.most - n)) continue;
    }
    if (t.dfa->accept[to] && ++found > alike) return true;
    // A loop means ends without number.
    if (stack.size() > t.dfa->states() + alike + 4) return true;
    stack.push_back({to, n, 0});
  }
  return false;
}

}  // namespace tashika::grammar
