#include "text/post_processor.h"

#include <map>
#include <optional>

namespace tashika {
namespace {

struct Special {
  std::vector<TokenId> ids;
  std::vector<std::string> tokens;
};

class Sequence final : public PostProcessor {
 public:
  std::vector<std::unique_ptr<const PostProcessor>> parts;
  void apply(Encoding& encoding, bool add_special, bool with_tokens) const override {
    for (const auto& p : parts) p->apply(encoding, add_special, with_tokens);
  }
};

// Trims offsets only: nothing to do for ids.
class ByteLevel final : public PostProcessor {
 public:
  void apply(Encoding&, bool, bool) const override {}
};

class Template final : public PostProcessor {
 public:
  std::vector<std::optional<Special>> pieces;  // empty: the text itself
  void apply(Encoding& encoding, bool add_special, bool with_tokens) const override {
    Encoding out;
    for (const auto& piece : pieces) {
      const auto& ids = piece ? piece->ids : encoding.ids;
      const auto& tokens = piece ? piece->tokens : encoding.tokens;
      if (piece && !add_special) continue;
      out.ids.insert(out.ids.end(), ids.begin(), ids.end());
      if (with_tokens) out.tokens.insert(out.tokens.end(), tokens.begin(), tokens.end());
    }
    encoding = std::move(out);
  }
};

// ["[SEP]", 102]
Special pair_of(const Fields& f, std::string_view key) {
  const JsonArray& pair = f.array(key);
  if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_integer()) f.wrong(key, f.required(key), "[token, id]");
  const std::int64_t id = pair[1].as_integer();
  if (id < 0 || id >= max_token_id) fail(f.place(key), ": ", id, " is no token id");
  return {{static_cast<TokenId>(id)}, {pair[0].as_string()}};
}

std::unique_ptr<const PostProcessor> make_template(const Fields& f) {
  auto out = std::make_unique<Template>();
  std::map<std::string, Special> specials;
  for (const auto& [name, value] : f.object("special_tokens").entries()) {
    const Fields s(value, cat(f.place("special_tokens"), ".", name));
    Special special;
    for (const Json& id : s.array("ids")) {
      if (!id.is_integer() || id.as_integer() < 0 || id.as_integer() >= max_token_id) s.wrong("ids", id, "a token id");
      special.ids.push_back(static_cast<TokenId>(id.as_integer()));
    }
    for (const Json& token : s.array("tokens")) {
      if (!token.is_string()) s.wrong("tokens", token, "a string");
      special.tokens.push_back(token.as_string());
    }
    if (special.ids.size() != special.tokens.size()) fail(s.where(), ": ", special.ids.size(), " ids but ", special.tokens.size(), " tokens");
    specials.emplace(name, std::move(special));
  }
  const JsonArray& single = f.array("single");
  std::size_t texts = 0;
  for (std::size_t i = 0; i < single.size(); ++i) {
    const Fields piece(single[i], cat(f.place("single"), "[", i, "]"));
    if (piece.find("Sequence")) {
      const std::string& which = piece.fields("Sequence").string("id");
      if (which != "A") fail(piece.where(), ": the template of a single text uses sequence '", which, "'");
      out->pieces.push_back(std::nullopt);
      ++texts;
    } else {
      const std::string& name = piece.fields("SpecialToken").string("id");
      const auto found = specials.find(name);
      if (found == specials.end()) fail(piece.where(), ": '", name, "' is not among special_tokens");
      out->pieces.push_back(found->second);
    }
  }
  if (texts > 8) fail(f.place("single"), ": repeats the text ", texts, " times");
  return out;
}

}  // namespace

std::unique_ptr<const PostProcessor> around(std::optional<std::pair<TokenId, std::string>> before,
                                            std::optional<std::pair<TokenId, std::string>> after) {
  auto out = std::make_unique<Template>();
  if (before) out->pieces.push_back(Special{{before->first}, {before->second}});
  out->pieces.push_back(std::nullopt);
  if (after) out->pieces.push_back(Special{{after->first}, {after->second}});
  return out;
}

std::unique_ptr<const PostProcessor> make_post_processor(const Fields& f, int depth) {
  if (depth > max_component_depth) fail(f.where(), ": sequences nested more than ", max_component_depth, " deep");
  const std::string& type = f.string("type");
  if (type == "Sequence") {
    auto out = std::make_unique<Sequence>();
    const JsonArray& parts = f.array("processors");
    for (std::size_t i = 0; i < parts.size(); ++i) {
      out->parts.push_back(make_post_processor(Fields(parts[i], cat(f.place("processors"), "[", i, "]")), depth + 1));
    }
    return out;
  }
  if (type == "ByteLevel") return std::make_unique<ByteLevel>();
  if (type == "TemplateProcessing") return make_template(f);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    auto out = std::make_unique<Template>();
    out->pieces = {pair_of(f, "cls"), std::nullopt, pair_of(f, "sep")};
    return out;
  }
  fail(f.where(), ": unknown post-processor type '", type, "'");
}

}  // namespace tashika
