#include "backend/cpu/isa/training.h"

#include "backend/cpu/isa/math.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

TASHIKA_INLINE F read(const float* x, int64_t rest) { return rest >= 16 ? load(x) : load_n(x, rest); }
TASHIKA_INLINE void write(float* x, F v, int64_t rest) {
  if (rest >= 16) store(x, v);
  else store_n(x, v, rest);
}

float cross_entropy(const float* x, int64_t target, float scale, float* g, int64_t n) {
  F top16 = splat(-__builtin_inff());
  for (int64_t i = 0; i < n; i += 16) {
    if (n - i >= 16) top16 = max(load(x + i), top16);
    else top16 = select(first(n - i), max(load_n(x + i, n - i), top16), top16);
  }
  const float chosen = x[target], top1 = max_of(top16);
  const F top = splat(top1);
  F acc[4] = {zero(), zero(), zero(), zero()};
  for (int64_t i = 0; i < n; i += 16) {
    const F e = exp(read(x + i, n - i) - top);
    write(g + i, e, n - i);
    const int lane = (int)(i / 16 % 4);
    acc[lane] = n - i >= 16 ? acc[lane] + e : select(first(n - i), acc[lane] + e, acc[lane]);
  }
  const float total = sum((acc[0] + acc[2]) + (acc[1] + acc[3]));
  const F factor = splat(scale / total);
  for (int64_t i = 0; i < n; i += 16) write(g + i, read(g + i, n - i) * factor, n - i);
  g[target] -= scale;
  float log_total[16];
  store(log_total, log(splat(total)));
  return (top1 - chosen) + log_total[0];
}

float sum_squares(const float* x, int64_t n) {
  F acc[4] = {zero(), zero(), zero(), zero()};
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int k = 0; k < 4; ++k) {
      const F v = load(x + i + 16 * k);
      acc[k] = fma(v, v, acc[k]);
    }
  }
  for (int k = 0; i < n; ++k, i += 16) {
    const F v = load_n(x + i, n - i);
    acc[k] = select(first(n - i), fma(v, v, acc[k]), acc[k]);
  }
  return sum((acc[0] + acc[2]) + (acc[1] + acc[3]));
}

void adamw(const AdamWFactors& f, const float* g, float* p, float* m, float* v, int64_t n) {
  const F keep = splat(f.keep), b1 = splat(f.beta1_rest), b2 = splat(f.beta2), b2r = splat(f.beta2_rest);
  const F root = splat(f.root), eps = splat(f.eps), size = splat(f.step_size), scale = splat(f.gradient_scale);
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t rest = n - i;
    const F grad = read(g + i, rest) * scale;
    const F old = read(m + i, rest);
    const F first_moment = old + b1 * (grad - old);
    const F second = read(v + i, rest) * b2 + b2r * grad * grad;
    const F next = read(p + i, rest) * keep - size * first_moment / (sqrt(second) / root + eps);
    write(m + i, first_moment, rest);
    write(v + i, second, rest);
    write(p + i, next, rest);
  }
}

void rms_norm_grad(const float* x, const float* weight, const float* g, float eps, float* dx, float* dweight, int64_t n) {
  F squares = zero(), products = zero();
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t rest = n - i;
    const F v = read(x + i, rest);
    F wg = read(g + i, rest);
    if (weight != nullptr) wg = wg * read(weight + i, rest);
    squares = fma(v, v, squares);
    products = fma(v, wg, products);
  }
  const F r = splat(1.0f) / sqrt(splat(sum(squares) / (float)n + eps));
  const F shift = r * r * r * splat(sum(products) / (float)n);
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t rest = n - i;
    const F v = read(x + i, rest), up = read(g + i, rest);
    const F wg = weight != nullptr ? up * read(weight + i, rest) : up;
    write(dx + i, wg * r - v * shift, rest);
    if (dweight != nullptr) write(dweight + i, read(dweight + i, rest) + up * v * r, rest);
  }
}

void silu_gated_grad(const float* gate, const float* up, const float* g, float* dgate, float* dup, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t rest = n - i;
    const F x = read(gate + i, rest), u = read(up + i, rest), y = read(g + i, rest);
    const F s = sigmoid(x), one = splat(1.0f);
    write(dup + i, y * x * s, rest);
    write(dgate + i, y * u * s * (one + x * (one - s)), rest);
  }
}

// Rows become columns.
TASHIKA_INLINE void turn16(F r[16]) {
#if defined(__AVX512F__)
  __m512 a[16], b[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(r[i].v, r[i + 1].v);
    a[i + 1] = _mm512_unpackhi_ps(r[i].v, r[i + 1].v);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    const auto pair = [](__m512 x, __m512 y, bool high) __attribute__((always_inline)) {
      const __m512d p = _mm512_castps_pd(x), q = _mm512_castps_pd(y);
      return _mm512_castpd_ps(high ? _mm512_unpackhi_pd(p, q) : _mm512_unpacklo_pd(p, q));
    };
    b[i] = pair(a[i], a[i + 2], false);
    b[i + 1] = pair(a[i], a[i + 2], true);
    b[i + 2] = pair(a[i + 1], a[i + 3], false);
    b[i + 3] = pair(a[i + 1], a[i + 3], true);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    a[i] = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88);
    a[i + 4] = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xdd);
    a[i + 8] = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
    a[i + 12] = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i].v = _mm512_shuffle_f32x4(a[i], a[i + 8], 0x88);
    r[i + 4].v = _mm512_shuffle_f32x4(a[i + 4], a[i + 12], 0x88);
    r[i + 8].v = _mm512_shuffle_f32x4(a[i], a[i + 8], 0xdd);
    r[i + 12].v = _mm512_shuffle_f32x4(a[i + 4], a[i + 12], 0xdd);
  }
#else
  float in[16][16], out[16][16];
  for (int i = 0; i < 16; ++i) store(in[i], r[i]);
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 16; ++j) out[i][j] = in[j][i];
  }
  for (int i = 0; i < 16; ++i) r[i] = load(out[i]);
#endif
}

TASHIKA_INLINE F fetch(const float* x, int64_t n) { return n >= 16 ? load(x) : load_n(x, n); }
TASHIKA_INLINE F fetch(const uint16_t* x, int64_t n) { return load_bf16_n(x, n); }
TASHIKA_INLINE void put(float* x, F v, int64_t n) { write(x, v, n); }
TASHIKA_INLINE void put(uint16_t* x, F v, int64_t n) {
  if (n >= 16) store_bf16(x, v);
  else store_bf16_n(x, v, n);
}

template <typename From, typename To>
TASHIKA_INLINE void turn(const From* x, int64_t step, int64_t rows, int64_t n, To* out, int64_t out_step) {
  for (int64_t r = 0; r < rows; r += 16) {
    for (int64_t c = 0; c < n; c += 16) {
      F block[16];
      for (int64_t i = 0; i < 16; ++i) block[i] = r + i < rows ? fetch(x + (r + i) * step + c, n - c) : zero();
      turn16(block);
      for (int64_t i = 0; i < 16 && c + i < n; ++i) put(out + (c + i) * out_step + r, block[i], rows - r);
    }
  }
}
void transpose(const float* x, int64_t step, int64_t rows, int64_t n, float* out, int64_t out_step) { turn(x, step, rows, n, out, out_step); }
void transpose_to_bf16(const float* x, int64_t step, int64_t rows, int64_t n, uint16_t* out, int64_t out_step) { turn(x, step, rows, n, out, out_step); }
void transpose_bf16(const uint16_t* x, int64_t step, int64_t rows, int64_t n, uint16_t* out, int64_t out_step) { turn(x, step, rows, n, out, out_step); }

void to_columns(const float* x, int64_t step, int64_t rows, int64_t n, float* out) {
  const int64_t padded = padded_row(rows);
  turn(x, step, rows, n, out, padded);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t r = rows; r < padded; ++r) out[i * padded + r] = 0;
  }
}

#if defined(__AVX512F__)
constexpr int tile_rows = 6, tile_vectors = 4;
#elif defined(__AVX2__)
constexpr int tile_rows = 4, tile_vectors = 1;
#else
constexpr int tile_rows = 2, tile_vectors = 1;
#endif

TASHIKA_INLINE void fma_word(F& acc, F b, const float* x) {
#if defined(__AVX512F__)
  // Assembly, because GCC 12 copies accumulators in loops that it does not unroll wholly.
  __asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(acc.v) : "v"(b.v), "m"(*(const float(*)[1])x));
#else
  acc = fma(splat(*x), b, acc);
#endif
}

// A product's operands: c[i][j] (+)= Σ_p a(i, p) · b[p][j], a(i, p) = a[i · a_row + p · a_step].
struct Product {
  const float* a;
  int64_t a_row, a_step;
  const float* b;
  int64_t b_step;
  float* c;
  int64_t c_step, k;
  bool add;
};

template <int R, int V>
[[gnu::noinline]] void product_tile(const Product& p, int64_t row, int64_t column, int64_t rest) {
  F acc[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[i][v] = zero();
  }
  const float* a = p.a + row * p.a_row;
  const float* b = p.b + column;
  for (int64_t s = 0; s < p.k; ++s) {
    F lanes[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) lanes[v] = V > 1 ? load(b + 16 * v) : read(b, rest);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) fma_word(acc[i][v], lanes[v], a + i * p.a_row);
    }
    a += p.a_step;
    b += p.b_step;
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      float* c = p.c + (row + i) * p.c_step + column + 16 * v;
      const int64_t left = V > 1 ? 16 : rest;
      write(c, p.add ? read(c, left) + acc[i][v] : acc[i][v], left);
    }
  }
}

template <int R>
void product_rows(const Product& p, int64_t row, int64_t n) {
  int64_t j = 0;
  if constexpr (tile_vectors > 1) {
    for (; j + 16 * tile_vectors <= n; j += 16 * tile_vectors) product_tile<R, tile_vectors>(p, row, j, 16);
  }
  for (; j < n; j += 16) product_tile<R, 1>(p, row, j, n - j < 16 ? n - j : 16);
}

void product(const Product& p, int64_t m, int64_t n) {
  int64_t i = 0;
  for (; i + tile_rows <= m; i += tile_rows) product_rows<tile_rows>(p, i, n);
  for (; i < m; ++i) product_rows<1>(p, i, n);
}

// Rows [first, first + rows) against the keys [low, high) that any of them sees; columns count from low, a multiple of 16.
struct Block {
  int64_t first, rows, low, high, step;
};
TASHIKA_INLINE Block block_of(const HeadAttention& a, int64_t first) {
  const int64_t rows = a.n - first < attention_rows ? a.n - first : attention_rows;
  int64_t low = a.window > 0 ? first - a.window + 1 : 0;
  low = low < 0 ? 0 : low / 16 * 16;
  return {first, rows, low, a.causal ? first + rows : a.n, padded_row(a.n)};
}
// Columns that row i of the block sees.
TASHIKA_INLINE void seen(const HeadAttention& a, const Block& b, int64_t i, int64_t* begin, int64_t* end) {
  const int64_t at = b.first + i, from = a.window > 0 && at - a.window + 1 > 0 ? at - a.window + 1 : 0;
  *begin = from - b.low;
  *end = (a.causal ? at + 1 : a.n) - b.low;
}

// exp(scores · scale − shift) where seen, zero elsewhere up to `width`; gives their sum.
float exp_row(float* s, int64_t begin, int64_t end, int64_t width, float scale, float shift) {
  F total = zero();
  for (int64_t j = 0; j < width; j += 16) {
    F e = exp(fma(load(s + j), splat(scale), splat(-shift)));
    if (j < begin || j + 16 > end) {
      float lanes[16];
      store(lanes, e);
      for (int64_t l = 0; l < 16; ++l) {
        if (j + l < begin || j + l >= end) lanes[l] = 0;
      }
      e = load(lanes);
    }
    store(s + j, e);
    total = total + e;
  }
  return sum(total);
}

void attention(const HeadAttention& a) {
  float* s = a.scratch;
  const auto first_lanes = [](int64_t n) __attribute__((always_inline)) { return tashika::cpu::TASHIKA_ISA_NS::first(n); };
  for (int64_t first = 0; first < a.n; first += attention_rows) {
    const Block b = block_of(a, first);
    const int64_t columns = b.high - b.low, width = padded_row(columns);
    product({a.q + first * a.q_step, a.q_step, 1, a.k_columns + b.low, b.step, s, b.step, a.k_dim, false}, b.rows, width);
    for (int64_t i = 0; i < b.rows; ++i) {
      float* row = s + i * b.step;
      int64_t begin, end;
      seen(a, b, i, &begin, &end);
      F tops = splat(-__builtin_inff());
      int64_t j0 = begin;
      for (; j0 + 16 <= end; j0 += 16) tops = max(load(row + j0), tops);
      if (j0 < end) tops = select(first_lanes(end - j0), max(load_n(row + j0, end - j0), tops), tops);
      const float top = max_of(tops) * a.scale;
      const float total = exp_row(row, begin, end, width, a.scale, top);
      const F inverse = splat(1.0f / total);
      for (int64_t j = 0; j < width; j += 16) store(row + j, load(row + j) * inverse);
      float log_total[16];
      store(log_total, log(splat(total)));
      a.log_sum[first + i] = top + log_total[0];
    }
    product({s, b.step, 1, a.v + b.low * a.v_step, a.v_step, a.o + first * a.o_step, a.o_step, columns, false}, b.rows, a.v_dim);
  }
}

void attention_grad(const HeadAttention& a) {
  const int64_t step = padded_row(a.n);
  float *p = a.scratch, *ds = p + attention_rows * step;
  for (int64_t first = 0; first < a.n; first += attention_rows) {
    const Block b = block_of(a, first);
    const int64_t columns = b.high - b.low, width = padded_row(columns);
    const float *q = a.q + first * a.q_step, *g = a.g + first * a.o_step, *o = a.o + first * a.o_step;
    product({q, a.q_step, 1, a.k_columns + b.low, b.step, p, b.step, a.k_dim, false}, b.rows, width);
    product({g, a.o_step, 1, a.v_columns + b.low, b.step, ds, b.step, a.v_dim, false}, b.rows, width);
    for (int64_t i = 0; i < b.rows; ++i) {
      float *row = p + i * b.step, *slope = ds + i * b.step;
      int64_t begin, end;
      seen(a, b, i, &begin, &end);
      exp_row(row, begin, end, width, a.scale, a.log_sum[first + i]);
      F dot = zero();
      for (int64_t c = 0; c < a.v_dim; c += 16) dot = fma(read(g + i * a.o_step + c, a.v_dim - c), read(o + i * a.o_step + c, a.v_dim - c), dot);
      const F delta = splat(sum(dot)), scale = splat(a.scale);
      for (int64_t j = 0; j < width; j += 16) store(slope + j, load(row + j) * (load(slope + j) - delta) * scale);
    }
    product({ds, b.step, 1, a.k + b.low * a.k_step, a.k_step, a.dq + first * a.q_step, a.q_step, columns, false}, b.rows, a.k_dim);
    product({ds, 1, b.step, q, a.q_step, a.dk + b.low * a.k_step, a.k_step, b.rows, true}, columns, a.k_dim);
    product({p, 1, b.step, g, a.o_step, a.dv + b.low * a.v_step, a.v_step, b.rows, true}, columns, a.v_dim);
  }
}

}  // namespace

const TrainingFns training_fns{cross_entropy,  sum_squares, adamw,     rms_norm_grad, silu_gated_grad,
                               to_columns, transpose, transpose_to_bf16, transpose_bf16, attention, attention_grad};

}  // namespace tashika::cpu::TASHIKA_ISA_NS
