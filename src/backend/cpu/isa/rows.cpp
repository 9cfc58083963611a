#include "backend/cpu/isa/rows.h"

#include "backend/cpu/isa/math.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

struct Lanes64 {
  F v[4];
};
TASHIKA_INLINE Lanes64 zeros() { return {{zero(), zero(), zero(), zero()}}; }
TASHIKA_INLINE float fold(const Lanes64& a) { return sum((a.v[0] + a.v[2]) + (a.v[1] + a.v[3])); }

// acc = step(acc, element) for every element; lanes beyond the end keep their value.
template <typename Step>
TASHIKA_INLINE void walk(Lanes64& acc, const float* x, int64_t n, Step step) {
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int k = 0; k < 4; ++k) acc.v[k] = step(acc.v[k], load(x + i + 16 * k));
  }
  for (int k = 0; i < n; ++k, i += 16) {
    const F next = step(acc.v[k], load_n(x + i, n - i));
    acc.v[k] = select(first(n - i), next, acc.v[k]);
  }
}

TASHIKA_INLINE float total(const float* x, int64_t n) {
  Lanes64 acc = zeros();
  walk(acc, x, n, [](F a, F v) __attribute__((always_inline)) { return a + v; });
  return fold(acc);
}
TASHIKA_INLINE float total_squares(const float* x, F centre, int64_t n) {
  Lanes64 acc = zeros();
  walk(acc, x, n, [centre](F a, F v) __attribute__((always_inline)) {
    const F d = v - centre;
    return fma(d, d, a);
  });
  return fold(acc);
}

void sum_step(float* lanes, const float* x, int64_t n) {
  Lanes64 acc{{load(lanes), load(lanes + 16), load(lanes + 32), load(lanes + 48)}};
  walk(acc, x, n, [](F a, F v) __attribute__((always_inline)) { return a + v; });
  for (int k = 0; k < 4; ++k) store(lanes + 16 * k, acc.v[k]);
}
float sum_finish(const float* lanes) { return fold({{load(lanes), load(lanes + 16), load(lanes + 32), load(lanes + 48)}}); }

// max(v, a) of vec.h gives a when either is NaN; NaN elements must win instead.
TASHIKA_INLINE F greater(F a, F v) { return select(v == v, max(v, a), v); }
TASHIKA_INLINE F row_max(F top, const float* x, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) top = select(top == top, greater(top, load(x + i)), top);
  if (i < n) top = select(first(n - i), select(top == top, greater(top, load_n(x + i, n - i)), top), top);
  return top;
}
TASHIKA_INLINE float fold_max(F top) {
  float lanes[16];
  store(lanes, top);
  for (int i = 0; i < 16; ++i) {
    if (lanes[i] != lanes[i]) return lanes[i];
  }
  return max_of(top);
}
void max_step(float* lanes, const float* x, int64_t n) { store(lanes, row_max(load(lanes), x, n)); }
float max_finish(const float* lanes) { return fold_max(load(lanes)); }

TASHIKA_INLINE F rsqrt_of(float x) { return splat(1.0f) / sqrt(splat(x)); }

void rms_norm(const float* x, const float* weight, float eps, float* y, int64_t n) {
  const F scale = rsqrt_of(total_squares(x, zero(), n) / (float)n + eps);
  int64_t i = 0;
  if (weight != nullptr) {
    for (; i + 16 <= n; i += 16) store(y + i, load(x + i) * scale * load(weight + i));
    if (i < n) store_n(y + i, load_n(x + i, n - i) * scale * load_n(weight + i, n - i), n - i);
  } else {
    for (; i + 16 <= n; i += 16) store(y + i, load(x + i) * scale);
    if (i < n) store_n(y + i, load_n(x + i, n - i) * scale, n - i);
  }
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, float* y, int64_t n) {
  const F mean = splat(total(x, n) / (float)n);
  const F scale = rsqrt_of(total_squares(x, mean, n) / (float)n + eps);
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t rest = n - i;
    F v = ((rest >= 16 ? load(x + i) : load_n(x + i, rest)) - mean) * scale;
    if (weight != nullptr) v = v * (rest >= 16 ? load(weight + i) : load_n(weight + i, rest));
    if (bias != nullptr) v = v + (rest >= 16 ? load(bias + i) : load_n(bias + i, rest));
    if (rest >= 16) store(y + i, v);
    else store_n(y + i, v, rest);
  }
}

void softmax(const float* x, float* y, int64_t n) {
  const F top = splat(fold_max(row_max(splat(-__builtin_inff()), x, n)));
  Lanes64 acc = zeros();
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int k = 0; k < 4; ++k) {
      const F e = exp(load(x + i + 16 * k) - top);
      store(y + i + 16 * k, e);
      acc.v[k] = acc.v[k] + e;
    }
  }
  for (int k = 0; i < n; ++k, i += 16) {
    const F e = exp(load_n(x + i, n - i) - top);
    store_n(y + i, e, n - i);
    acc.v[k] = select(first(n - i), acc.v[k] + e, acc.v[k]);
  }
  const F sum_of = splat(fold(acc));
  for (i = 0; i + 16 <= n; i += 16) store(y + i, load(y + i) / sum_of);
  if (i < n) store_n(y + i, load_n(y + i, n - i) / sum_of, n - i);
}

void add(const float* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(y + i, load(y + i) + load(x + i));
  if (i < n) store_n(y + i, load_n(y + i, n - i) + load_n(x + i, n - i), n - i);
}

void multiply_add(const float* a, const float* b, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(y + i, fma(load(a + i), load(b + i), load(y + i)));
  if (i < n) store_n(y + i, fma(load_n(a + i, n - i), load_n(b + i, n - i), load_n(y + i, n - i)), n - i);
}

void column_sum(const float* x, int64_t step, int64_t rows, float* out, int64_t n) {
  for (int64_t c = 0; c < n; c += 16) {
    F acc = zero();
    if (n - c >= 16) {
      for (int64_t r = 0; r < rows; ++r) acc = acc + load(x + r * step + c);
    } else {
      for (int64_t r = 0; r < rows; ++r) acc = acc + load_n(x + r * step + c, n - c);
    }
    store_n(out + c, acc, n - c);
  }
}
void column_squares(const float* x, int64_t step, int64_t rows, const float* centre, float* out, int64_t n) {
  for (int64_t c = 0; c < n; c += 16) {
    const F middle = load_n(centre + c, n - c);
    F acc = zero();
    for (int64_t r = 0; r < rows; ++r) {
      const F d = (n - c >= 16 ? load(x + r * step + c) : load_n(x + r * step + c, n - c)) - middle;
      acc = fma(d, d, acc);
    }
    store_n(out + c, acc, n - c);
  }
}
void column_affine(const float* x, int64_t step, int64_t rows, const float* scale, const float* shift, float* y, int64_t n) {
  for (int64_t r = 0; r < rows; ++r) {
    int64_t c = 0;
    for (; c + 16 <= n; c += 16) store(y + r * step + c, fma(load(x + r * step + c), load(scale + c), load(shift + c)));
    if (c < n) {
      const int64_t rest = n - c;
      store_n(y + r * step + c, fma(load_n(x + r * step + c, rest), load_n(scale + c, rest), load_n(shift + c, rest)), rest);
    }
  }
}
float squares(const float* x, float centre, int64_t n) { return total_squares(x, splat(centre), n); }
void scale_shift(const float* x, float scale, float shift, float* y, int64_t n) {
  const F s = splat(scale), o = splat(shift);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(y + i, fma(load(x + i), s, o));
  if (i < n) store_n(y + i, fma(load_n(x + i, n - i), s, o), n - i);
}

}  // namespace

const RowFns row_fns = {sum_step, sum_finish, max_step, max_finish, rms_norm, layer_norm, softmax, add, multiply_add, column_sum, column_squares,
                        column_affine, squares, scale_shift};

}  // namespace tashika::cpu::TASHIKA_ISA_NS
