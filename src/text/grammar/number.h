// Numbers of a schema: which texts may be written, digit by digit.
//
// Only plain decimals are written (no exponent), so a prefix stands for intervals of values; a prefix is viable when one
// of them holds an allowed value, found by trying multiples from both ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tashika::grammar {

__extension__ using Wide = __int128;

// digits · 10^exponent, exact for what JSON texts hold.
struct Decimal {
  Wide digits = 0;
  int exponent = 0;
};
// The shortest decimal that reads back as `value`; nullopt beyond 36 digits or for non-finite numbers.
std::optional<Decimal> decimal_of(double value);
std::optional<Decimal> decimal_of(std::int64_t value);
// a / b is whole; nullopt when it cannot be told exactly.
std::optional<bool> is_multiple(Decimal a, Decimal b);

struct NumberRules {
  bool integer = false;      // whole numbers only
  bool not_integer = false;  // no whole numbers
  struct Bound {
    Decimal value;
    double as_double = 0;
    bool exclusive = false;
  };
  std::optional<Bound> least, most;
  struct Multiple {
    Decimal of;
    double as_double = 0;
    bool is_integer = false;  // written without a fraction
  };
  std::vector<Multiple> multiples, not_multiples;
  std::vector<double> excluded;

  bool free() const { return !not_integer && !least && !most && multiples.empty() && not_multiples.empty() && excluded.empty(); }
  void at_least(Bound b);
  void at_most(Bound b);
};

class NumberPlan {
 public:
  // nullopt: no number is allowed (or none that could be written). Error(input) naming `what` when the rules are beyond
  // exact arithmetic.
  static std::optional<NumberPlan> make(const NumberRules& rules, std::string_view what);

  // `besides`: further values that are not allowed (a list's items so far).
  bool viable(std::string_view prefix, const std::vector<double>& besides) const;
  bool accepts(std::string_view text, const std::vector<double>& besides) const;
  // Every allowed value when there are at most `most`.
  std::optional<std::vector<double>> values(std::size_t most) const;

 private:
  bool allowed(Wide value, const std::vector<double>& besides) const;
  bool any_between(Wide low, Wide high, const std::vector<double>& besides) const;
  NumberRules rules_;
  int whole_digits_ = 18, fraction_digits_ = 0;
  Wide unit_ = 1;  // 10^fraction_digits
  Wide low_ = 0, high_ = 0, step_ = 1;
  bool plain_ = true;  // bounds and step say all
};

}  // namespace tashika::grammar
