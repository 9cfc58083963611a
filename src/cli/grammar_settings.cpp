#include "cli/grammar_settings.h"

#include "base/error.h"
#include "base/file.h"
#include "text/json_schema.h"

namespace tashika::cli {
namespace {

constexpr std::uint64_t max_grammar = 16 << 20;

// "@FILE" is what the file holds.
std::string text_or_file(const std::string& value) { return value.starts_with('@') ? read_file(value.substr(1), max_grammar) : value; }

}  // namespace

void describe(Options& o, GrammarSettings& s) {
  o.group("Structured output");
  o.value("-j, --json-schema", "JSON", s.json_schema, "answer with JSON that follows this schema; @FILE reads it from a file");
  o.toggle("--json-object", s.json_object, "answer with a JSON object");
  o.value("--regex", "PATTERN", s.regex, "answer with a text that this pattern matches as a whole; linear time");
  o.value("--grammar", "GBNF", s.grammar, "answer by this grammar, in llama.cpp's notation; its start is the rule root");
  o.value("--grammar-file", "FILE", s.grammar_file, "… read from a file").completes(ValueHint::file);
}

std::optional<Grammar> GrammarSettings::compile() const {
  const int given = json_schema.has_value() + grammar.has_value() + grammar_file.has_value() + regex.has_value() + json_object;
  if (given > 1) fail_with(ErrorKind::usage, "give one of --json-schema, --json-object, --regex, --grammar and --grammar-file");
  if (given == 0) return std::nullopt;
  try {
    if (json_schema) return Grammar::json_schema(parse_json(text_or_file(*json_schema), "--json-schema"), "--json-schema");
    if (regex) return Grammar::regex(*regex, "--regex");
    if (grammar) return Grammar::gbnf(*grammar, "--grammar");
    if (grammar_file) return Grammar::gbnf(read_file(*grammar_file, max_grammar), *grammar_file);
    return Grammar::json_object();
  } catch (const Error& error) {
    fail_with(ErrorKind::usage, error.message());
  }
}

GrammarState grammar_start(const Grammar& grammar, const Tokenizer& tokenizer, std::int64_t width, const std::vector<std::int32_t>& end_tokens) {
  return GrammarState(grammar, GrammarVocabulary(tokenizer, width), end_tokens);
}

void check_answer(const Sequence& sequence, Log& log) {
  const GrammarState* state = sequence.grammar();
  if (state == nullptr) return;
  if (!state->may_end()) {
    log.write(LogLevel::warn, cat("the answer was cut (", finish_name(sequence.finished()), ") before it was complete"));
    return;
  }
  const Json* schema = state->grammar().schema();
  if (schema == nullptr) return;
  if (const auto problem = find_schema_violation(*schema, parse_json(state->text(), "answer"), *schema)) {
    fail_with(ErrorKind::internal, cat("the answer does not follow its schema: ", *problem));
  }
}

}  // namespace tashika::cli
