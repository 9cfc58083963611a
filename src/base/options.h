// Options: each declared once, beside the struct field that it fills.
//
// A struct of settings lists its fields in a function of its own:
//
//   void describe(Options& o, SamplingOptions& s) {
//     o.group("Sampling");
//     o.value("--top-k", "N", s.top_k, "keep the N likeliest tokens; 0: all").range(0, max_int);
//   }
//
// From that one line come the flag (and `--no-x` of a switch), its twin in the environment
// (TASHIKA_TOP_K), the field of a JSON request (top_k), the help with its default, the shell
// completions and the man page. The field's value at the time of the call is the default.
//
// Wrong values throw Error(usage) that names the option and says what was expected. The references
// must stay valid for as long as the Options live.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace tashika {

// What a value is, for shell completion.
enum class ValueHint { none, file, folder, model, verb };

struct Option {
  std::vector<std::string> flags;    // "-n", "--n-predict", …: the first long one names the rest
  std::string placeholder;           // "N"; empty: a switch
  std::string help;
  std::string group;                 // heading in the help
  std::string fallback;              // the default as text; empty: none worth telling
  std::vector<std::string> choices;  // empty: anything
  ValueHint hint = ValueHint::none;
  bool on_by_default = false;  // a switch that help shows as --no-x
  bool repeats = false;
  bool given = false;  // by the command line or the environment
  double low = -1e308, high = 1e308;  // of a number

  // Both throw Error(usage). `where` names the source in the message: "--top-k", "TASHIKA_TOP_K".
  std::function<void(std::string_view text, std::string_view where)> set;
  std::function<void(const Json& value, std::string_view where)> set_json;

  bool is_switch() const { return placeholder.empty(); }
  std::string name() const;  // "top_k"
  std::string env() const;   // "TASHIKA_TOP_K"

  Option& range(double least, double most) {
    low = least, high = most;
    return *this;
  }
  Option& completes(ValueHint what) {
    hint = what;
    return *this;
  }
  Option& shown_as(std::string text) {  // the default, where the field's value says little
    fallback = std::move(text);
    return *this;
  }
};

struct Positional {
  std::string placeholder;
  std::string help;
  bool required = true;
  bool rest = false;  // takes all that follow
  ValueHint hint = ValueHint::none;
  std::function<void(std::string_view)> set;
  std::function<bool()> skip;  // asked once all options are set: an option has given it already

  Positional& optional() {
    required = false;
    return *this;
  }
  Positional& completes(ValueHint what) {
    hint = what;
    return *this;
  }
};

class Options {
 public:
  Options() = default;
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  void group(std::string heading) { group_ = std::move(heading); }

  // `flags`: separated by ", ". The returned references stay valid.
  Option& toggle(std::string_view flags, bool& field, std::string_view help);
  Option& value(std::string_view flags, std::string_view placeholder, int& field, std::string_view help);
  Option& value(std::string_view flags, std::string_view placeholder, std::int64_t& field, std::string_view help);
  Option& value(std::string_view flags, std::string_view placeholder, float& field, std::string_view help);
  Option& value(std::string_view flags, std::string_view placeholder, std::string& field, std::string_view help);
  Option& value(std::string_view flags, std::string_view placeholder, std::optional<std::string>& field, std::string_view help);
  // May be given several times; each adds one.
  Option& value(std::string_view flags, std::string_view placeholder, std::vector<std::string>& field, std::string_view help);
  // A comma-separated list of numbers from 0.
  Option& value(std::string_view flags, std::string_view placeholder, std::vector<std::int64_t>& field, std::string_view help);
  template <typename E>
  Option& choice(std::string_view flags, std::string_view placeholder, E& field,
                 std::initializer_list<std::pair<std::string_view, E>> table, std::string_view help) {
    std::vector<std::pair<std::string, E>> rows(table.begin(), table.end());
    std::vector<std::string> names;
    std::string fallback;
    for (const auto& [name, value] : rows) {
      names.push_back(name);
      if (value == field) fallback = name;
    }
    return choice_of(flags, placeholder, std::move(names), std::move(fallback), help,
                     [&field, rows](std::size_t i) { field = rows[i].second; });
  }
  // Anything else: `set` parses the text and throws Error(usage) by itself.
  Option& custom(std::string_view flags, std::string_view placeholder, std::string_view help,
                 std::function<void(std::string_view text, std::string_view where)> set);

  Positional& positional(std::string_view placeholder, std::string& field, std::string_view help);
  Positional& positional(std::string_view placeholder, std::optional<std::string>& field, std::string_view help);  // not required
  Positional& positional(std::string_view placeholder, std::vector<std::string>& field, std::string_view help);  // the rest

  const std::deque<Option>& all() const { return options_; }
  std::deque<Positional>& positionals() { return positionals_; }
  const std::deque<Positional>& positionals() const { return positionals_; }
  std::deque<Option>& all() { return options_; }
  Option* find_flag(std::string_view flag);  // exact spelling; null when unknown
  Option* find_name(std::string_view name);  // "top_k", or any long flag without its dashes

 private:
  Option& add(std::string_view flags, std::string_view placeholder, std::string_view help);
  template <typename T>
  Option& number(std::string_view flags, std::string_view placeholder, T& field, std::string_view help);
  Option& choice_of(std::string_view flags, std::string_view placeholder, std::vector<std::string> names, std::string fallback,
                    std::string_view help, std::function<void(std::size_t)> set);
  std::deque<Option> options_;
  std::deque<Positional> positionals_;
  std::string group_;
};

// "1", "on", "true", "yes", "enabled" and their opposites; Error(usage) for anything else.
bool parse_switch(std::string_view text, std::string_view where);
// Whole text, Error(usage) naming `where` otherwise.
std::int64_t parse_integer(std::string_view text, std::string_view where);
double parse_number(std::string_view text, std::string_view where);
// "1,5,9", spaces around them allowed. Error(usage) for what is no list of whole numbers; Error(input) for a number
// outside 0 to 2^31 - 1, which no model has.
std::vector<std::int64_t> parse_id_list(std::string_view text, std::string_view where);

// Edits (insert, delete, change, swap of neighbours) between two words.
int edit_distance(std::string_view a, std::string_view b);
// The nearest of `known` when it is near enough to be what was meant; else empty.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

}  // namespace tashika
