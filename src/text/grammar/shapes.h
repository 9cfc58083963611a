// Schemas as alternatives of plain shapes. Internal to the schema compiler.
//
// A place of a document must follow a set of schemas, some of them negated (`Lit`). Expanding the set gives shapes: each
// says for each type of value what is allowed, with no `anyOf`, `allOf`, `oneOf`, `not`, `if` or `$ref` left; what stands
// below is again a set of schemas. A value is allowed when one of the shapes allows it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "text/grammar/dfa.h"
#include "text/grammar/number.h"

namespace tashika::grammar {

// A schema and where it stands. Schemas that are made of others have the place of what they come from.
struct Lit {
  const Json* schema = nullptr;
  std::string pointer;
  bool negative = false;
  bool made = false;
};
using Lits = std::vector<Lit>;
using Choice = std::vector<Lits>;  // one of these sets holds

namespace type_bit {
inline constexpr unsigned null = 1, no = 2, yes = 4, number = 8, string = 16, array = 32, object = 64, all = 127;
}

struct Shape {
  unsigned types = type_bit::all;
  std::optional<std::vector<Json>> values;  // nothing but these
  std::vector<Json> excluded;
  NumberRules number;
  std::string number_place;
  // Strings: automata over the text itself.
  DfaPtr text;
  std::uint32_t least_length = 0, most_length = ~std::uint32_t{0};
  std::string text_place;
  // Arrays.
  struct ArrayPart {
    Lits prefix;
    std::optional<Lit> rest;
  };
  std::vector<ArrayPart> arrays;
  std::uint32_t least_items = 0, most_items = ~std::uint32_t{0};
  bool unique = false;
  // Objects.
  struct ObjectPart {
    const Json* properties = nullptr;
    std::vector<std::pair<DfaPtr, Lit>> patterns;
    std::optional<Lit> rest;
    std::string pointer;
    bool made = false;
  };
  std::vector<ObjectPart> objects;
  std::set<std::string> required, forbidden;
  Lits names;
  std::uint32_t least_members = 0, most_members = ~std::uint32_t{0};
  // The schemas of the document that this shape follows.
  Lits applied;

  bool accepts_scalar(const Json& value) const;
};

class Shapes {
 public:
  Shapes(const Json& root, std::string_view what) : root_(root), what_(what) {}

  // Shapes that allow something, as far as can be told without what stands below.
  std::vector<Shape> expand(const Lits& lits);
  // Nothing follows all of these schemas, certainly.
  bool impossible(const Lits& lits, int depth = 0);
  // What a member of this name must follow; nullopt: it must not be there.
  std::optional<Lits> member(const Shape& shape, const std::string& name);
  Lits item(const Shape& shape, std::size_t at) const;

  const Json& root() const { return root_; }
  std::string_view what() const { return what_; }
  [[noreturn]] void refuse(const std::string& pointer, std::string_view why) const;
  void spend(std::uint64_t n = 1);
  DfaPtr pattern(const std::string& source, const std::string& pointer);

 private:
  void apply(Shape& shape, const Lit& lit, std::vector<Choice>& choices);
  void apply_keyword(Shape& shape, const Lit& lit, const std::string& key, const Json& value, std::vector<Choice>& choices);
  bool apply_number(Shape& shape, const Lit& lit, const std::string& key, const Json& value);
  bool apply_string(Shape& shape, const Lit& lit, const std::string& key, const Json& value);
  bool apply_array(Shape& shape, const Lit& lit, const std::string& key, const Json& value);
  bool apply_object(Shape& shape, const Lit& lit, const std::string& key, const Json& value, std::vector<Choice>& choices);
  void apply_combined(Shape& shape, const Lit& lit, const std::string& key, const Json& value, std::vector<Choice>& choices);
  Choice one_of(const Lit& lit, const JsonArray& list);
  Choice negated(const Lit& lit);
  void negate_keyword(const Lit& lit, const std::string& key, const Json& value, Choice& out);
  void settle(Shape& shape);
  Json evaluated(const Json& schema, const std::string& pointer, int depth);
  const Json* resolve(const Lit& lit, const Json& ref, std::string& pointer);
  Lit below(const Lit& lit, std::string_view key, const Json& schema) const;
  Lit made(const Lit& lit, Json schema);
  std::uint32_t count(const Lit& lit, const std::string& key, const Json& value) const;
  void join_text(Shape& shape, const DfaPtr& dfa, DfaOp op, const std::string& place);

  const Json& root_;
  std::string_view what_;
  std::deque<Json> made_;
  std::map<std::string, DfaPtr> patterns_;
  std::uint64_t work_ = 0;
  int nesting_ = 0;
};

std::string pointer_token(std::string_view key);  // "~" and "/" escaped
Decimal exact_number(const Json& value, std::string_view place);

}  // namespace tashika::grammar
