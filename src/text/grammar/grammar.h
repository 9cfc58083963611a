// Grammars: what a generated text may be, applied as masks over token ids.
//
// A Grammar is compiled once (JSON schema, JSON mode, regular expression, GBNF, or a composition of these), is
// immutable, cheap to copy and may be shared by threads. A GrammarVocabulary is made once for each tokenizer. A
// GrammarState is one text in the making: a value; copies share structure, so forking costs little, and a rollback is
// going back to a copy.
//
//   GrammarVocabulary vocabulary(tokenizer, model_width);
//   GrammarState state(Grammar::json_schema(schema), vocabulary);
//   TokenMask mask;
//   state.mask(mask);              // which ids may come next
//   state.accept(id);              // Error when the id may not come
//   if (state.must_end()) …        // complete, and nothing may follow
//
// A token whose bytes cross the grammar's end is forbidden. Special tokens are forbidden unless the grammar names them
// (GrammarBuilder::special); the ids that end a text are allowed where the grammar may end.
//
// Schemas (draft 2020-12 and the older spellings of `definitions`, `items` and `dependencies`): a keyword that cannot be
// enforced is Error(input) whose message holds its JSON pointer ("schema: /properties/a/contains: …"); unknown keywords
// are annotations. Objects take their members in any order and no key twice; between tokens stand at most one space, or
// a newline and up to 40 blanks. Numbers are written with at most 18 digits before the point.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tashika {

class Json;
class Tokenizer;

namespace grammar {
struct Program;
struct Thread;
class TokenTrie;
class MaskCache;
}  // namespace grammar

class Grammar {
 public:
  // `what` names the source in messages. Error(input) when the text is wrong or cannot be enforced, Error(limit) when it
  // is too large.
  static Grammar json_schema(const Json& schema, std::string_view what = "schema");
  static Grammar json_object();  // JSON mode: any object
  static Grammar json_value();   // any JSON value
  // The whole text matches (ECMAScript's syntax, without back references and looks in the middle); no anchors needed.
  static Grammar regex(std::string_view pattern, std::string_view what = "regex");
  // llama.cpp's grammar notation; the rule `root` is the start.
  static Grammar gbnf(std::string_view text, std::string_view what = "grammar");

  // The schema that the finished text is validated against; null when there is none.
  const Json* schema() const;
  const std::shared_ptr<const grammar::Program>& program() const { return program_; }

 private:
  friend class GrammarBuilder;
  explicit Grammar(std::shared_ptr<const grammar::Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const grammar::Program> program_;
};

// Composes a grammar of parts: a tool call is fixed text around arguments that follow a schema.
//
//   GrammarBuilder b;
//   auto call = b.sequence({b.literal("<tool_call>\n"), b.schema(parameters), b.literal("\n</tool_call>")});
//   Grammar g = b.build(call);
class GrammarBuilder {
 public:
  struct Part {
    std::uint32_t node;
  };
  GrammarBuilder();
  ~GrammarBuilder();
  Part literal(std::string_view text);
  Part special(std::int32_t id);  // a special token, by its id
  // `text` as the special token that is spelled so, else as plain text.
  Part marker(const Tokenizer& tokenizer, std::string_view text);
  Part schema(const Json& schema, std::string_view what = "schema");
  Part regex(std::string_view pattern, std::string_view what = "regex");
  // Any text that does not hold `stop`.
  Part text_without(std::string_view stop);
  Part sequence(const std::vector<Part>& parts);
  Part any_of(const std::vector<Part>& parts);
  static constexpr std::uint32_t unlimited = ~std::uint32_t{0};
  Part repeat(Part part, std::uint32_t least, std::uint32_t most = unlimited);
  Grammar build(Part root);

 private:
  std::unique_ptr<grammar::Program> program_;
};

// Token ids as bits.
class TokenMask {
 public:
  void reset(std::size_t size) {
    size_ = size;
    words_.assign((size + 63) / 64, 0);
  }
  std::size_t size() const { return size_; }
  bool operator[](std::int32_t id) const {
    return id >= 0 && static_cast<std::size_t>(id) < size_ && ((words_[static_cast<std::size_t>(id) >> 6] >> (id & 63)) & 1) != 0;
  }
  void allow(std::int32_t id) {
    if (id >= 0 && static_cast<std::size_t>(id) < size_) words_[static_cast<std::size_t>(id) >> 6] |= std::uint64_t{1} << (id & 63);
  }
  void forbid(std::int32_t id) {
    if (id >= 0 && static_cast<std::size_t>(id) < size_) words_[static_cast<std::size_t>(id) >> 6] &= ~(std::uint64_t{1} << (id & 63));
  }
  std::size_t count() const;
  std::span<std::uint64_t> words() { return words_; }
  std::span<const std::uint64_t> words() const { return words_; }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t size_ = 0;
};

// A tokenizer's tokens as bytes, and masks computed before. Thread-safe; cheap to copy (shared).
class GrammarVocabulary {
 public:
  // `width`: ids of the model's logits; 0: the tokenizer's.
  explicit GrammarVocabulary(const Tokenizer& tokenizer, std::int64_t width = 0);
  // Token i stands for tokens[i]; empty: never allowed. `special[i]`: allowed only where a grammar names it.
  explicit GrammarVocabulary(const std::vector<std::string>& tokens, const std::vector<bool>& special = {});

  std::size_t width() const;
  const grammar::TokenTrie& trie() const { return *trie_; }
  grammar::MaskCache& cache() const { return *cache_; }

 private:
  std::shared_ptr<const grammar::TokenTrie> trie_;
  std::shared_ptr<grammar::MaskCache> cache_;
};

class GrammarState {
 public:
  // `end_tokens`: ids that end a text.
  GrammarState(Grammar grammar, GrammarVocabulary vocabulary, std::span<const std::int32_t> end_tokens = {});
  ~GrammarState();
  GrammarState(const GrammarState& other);
  GrammarState(GrammarState&& other) noexcept;
  GrammarState& operator=(const GrammarState& other);
  GrammarState& operator=(GrammarState&& other) noexcept;

  // Sizes the mask to the vocabulary's width and fills it. After the end nothing is allowed.
  void mask(TokenMask& out) const;
  bool allows(std::int32_t id) const;
  void accept(std::int32_t id);             // Error(input) when the id may not come here
  bool accept_bytes(std::string_view bytes);  // false (and unchanged) when they may not come here

  bool may_end() const;           // the text so far is complete
  bool must_end() const;          // … and no byte can follow
  bool ended() const { return ended_; }  // an end token was accepted
  // The text so far, markers of special tokens included.
  const std::string& text() const { return text_; }
  const Grammar& grammar() const { return grammar_; }
  std::size_t threads() const;  // parallel readings of the text

 private:
  Grammar grammar_;
  GrammarVocabulary vocabulary_;
  std::vector<std::int32_t> end_tokens_;
  std::vector<grammar::Thread> threads_;
  std::string text_;
  bool ended_ = false;
};

}  // namespace tashika
