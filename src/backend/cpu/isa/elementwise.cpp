#include "backend/cpu/isa/elementwise.h"

#include "backend/cpu/isa/math.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

template <Unary fn>
TASHIKA_INLINE F apply(F x) {
  if constexpr (fn == Unary::neg) return neg(x);
  if constexpr (fn == Unary::abs) return abs(x);
  if constexpr (fn == Unary::exp) return exp(x);
  if constexpr (fn == Unary::log) return log(x);
  if constexpr (fn == Unary::sqrt) return sqrt(x);
  if constexpr (fn == Unary::rsqrt) return splat(1.0f) / sqrt(x);
  if constexpr (fn == Unary::tanh) return tanh(x);
  if constexpr (fn == Unary::sigmoid) return sigmoid(x);
  if constexpr (fn == Unary::relu) return max(zero(), x);
  if constexpr (fn == Unary::silu) return silu(x);
  if constexpr (fn == Unary::gelu) return gelu(x);
  if constexpr (fn == Unary::gelu_tanh) return gelu_tanh(x);
  if constexpr (fn == Unary::gelu_quick) return gelu_quick(x);
  if constexpr (fn == Unary::erf) return erf(x);
  if constexpr (fn == Unary::square) return x * x;
  if constexpr (fn == Unary::reciprocal) return splat(1.0f) / x;
  if constexpr (fn == Unary::log_sigmoid) return log_sigmoid(x);
  if constexpr (fn == Unary::sin || fn == Unary::cos) {
    float lanes[16];
    store(lanes, x);
    for (int i = 0; i < 16; ++i) lanes[i] = sin_turned(lanes[i], fn == Unary::cos ? 1 : 0);
    return load(lanes);
  }
}

template <Unary fn>
void unary(const float* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(y + i, apply<fn>(load(x + i)));
  if (i < n) store_n(y + i, apply<fn>(load_n(x + i, n - i)), n - i);
}

template <Unary fn>
void gated(const float* gate, const float* up, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(y + i, apply<fn>(load(gate + i)) * load(up + i));
  if (i < n) store_n(y + i, apply<fn>(load_n(gate + i, n - i)) * load_n(up + i, n - i), n - i);
}

template <Binary fn>
TASHIKA_INLINE F apply(F a, F b) {
  if constexpr (fn == Binary::add) return a + b;
  if constexpr (fn == Binary::sub) return a - b;
  if constexpr (fn == Binary::mul) return a * b;
  if constexpr (fn == Binary::div) return a / b;
  // NaN wins on either side.
  if constexpr (fn == Binary::maximum) return select(a == a, max(a, b), a);
  if constexpr (fn == Binary::minimum) return select(a == a, min(a, b), a);
  if constexpr (fn == Binary::less) return select(a < b, splat(1.0f), zero());
  if constexpr (fn == Binary::less_equal) return select(a <= b, splat(1.0f), zero());
  if constexpr (fn == Binary::equal) return select(a == b, splat(1.0f), zero());
  if constexpr (fn == Binary::pow) {
    float x[16], y[16];
    store(x, a);
    store(y, b);
    for (int i = 0; i < 16; ++i) x[i] = power(x[i], y[i]);
    return load(x);
  }
}

template <Binary fn>
void binary(const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t n) {
  const F a0 = splat(n > 0 ? a[0] : 0.0f), b0 = splat(n > 0 ? b[0] : 0.0f);
  int64_t i = 0;
  if (a_step != 0 && b_step != 0) {
    for (; i + 16 <= n; i += 16) store(y + i, apply<fn>(load(a + i), load(b + i)));
  } else {
    for (; i + 16 <= n; i += 16) {
      store(y + i, apply<fn>(a_step != 0 ? load(a + i) : a0, b_step != 0 ? load(b + i) : b0));
    }
  }
  if (i < n) {
    const int64_t rest = n - i;
    store_n(y + i, apply<fn>(a_step != 0 ? load_n(a + i, rest) : a0, b_step != 0 ? load_n(b + i, rest) : b0), rest);
  }
}

void affine(const float* x, float scale, float offset, float* y, int64_t n) {
  const F s = splat(scale), o = splat(offset);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(y + i, load(x + i) * s + o);
  if (i < n) store_n(y + i, load_n(x + i, n - i) * s + o, n - i);
}

void from_f16(const void* source, float* y, int64_t n) {
  const uint16_t* x = (const uint16_t*)source;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(y + i, load_f16(x + i));
  if (i < n) store_n(y + i, load_f16_n(x + i, n - i), n - i);
}
void from_bf16(const void* source, float* y, int64_t n) {
  const uint16_t* x = (const uint16_t*)source;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(y + i, load_bf16(x + i));
  if (i < n) store_n(y + i, load_bf16_n(x + i, n - i), n - i);
}
void to_f16(const float* x, void* target, int64_t n) {
  uint16_t* y = (uint16_t*)target;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store_f16(y + i, load(x + i));
  if (i < n) store_f16_n(y + i, load_n(x + i, n - i), n - i);
}
void to_bf16(const float* x, void* target, int64_t n) {
  uint16_t* y = (uint16_t*)target;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store_bf16(y + i, load(x + i));
  if (i < n) store_bf16_n(y + i, load_n(x + i, n - i), n - i);
}

template <int... fn>
struct List {};
template <int n, int... fn>
struct UpTo : UpTo<n - 1, n - 1, fn...> {};
template <int... fn>
struct UpTo<0, fn...> {
  using List = TASHIKA_ISA_NS::List<fn...>;
};

template <int... u, int... b>
constexpr ElementwiseFns make(List<u...>, List<b...>) {
  return {{unary<static_cast<Unary>(u)>...}, {binary<static_cast<Binary>(b)>...}, {gated<static_cast<Unary>(u)>...},
          affine, from_f16, from_bf16, to_f16, to_bf16};
}

}  // namespace

const ElementwiseFns elementwise_fns = make(UpTo<unary_count>::List{}, UpTo<binary_count>::List{});

}  // namespace tashika::cpu::TASHIKA_ISA_NS
