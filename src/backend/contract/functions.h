// The names of elementwise functions. No includes: instruction-set code reads this header too.
#pragma once

namespace tashika {

enum class Unary { neg, abs, exp, log, sqrt, rsqrt, tanh, sigmoid, relu, silu, gelu, gelu_tanh, gelu_quick, sin, cos, erf, square, reciprocal, log_sigmoid };
inline constexpr int unary_count = static_cast<int>(Unary::log_sigmoid) + 1;

enum class Binary { add, sub, mul, div, maximum, minimum, pow, less, less_equal, equal };
inline constexpr int binary_count = static_cast<int>(Binary::equal) + 1;

}  // namespace tashika
