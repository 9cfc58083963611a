// JSON schema validation: does a finished value follow a schema?
//
// Draft 2020-12 with the older spellings; reads the schema as it is written, so that it can check what the grammar
// compiler made of it. Numbers compare as doubles, `multipleOf` by exact decimals, lengths by code points.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace tashika {

namespace grammar {
struct Dfa;
}

class SchemaValidator {
 public:
  // `root` is what references point into; it must outlive the validator.
  explicit SchemaValidator(const Json& root) : root_(root) {}

  // What is wrong first: "/items/3: minimum" (where in the value, which keyword); nullopt when all is right. Throws Error
  // when the schema itself is wrong, or needs what is not supported.
  std::optional<std::string> check(const Json& value) { return check(root_, value); }
  std::optional<std::string> check(const Json& schema, const Json& value);

 private:
  bool valid(const Json& schema, const Json& value, const std::string& path, int depth);
  bool keyword(const Json& schema, const std::string& key, const Json& want, const Json& value, const std::string& path, int depth);
  bool object_keyword(const Json& schema, const std::string& key, const Json& want, const Json& value, const std::string& path, int depth);
  bool array_keyword(const Json& schema, const std::string& key, const Json& want, const Json& value, const std::string& path, int depth);
  bool wrong(const std::string& path, std::string_view key);
  bool matches(const std::string& pattern, const std::string& text);
  bool format(const std::string& name, const std::string& text);
  bool evaluated(const Json& schema, const Json& value, const std::string& name, int depth);

  const Json& root_;
  std::string problem_;
  std::map<std::string, std::shared_ptr<const grammar::Dfa>> patterns_;
  std::uint64_t work_ = 0;
};

// One check of `value` against `schema`, whose references point into `root`.
std::optional<std::string> find_schema_violation(const Json& schema, const Json& value, const Json& root);

// "#", "#/…" (percent and ~ escapes) or "#anchor" within `root`. Null with `problem` filled when there is no such place;
// `pointer` gets the place as a plain JSON pointer.
const Json* resolve_schema_reference(const Json& root, std::string_view reference, std::string* pointer, std::string* problem);

}  // namespace tashika
