// From shapes to plans: what can never be completed is left out, what remains becomes automata and records.
#include <algorithm>

#include "base/error.h"
#include "text/grammar/program.h"
#include "text/grammar/shapes.h"

namespace tashika::grammar {
namespace {

constexpr std::uint32_t never = 1'000'000;  // a height that no document has
constexpr std::size_t max_nodes = 20'000;

// Numbers without bounds; an exponent of two digits stays within a double.
constexpr std::string_view free_integer = "-?(?:0|[1-9][0-9]{0,17})";
constexpr std::string_view free_number = "-?(?:0|[1-9][0-9]{0,17})(?:\\.[0-9]{1,16})?(?:[eE][+-]?[0-9]{1,2})?";

struct ObjectDraft {
  struct Member {
    std::string name;
    std::uint32_t child;
    bool required;
  };
  struct Class {
    Terminal key;
    DfaPtr pattern;
    std::uint32_t child;
  };
  std::vector<Member> members;
  std::vector<Class> classes;
  std::vector<std::string> forbidden;
};

struct ArrayDraft {
  std::vector<std::uint32_t> prefix;
  std::uint32_t items = no_id;
  std::uint32_t most = unlimited;
};

struct Draft {
  Shape shape;
  ObjectDraft object;
  ArrayDraft array;
  std::uint32_t object_height = never, array_height = never;
};

struct Node {
  Lits lits;
  std::vector<Draft> drafts;
  std::uint32_t height = never;
};

class Compiler {
 public:
  Compiler(Program& program, const Json& schema, std::string_view what) : p_(program), shapes_(schema, what), what_(what) {}

  std::uint32_t run() {
    const std::uint32_t root = node({{&shapes_.root(), "", false, false}});
    for (std::size_t i = 0; i < nodes_.size(); ++i) draft(static_cast<std::uint32_t>(i));
    find_heights();
    if (nodes_[root].height >= never) fail(what_, ": /: no value follows this schema");
    p_.depth_limit = std::max(p_.depth_limit, nodes_[root].height + 16);
    values_.assign(nodes_.size(), no_id);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].height >= never) continue;
      values_[i] = static_cast<std::uint32_t>(p_.values.size());
      p_.values.emplace_back();
      p_.values.back().height = nodes_[i].height;
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) emit(nodes_[i], values_[i]);
    return values_[root];
  }

 private:
  // The node of a set of schemas; equal sets share one, which is what makes recursion end.
  std::uint32_t node(Lits lits) {
    std::vector<std::pair<const Json*, bool>> key;
    for (const Lit& lit : lits) {
      // What allows everything says nothing.
      const Json& s = *lit.schema;
      if (!lit.negative && ((s.is_bool() && s.as_bool()) || (s.is_object() && s.as_object().empty()))) continue;
      key.emplace_back(lit.schema, lit.negative);
    }
    std::ranges::sort(key);
    key.erase(std::unique(key.begin(), key.end()), key.end());
    const auto [place, fresh] = index_.try_emplace(std::move(key), static_cast<std::uint32_t>(nodes_.size()));
    if (fresh) {
      if (nodes_.size() >= max_nodes) fail_with(ErrorKind::limit, cat(what_, ": the schema is too large"));
      nodes_.push_back({std::move(lits), {}, never});
    }
    return place->second;
  }

  void draft(std::uint32_t n) {
    for (Shape& shape : shapes_.expand(Lits(nodes_[n].lits))) {
      Draft d;
      d.shape = std::move(shape);
      if (!d.shape.values) {
        if ((d.shape.types & type_bit::object) != 0) draft_object(d);
        if ((d.shape.types & type_bit::array) != 0) draft_array(d);
      }
      nodes_[n].drafts.push_back(std::move(d));
    }
  }

  void draft_array(Draft& d) {
    std::size_t prefix = 0;
    for (const auto& part : d.shape.arrays) prefix = std::max(prefix, part.prefix.size());
    for (std::size_t i = 0; i < std::min<std::size_t>(prefix, d.shape.most_items); ++i) d.array.prefix.push_back(node(shapes_.item(d.shape, i)));
    d.array.items = node(shapes_.item(d.shape, prefix));
  }

  void draft_object(Draft& d) {
    std::vector<std::string> names;
    std::set<std::string> known;
    const auto name = [&](const std::string& s) {
      if (known.insert(s).second) names.push_back(s);
    };
    for (const auto& part : d.shape.objects) {
      if (part.properties == nullptr) continue;
      for (const auto& [key, child] : part.properties->as_object().entries()) name(key);
    }
    for (const std::string& s : d.shape.required) name(s);
    for (const std::string& s : d.shape.forbidden) name(s);
    const std::optional<std::vector<std::string>> finite = finite_names(d.shape);
    if (finite) {
      for (const std::string& s : *finite) name(s);
    }
    for (const std::string& s : names) {
      const std::optional<Lits> child = shapes_.member(d.shape, s);
      if (!child) {
        d.object.forbidden.push_back(s);
      } else {
        d.object.members.push_back({s, node(*child), d.shape.required.contains(s)});
      }
    }
    if (finite) return;
    // Names that no pattern knows, and those of each pattern.
    std::vector<std::pair<DfaPtr, std::string>> patterns;
    Lits rest;
    for (const auto& part : d.shape.objects) {
      for (const auto& [dfa, lit] : part.patterns) {
        const bool there = std::ranges::any_of(patterns, [&](const auto& p) { return p.first == dfa; });
        if (!there) patterns.emplace_back(dfa, lit.pointer);
      }
      if (part.rest) rest.push_back(*part.rest);
    }
    add_class(d, nullptr, node(rest), "");
    for (const auto& [dfa, place] : patterns) {
      Lits child;
      for (const auto& part : d.shape.objects) {
        bool known_here = false;
        for (const auto& [own, lit] : part.patterns) {
          if (own == dfa) child.push_back(lit), known_here = true;
        }
        if (!known_here && part.rest) child.push_back(*part.rest);
      }
      add_class(d, dfa, node(child), place);
    }
  }

  // The names that propertyNames leaves when they can be told one by one.
  std::optional<std::vector<std::string>> finite_names(const Shape& shape) {
    if (shape.names.empty()) return std::nullopt;
    std::vector<std::string> out;
    for (const Shape& s : shapes_.expand(shape.names)) {
      if (s.values) {
        for (const Json& v : *s.values) {
          if (v.is_string()) out.push_back(v.as_string());
        }
      } else if ((s.types & type_bit::string) != 0) {
        if (!s.text) return std::nullopt;
        const auto list = list_texts(*s.text, 200);
        if (!list) return std::nullopt;
        out.insert(out.end(), list->begin(), list->end());
      }
    }
    return out;
  }

  void add_class(Draft& d, DfaPtr pattern, std::uint32_t child, const std::string& place) {
    std::vector<Shape> names;
    if (!d.shape.names.empty()) {
      names = shapes_.expand(d.shape.names);
      std::erase_if(names, [](const Shape& s) { return (s.types & type_bit::string) == 0; });
    } else {
      names.emplace_back();
    }
    for (const Shape& s : names) {
      if (s.values) continue;  // named one by one
      DfaPtr text = s.text;
      const std::string where = cat(what_, ": ", place);
      if (pattern) text = text ? std::make_shared<const Dfa>(combine(*text, *pattern, DfaOp::both, where)) : pattern;
      if (text && text->empty()) continue;
      d.object.classes.push_back({text_terminal(text, s.least_length, s.most_length, place), pattern, child});
    }
  }

  Terminal text_terminal(const DfaPtr& text, std::uint32_t least, std::uint32_t most, const std::string& place) {
    Terminal t;
    if (text) {
      DfaPtr& json = strings_[text];
      if (!json) json = std::make_shared<const Dfa>(json_string_of(*text));
      t.dfa = json;
    } else {
      t.dfa = std::shared_ptr<const Dfa>(std::shared_ptr<const Dfa>(), &any_json_string());
    }
    if (least == 0 && most == unlimited) return t;
    t.least = least, t.most = most;
    const std::uint32_t horizon = most == unlimited ? least + t.dfa->states() + 1 : most;
    std::optional<Lengths> lengths = string_lengths(*t.dfa, horizon);
    if (!lengths) shapes_.refuse(place, "this length cannot be enforced together with the pattern");
    t.lengths = std::make_shared<const Lengths>(std::move(*lengths));
    return t;
  }

  // The least nesting of a value for each node; `never` where none ends (Knuth 1977, a generalisation of Dijkstra's).
  void find_heights() {
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t i = nodes_.size(); i-- > 0;) {
        Node& n = nodes_[i];
        for (Draft& d : n.drafts) {
          if (d.shape.values) {
            std::uint32_t h = 0;
            for (const Json& v : *d.shape.values) h = v.is_array() || v.is_object() ? h : 0;
            changed |= lower(n.height, h);
            continue;
          }
          if ((d.shape.types & ~(type_bit::array | type_bit::object)) != 0) changed |= lower(n.height, 0);
          if ((d.shape.types & type_bit::array) != 0) changed |= lower(d.array_height, array_height(d));
          if ((d.shape.types & type_bit::object) != 0) changed |= lower(d.object_height, object_height(d));
          changed |= lower(n.height, std::min(d.array_height, d.object_height));
        }
      }
    }
  }
  static bool lower(std::uint32_t& field, std::uint32_t value) {
    if (value >= field) return false;
    field = value;
    return true;
  }

  std::uint32_t array_height(Draft& d) {
    std::uint32_t h = 0;
    const std::uint32_t least = d.shape.least_items;
    for (std::uint32_t i = 0; i < std::min<std::size_t>(least, d.array.prefix.size()); ++i) h = std::max(h, nodes_[d.array.prefix[i]].height);
    if (least > d.array.prefix.size()) h = std::max(h, nodes_[d.array.items].height);
    if (d.shape.unique && least > 1) {
      if (const std::optional<std::size_t> n = distinct_values(d); n && *n < least) return never;
    }
    return std::min(h + 1, never);
  }

  // How many items a list of distinct ones may have, where its items can be counted.
  std::optional<std::size_t> distinct_values(const Draft& d) {
    if (!d.array.prefix.empty()) return std::nullopt;
    std::set<std::string> seen;
    for (const Draft& item : nodes_[d.array.items].drafts) {
      const Shape& s = item.shape;
      if (s.values) {
        for (const Json& v : *s.values) seen.insert(canonical_value(v));
        continue;
      }
      if ((s.types & type_bit::null) != 0) seen.insert("null");
      if ((s.types & type_bit::no) != 0) seen.insert("false");
      if ((s.types & type_bit::yes) != 0) seen.insert("true");
      if ((s.types & type_bit::number) != 0) {
        const auto plan = NumberPlan::make(s.number, s.number_place);
        const auto values = plan ? plan->values(1000) : std::nullopt;
        if (!values) return std::nullopt;
        for (const double v : *values) seen.insert(canonical_value(Json(v)));
      }
      if ((s.types & type_bit::string) != 0) {
        const auto list = s.text ? list_texts(*s.text, 1000) : std::nullopt;
        if (!list) return std::nullopt;
        for (const std::string& v : *list) seen.insert(json_string_literal(v));
      }
      if ((s.types & (type_bit::array | type_bit::object)) != 0) return std::nullopt;
    }
    return seen.size();
  }

  std::uint32_t object_height(const Draft& d) const {
    std::uint32_t h = 0, members = 0;
    std::vector<std::uint32_t> more;
    for (const auto& m : d.object.members) {
      if (m.required) {
        h = std::max(h, nodes_[m.child].height);
        ++members;
      } else {
        more.push_back(nodes_[m.child].height);
      }
    }
    // A required name that cannot be there.
    if (members < d.shape.required.size()) return never;
    std::uint32_t other = never;
    for (const auto& c : d.object.classes) other = std::min(other, nodes_[c.child].height);
    std::ranges::sort(more);
    for (std::size_t i = 0; members < d.shape.least_members; ++members, ++i) {
      const std::uint32_t next = i < more.size() ? std::min(more[i], other) : other;
      h = std::max(h, next);
      if (i >= more.size()) break;  // the rest is as this one
    }
    return std::min(h + 1, never);
  }

  // Plans.
  void emit(Node& n, std::uint32_t value) {
    if (value == no_id) return;
    std::vector<Plan> plans;
    std::vector<Json> literals;
    for (Draft& d : n.drafts) {
      const Shape& s = d.shape;
      if (s.values) {
        literals.insert(literals.end(), s.values->begin(), s.values->end());
        continue;
      }
      if ((s.types & type_bit::null) != 0) literals.emplace_back(nullptr);
      if ((s.types & type_bit::no) != 0) literals.emplace_back(false);
      if ((s.types & type_bit::yes) != 0) literals.emplace_back(true);
      if ((s.types & type_bit::number) != 0) plans.push_back(number_plan(s));
      if ((s.types & type_bit::string) != 0) {
        plans.push_back({Plan::Kind::text, shared_terminal(text_terminal(s.text, s.least_length, s.most_length, s.text_place)), 0});
      }
      if (d.array_height < never) plans.push_back({Plan::Kind::array, array_plan(d), d.array_height});
      if (d.object_height < never) plans.push_back({Plan::Kind::object, object_plan(d), d.object_height});
    }
    if (!literals.empty()) plans.push_back({Plan::Kind::literals, literal_plan(literals), 0});
    std::vector<Plan> distinct;
    for (const Plan& plan : plans) {
      if (std::ranges::find(distinct, plan) == distinct.end()) distinct.push_back(plan);
    }
    p_.values[value].plans = std::move(distinct);
  }

  std::uint32_t shared_terminal(Terminal t) {
    const auto key = std::make_tuple(t.dfa.get(), t.least, t.most);
    const auto [place, fresh] = terminals_.try_emplace(key, 0);
    if (fresh) place->second = p_.add_terminal(std::move(t));
    return place->second;
  }

  Plan number_plan(const Shape& s) {
    if (s.number.free()) {
      static const DfaPtr integer = std::make_shared<const Dfa>(compile_pattern(parse_pattern(free_integer, "integer"), false, "integer"));
      static const DfaPtr number = std::make_shared<const Dfa>(compile_pattern(parse_pattern(free_number, "number"), false, "number"));
      Terminal t;
      t.dfa = s.number.integer ? integer : number;
      return {Plan::Kind::text, shared_terminal(std::move(t)), 0};
    }
    p_.numbers.push_back(*NumberPlan::make(s.number, s.number_place));
    return {Plan::Kind::number, static_cast<std::uint32_t>(p_.numbers.size() - 1), 0};
  }

  std::uint32_t literal_plan(const std::vector<Json>& values) {
    std::map<std::string, std::string> texts;
    for (const Json& v : values) texts.emplace(v.is_string() ? json_string_literal(v.as_string()) : dump_json(v), canonical_value(v));
    Literals out;
    for (auto& [text, canonical] : texts) {
      out.texts.push_back(text);
      out.canonical.push_back(canonical);
    }
    p_.literals.push_back(std::move(out));
    return static_cast<std::uint32_t>(p_.literals.size() - 1);
  }

  std::uint32_t array_plan(const Draft& d) {
    ArrayPlan out;
    out.least = d.shape.least_items, out.most = d.shape.most_items;
    out.unique = d.shape.unique;
    for (const std::uint32_t child : d.array.prefix) {
      if (nodes_[child].height >= never) {
        // No item can stand here, nor behind.
        out.most = std::min(out.most, static_cast<std::uint32_t>(out.prefix.size()));
        break;
      }
      out.prefix.push_back(values_[child]);
    }
    if (out.prefix.size() == d.array.prefix.size() && nodes_[d.array.items].height < never) out.items = values_[d.array.items];
    if (out.items == no_id) out.most = std::min(out.most, static_cast<std::uint32_t>(out.prefix.size()));
    p_.arrays.push_back(std::move(out));
    return static_cast<std::uint32_t>(p_.arrays.size() - 1);
  }

  std::uint32_t object_plan(const Draft& d) {
    ObjectPlan out;
    out.least = d.shape.least_members, out.most = d.shape.most_members;
    out.forbidden = d.object.forbidden;
    for (const auto& m : d.object.members) {
      if (nodes_[m.child].height >= never) {
        out.forbidden.push_back(m.name);
      } else {
        out.properties.push_back({m.name, values_[m.child], m.required});
        out.required += m.required;
      }
    }
    std::ranges::sort(out.properties, [](const auto& a, const auto& b) { return json_string_literal(a.name) < json_string_literal(b.name); });
    for (std::uint32_t i = 0; i < out.properties.size(); ++i) {
      out.names.push_back(json_string_literal(out.properties[i].name));
      out.index.emplace(out.properties[i].name, i);
    }
    std::ranges::sort(out.forbidden);
    for (const auto& c : d.object.classes) {
      if (nodes_[c.child].height >= never) {
        if (c.pattern) out.refused.push_back(c.pattern);
      } else {
        out.classes.push_back({shared_terminal(c.key), c.pattern, values_[c.child]});
      }
    }
    p_.objects.push_back(std::move(out));
    return static_cast<std::uint32_t>(p_.objects.size() - 1);
  }

  Program& p_;
  Shapes shapes_;
  std::string_view what_;
  std::deque<Node> nodes_;
  std::map<std::vector<std::pair<const Json*, bool>>, std::uint32_t> index_;
  std::map<DfaPtr, DfaPtr> strings_;
  std::map<std::tuple<const Dfa*, std::uint32_t, std::uint32_t>, std::uint32_t> terminals_;
  std::vector<std::uint32_t> values_;
};

}  // namespace

std::uint32_t compile_schema(Program& program, const Json& schema, std::string_view what) { return Compiler(program, schema, what).run(); }

}  // namespace tashika::grammar
