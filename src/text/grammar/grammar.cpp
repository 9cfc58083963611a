#include "text/grammar/grammar.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "text/grammar/mask.h"
#include "text/grammar/program.h"
#include "text/tokenizer.h"

namespace tashika {

using grammar::Expr;
using grammar::Machine;
using grammar::Program;
using grammar::Thread;

namespace {

std::uint32_t add_automaton(Program& p, grammar::Dfa dfa) {
  grammar::Terminal t;
  t.dfa = std::make_shared<const grammar::Dfa>(std::move(dfa));
  return p.add({Expr::Kind::text, p.add_terminal(std::move(t)), {}, 0, 0, false});
}

}  // namespace

Grammar Grammar::json_schema(const Json& schema, std::string_view what) {
  GrammarBuilder b;
  return b.build(b.schema(schema, what));
}

Grammar Grammar::json_object() {
  Json schema;
  schema.set("type", "object");
  return json_schema(schema, "JSON mode");
}

Grammar Grammar::json_value() { return json_schema(Json(true), "JSON"); }

Grammar Grammar::regex(std::string_view pattern, std::string_view what) {
  GrammarBuilder b;
  return b.build(b.regex(pattern, what));
}

Grammar Grammar::gbnf(std::string_view text, std::string_view what) {
  auto program = std::make_shared<Program>();
  program->root = grammar::compile_gbnf(*program, text, what);
  grammar::settle(*program, what);
  return Grammar(std::move(program));
}

const Json* Grammar::schema() const { return program_->schema ? &*program_->schema : nullptr; }

GrammarBuilder::GrammarBuilder() : program_(std::make_unique<Program>()) {}
GrammarBuilder::~GrammarBuilder() = default;

GrammarBuilder::Part GrammarBuilder::literal(std::string_view text) {
  return {add_automaton(*program_, grammar::compile_rx(grammar::rx_bytes(std::string(text)), false, "literal"))};
}

GrammarBuilder::Part GrammarBuilder::special(std::int32_t id) { return literal(grammar::special_spelling(id)); }

GrammarBuilder::Part GrammarBuilder::marker(const Tokenizer& tokenizer, std::string_view text) {
  const std::optional<TokenId> id = tokenizer.id(text);
  return id && tokenizer.kind(*id).special ? special(*id) : literal(text);
}

GrammarBuilder::Part GrammarBuilder::schema(const Json& schema, std::string_view what) {
  const std::uint32_t value = grammar::compile_schema(*program_, schema, what);
  const std::uint32_t e = program_->add({Expr::Kind::value, value, {}, 0, 0, false});
  program_->schema = schema;
  return {e};
}

GrammarBuilder::Part GrammarBuilder::regex(std::string_view pattern, std::string_view what) {
  return {add_automaton(*program_, grammar::compile_pattern(grammar::parse_pattern(pattern, what), false, what))};
}

GrammarBuilder::Part GrammarBuilder::text_without(std::string_view stop) {
  const grammar::Dfa with = grammar::compile_rx(grammar::rx_bytes(std::string(stop)), true, "text");
  return {add_automaton(*program_, grammar::combine(grammar::any_text(), with, grammar::DfaOp::first_without_second, "text"))};
}

GrammarBuilder::Part GrammarBuilder::sequence(const std::vector<Part>& parts) {
  if (parts.empty()) return literal("");
  std::vector<std::uint32_t> nodes;
  for (const Part& part : parts) nodes.push_back(part.node);
  return {program_->add({Expr::Kind::sequence, 0, std::move(nodes), 0, 0, false})};
}

GrammarBuilder::Part GrammarBuilder::any_of(const std::vector<Part>& parts) {
  std::vector<std::uint32_t> nodes;
  for (const Part& part : parts) nodes.push_back(part.node);
  return {program_->add({Expr::Kind::any_of, 0, std::move(nodes), 0, 0, false})};
}

GrammarBuilder::Part GrammarBuilder::repeat(Part part, std::uint32_t least, std::uint32_t most) {
  return {program_->add({Expr::Kind::repeat, 0, {part.node}, least, most, false})};
}

Grammar GrammarBuilder::build(Part root) {
  program_->root = root.node;
  if (program_->exprs[root.node].kind != Expr::Kind::value) program_->schema.reset();
  grammar::settle(*program_, "grammar");
  std::shared_ptr<const Program> done = std::move(program_);
  program_ = std::make_unique<Program>();
  return Grammar(std::move(done));
}

std::size_t TokenMask::count() const {
  std::size_t n = 0;
  for (const std::uint64_t w : words_) n += static_cast<std::size_t>(std::popcount(w));
  return n;
}

GrammarVocabulary::GrammarVocabulary(const Tokenizer& tokenizer, std::int64_t width) : cache_(std::make_shared<grammar::MaskCache>()) {
  const auto n = static_cast<std::size_t>(std::max<std::int64_t>(width, tokenizer.id_limit()));
  std::vector<std::string> tokens(n);
  std::vector<bool> special(n, false);
  for (TokenId id = 0; id < tokenizer.id_limit(); ++id) {
    if (!tokenizer.has(id)) continue;
    const TokenKind kind = tokenizer.kind(id);
    if (kind.unknown) continue;
    const auto i = static_cast<std::size_t>(id);
    special[i] = kind.special;
    tokens[i] = tokenizer.token_bytes(id);
  }
  if (width > 0) tokens.resize(static_cast<std::size_t>(width)), special.resize(static_cast<std::size_t>(width));
  trie_ = std::make_shared<const grammar::TokenTrie>(tokens, special);
}

GrammarVocabulary::GrammarVocabulary(const std::vector<std::string>& tokens, const std::vector<bool>& special)
    : trie_(std::make_shared<const grammar::TokenTrie>(tokens, special)), cache_(std::make_shared<grammar::MaskCache>()) {}

std::size_t GrammarVocabulary::width() const { return trie_->width(); }

GrammarState::GrammarState(Grammar grammar, GrammarVocabulary vocabulary, std::span<const std::int32_t> end_tokens)
    : grammar_(std::move(grammar)), vocabulary_(std::move(vocabulary)), end_tokens_(end_tokens.begin(), end_tokens.end()) {
  Machine(*grammar_.program()).begin(threads_);
}

GrammarState::~GrammarState() = default;
GrammarState::GrammarState(const GrammarState& other) = default;
GrammarState::GrammarState(GrammarState&& other) noexcept = default;
GrammarState& GrammarState::operator=(const GrammarState& other) = default;
GrammarState& GrammarState::operator=(GrammarState&& other) noexcept = default;

void GrammarState::mask(TokenMask& out) const {
  out.reset(vocabulary_.width());
  if (ended_) return;
  Machine machine(*grammar_.program());
  grammar::fill_mask(machine, vocabulary_.trie(), vocabulary_.cache(), threads_, text_, out);
  // An id that ends a text may have bytes of its own; it stands for the end only.
  const bool end = may_end();
  for (const std::int32_t id : end_tokens_) {
    if (end) {
      out.allow(id);
    } else {
      out.forbid(id);
    }
  }
}

bool GrammarState::accept_bytes(std::string_view bytes) {
  if (ended_) return false;
  Machine machine(*grammar_.program());
  std::vector<Thread> now = threads_, next;
  const std::size_t size = text_.size();
  for (const char c : bytes) {
    text_ += c;
    next.clear();
    for (const Thread& t : now) machine.step(t, static_cast<std::uint8_t>(c), text_, next);
    if (next.empty()) {
      text_.resize(size);
      return false;
    }
    machine.dedupe(next);
    now.swap(next);
  }
  threads_ = std::move(now);
  return true;
}

bool GrammarState::allows(std::int32_t id) const {
  if (ended_ || id < 0 || static_cast<std::size_t>(id) >= vocabulary_.width()) return false;
  if (std::ranges::find(end_tokens_, id) != end_tokens_.end()) return may_end();
  const std::string_view bytes = vocabulary_.trie().bytes(id);
  if (bytes.empty()) return false;
  GrammarState copy = *this;
  return copy.accept_bytes(bytes);
}

void GrammarState::accept(std::int32_t id) {
  if (!ended_ && std::ranges::find(end_tokens_, id) != end_tokens_.end() && may_end()) {
    ended_ = true;
    return;
  }
  const bool known = id >= 0 && static_cast<std::size_t>(id) < vocabulary_.width();
  const std::string_view bytes = known ? vocabulary_.trie().bytes(id) : std::string_view();
  if (bytes.empty() || !accept_bytes(bytes)) fail("token ", id, " does not follow the grammar behind ", text_.size(), " bytes");
}

std::size_t GrammarState::threads() const { return threads_.size(); }

bool GrammarState::may_end() const {
  if (ended_) return true;
  Machine machine(*grammar_.program());
  return machine.may_end(threads_, text_);
}

bool GrammarState::must_end() const {
  if (ended_) return true;
  bool end = false;
  for (const Thread& t : threads_) {
    if (t.kind != Thread::Kind::end) return false;
    end = true;
  }
  return end;
}

}  // namespace tashika
