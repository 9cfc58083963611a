#include "text/grammar/number.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/json.h"

namespace tashika::grammar {
namespace {

constexpr int max_digits = 36;

std::optional<Wide> power(int n) {
  if (n < 0 || n > max_digits) return std::nullopt;
  Wide out = 1;
  for (int i = 0; i < n; ++i) out *= 10;
  return out;
}

std::optional<Wide> scaled(const Decimal& d, int exponent) {
  if (d.digits == 0) return Wide{0};
  const std::optional<Wide> p = power(d.exponent + exponent);
  Wide out = 0;
  if (!p || __builtin_mul_overflow(d.digits, *p, &out)) return std::nullopt;
  return out;
}

Wide gcd(Wide a, Wide b) {
  while (b != 0) {
    const Wide t = a % b;
    a = b, b = t;
  }
  return a < 0 ? -a : a;
}

Wide floor_div(Wide a, Wide b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); }

int decimals(const Decimal& d) { return d.exponent < 0 ? -d.exponent : 0; }

// d · 10^exponent rounded down or up.
std::optional<Wide> rounded(const Decimal& d, int exponent, bool up) {
  if (d.exponent + exponent >= 0) return scaled(d, exponent);
  const std::optional<Wide> p = power(-(d.exponent + exponent));
  if (!p) return d.digits < 0 ? (up ? Wide{0} : Wide{-1}) : (up && d.digits != 0 ? Wide{1} : Wide{0});
  return up ? -floor_div(-d.digits, *p) : floor_div(d.digits, *p);
}

std::string digits_of(Wide value) {
  std::string out;
  const bool negative = value < 0;
  if (value == 0) out = "0";
  for (; value != 0; value /= 10) {
    const int d = static_cast<int>(value % 10);
    out += static_cast<char>('0' + (d < 0 ? -d : d));
  }
  if (negative) out += '-';
  std::ranges::reverse(out);
  return out;
}

double to_double(Wide value, int fraction_digits) {
  const std::string text = cat(digits_of(value), "e-", fraction_digits);
  double out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

}  // namespace

std::optional<Decimal> decimal_of(std::int64_t value) {
  Decimal d{value, 0};
  while (d.digits != 0 && d.digits % 10 == 0) d.digits /= 10, ++d.exponent;
  return d;
}

std::optional<Decimal> decimal_of(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  Decimal out;
  bool negative = false, point = false;
  const std::string text = python_float(value);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '-') {
      negative = true;
    } else if (c == '.') {
      point = true;
    } else if (c == 'e') {
      int e = 0;
      const char* from = text.data() + i + 1 + (text[i + 1] == '+' ? 1 : 0);
      std::from_chars(from, text.data() + text.size(), e);
      out.exponent += e;
      break;
    } else {
      out.digits = out.digits * 10 + (c - '0');
      if (point) --out.exponent;
    }
  }
  while (out.digits != 0 && out.digits % 10 == 0) out.digits /= 10, ++out.exponent;
  if (out.digits == 0) out.exponent = 0;
  if (negative) out.digits = -out.digits;
  return out;
}

std::optional<bool> is_multiple(Decimal a, Decimal b) {
  if (b.digits == 0) return std::nullopt;
  if (a.digits == 0) return true;
  // Both to the smaller exponent; where that is too far, digits decide.
  const int low = std::min(a.exponent, b.exponent);
  const std::optional<Wide> x = scaled(a, -low), y = scaled(b, -low);
  if (x && y) return *x % *y == 0;
  if (!y) return false;  // b is larger than a by more than 10^17
  // a = digits · 10^n with n large: reduce modulo b.
  if (*y > (Wide{1} << 62)) return std::nullopt;
  Wide rest = a.digits % *y;
  for (int i = 0; i < a.exponent - low; ++i) rest = rest * 10 % *y;
  return rest == 0;
}

void NumberRules::at_least(Bound b) {
  if (!least || b.as_double > least->as_double || (b.as_double == least->as_double && b.exclusive)) least = b;
}

void NumberRules::at_most(Bound b) {
  if (!most || b.as_double < most->as_double || (b.as_double == most->as_double && b.exclusive)) most = b;
}

std::optional<NumberPlan> NumberPlan::make(const NumberRules& rules, std::string_view what) {
  NumberPlan plan;
  plan.rules_ = rules;
  if (rules.integer && rules.not_integer) return std::nullopt;
  int wanted = rules.integer ? 0 : 12;
  if (!rules.multiples.empty()) wanted = 0;
  for (const auto& m : rules.multiples) {
    if (!rules.integer) wanted = std::max(wanted, decimals(m.of));
  }
  // Bounds near zero need places to be told apart.
  for (const auto* bound : {&rules.least, &rules.most}) {
    if (*bound && !rules.integer && rules.multiples.empty()) wanted = std::max(wanted, std::min(decimals((*bound)->value) + 1, 20));
  }
  // Room before the point for the bound that lies further from zero.
  int whole = rules.integer ? 18 : 15;
  const auto reach = [&](const std::optional<NumberRules::Bound>& bound, bool low) {
    if (!bound || bound->as_double == 0 || (bound->as_double > 0) != low) return;
    whole = std::max(whole, static_cast<int>(std::floor(std::log10(std::fabs(bound->as_double)))) + 2);
  };
  reach(rules.least, true), reach(rules.most, false);
  for (const auto& m : rules.multiples) {
    if (m.as_double > 1) whole = std::max(whole, static_cast<int>(std::floor(std::log10(m.as_double))) + 2);
  }
  if (whole > 34 || (whole + wanted > 35 && !rules.multiples.empty())) fail(what, ": such numbers are beyond exact arithmetic");
  plan.whole_digits_ = whole;
  plan.fraction_digits_ = std::min(wanted, 35 - whole);
  plan.unit_ = *power(plan.fraction_digits_);
  plan.high_ = *power(whole) * plan.unit_ - 1;
  plan.low_ = -plan.high_;
  if (rules.least) {
    if (const auto low = rounded(rules.least->value, plan.fraction_digits_, true)) {
      plan.low_ = std::max(plan.low_, *low);
    } else if (rules.least->as_double > 0) {
      return std::nullopt;
    }
  }
  if (rules.most) {
    if (const auto high = rounded(rules.most->value, plan.fraction_digits_, false)) {
      plan.high_ = std::min(plan.high_, *high);
    } else if (rules.most->as_double < 0) {
      return std::nullopt;
    }
  }
  for (const auto& m : rules.multiples) {
    // Of whole numbers, only the whole part of the step counts: n · 10^d must be a multiple of digits.
    std::optional<Wide> step = scaled(m.of, plan.fraction_digits_);
    if (!step && rules.integer) {
      const std::optional<Wide> p = power(decimals(m.of));
      if (p) step = m.of.digits / gcd(m.of.digits, *p);
    }
    if (!step || *step <= 0) fail(what, ": such multiples are beyond exact arithmetic");
    const Wide factor = *step / gcd(plan.step_, *step);
    if (__builtin_mul_overflow(plan.step_, factor, &plan.step_)) fail(what, ": such multiples are beyond exact arithmetic");
  }
  const auto strict = [](const std::optional<NumberRules::Bound>& b) { return b && b->exclusive; };
  bool fractions = false;
  for (const auto& m : rules.multiples) fractions |= !m.is_integer;
  plan.plain_ = !rules.not_integer && !strict(rules.least) && !strict(rules.most) && rules.not_multiples.empty() && rules.excluded.empty() && !fractions;
  if (!plan.any_between(plan.low_, plan.high_, {})) return std::nullopt;
  return plan;
}

bool NumberPlan::allowed(Wide value, const std::vector<double>& besides) const {
  if (value < low_ || value > high_ || value % step_ != 0) return false;
  if (plain_ && besides.empty()) return true;
  const double number = to_double(value, fraction_digits_);
  const Decimal exact{value, -fraction_digits_};
  if (rules_.least && rules_.least->exclusive && number <= rules_.least->as_double) return false;
  if (rules_.most && rules_.most->exclusive && number >= rules_.most->as_double) return false;
  if (rules_.not_integer && value % unit_ == 0) return false;
  for (const auto& m : rules_.multiples) {
    // Validators that divide doubles must agree too.
    const double quotient = number / m.as_double;
    if (!m.is_integer && quotient != std::floor(quotient)) return false;
  }
  for (const auto& m : rules_.not_multiples) {
    if (is_multiple(exact, m.of).value_or(true)) return false;
    const double quotient = number / m.as_double;
    if (quotient == std::floor(quotient)) return false;
  }
  for (const double x : rules_.excluded) {
    if (x == number) return false;
  }
  for (const double x : besides) {
    if (x == number) return false;
  }
  return true;
}

bool NumberPlan::any_between(Wide low, Wide high, const std::vector<double>& besides) const {
  low = std::max(low, low_), high = std::min(high, high_);
  Wide first = floor_div(low + step_ - 1, step_) * step_, last = floor_div(high, step_) * step_;
  if (first > last) return false;
  if (plain_ && besides.empty()) return true;
  const Wide tries = 48 + static_cast<Wide>(besides.size() + rules_.excluded.size());
  const Wide count = (last - first) / step_ + 1;
  // From both ends and from the middle: what is excluded may crowd at one of them.
  const Wide middle = first + count / 2 * step_;
  for (Wide i = 0; i < std::min(tries, count); ++i) {
    if (allowed(first + i * step_, besides) || allowed(last - i * step_, besides)) return true;
    if (middle + i * step_ <= last && allowed(middle + i * step_, besides)) return true;
  }
  return false;
}

namespace {

// "-12.3" in parts. False when it is no prefix of a number.
struct Split {
  bool negative = false, point = false;
  std::string_view whole, fraction;
};
bool split(std::string_view text, Split& out) {
  out.negative = text.starts_with('-');
  if (out.negative) text.remove_prefix(1);
  const std::size_t point = text.find('.');
  out.point = point != std::string_view::npos;
  out.whole = text.substr(0, point);
  if (out.point) out.fraction = text.substr(point + 1);
  const auto digits = [](std::string_view s) { return s.find_first_not_of("0123456789") == std::string_view::npos; };
  if (!digits(out.whole) || !digits(out.fraction)) return false;
  if (out.whole.size() > 1 && out.whole[0] == '0') return false;
  return !out.point || !out.whole.empty();
}
Wide value_of(std::string_view digits) {
  Wide out = 0;
  for (const char c : digits) out = out * 10 + (c - '0');
  return out;
}

}  // namespace

bool NumberPlan::viable(std::string_view prefix, const std::vector<double>& besides) const {
  Split s;
  if (!split(prefix, s)) return false;
  if (static_cast<int>(s.whole.size()) > whole_digits_ || static_cast<int>(s.fraction.size()) > fraction_digits_) return false;
  if (s.point && fraction_digits_ == 0) return false;
  const auto within = [&](Wide low, Wide high) { return s.negative ? any_between(-high, -low, besides) : any_between(low, high, besides); };
  const Wide limit = *power(whole_digits_) * unit_ - 1;
  if (s.whole.empty()) return s.negative ? within(0, limit) : true;
  const Wide whole = value_of(s.whole);
  if (s.point) {
    Wide gap = unit_, low = whole * unit_;
    for (const char c : s.fraction) gap /= 10, low += gap * (c - '0');
    return within(low, low + gap - 1);
  }
  if (whole == 0) return within(0, unit_ - 1);
  Wide low = whole * unit_, high = low + unit_ - 1;
  for (int i = static_cast<int>(s.whole.size());; ++i) {
    if (within(low, high)) return true;
    if (i == whole_digits_) return false;
    low *= 10, high = high * 10 + 9;
  }
}

bool NumberPlan::accepts(std::string_view text, const std::vector<double>& besides) const {
  Split s;
  if (!split(text, s) || s.whole.empty() || (s.point && s.fraction.empty())) return false;
  if (static_cast<int>(s.whole.size()) > whole_digits_ || static_cast<int>(s.fraction.size()) > fraction_digits_) return false;
  Wide value = value_of(s.whole) * unit_, gap = unit_;
  for (const char c : s.fraction) gap /= 10, value += gap * (c - '0');
  return allowed(s.negative ? -value : value, besides);
}

std::optional<std::vector<double>> NumberPlan::values(std::size_t most) const {
  const Wide first = floor_div(low_ + step_ - 1, step_) * step_;
  if ((high_ - first) / step_ + 1 > static_cast<Wide>(most)) return std::nullopt;
  std::vector<double> out;
  for (Wide v = first; v <= high_; v += step_) {
    if (allowed(v, {})) out.push_back(to_double(v, fraction_digits_));
  }
  return out;
}

}  // namespace tashika::grammar
