// Activations into chunks (backend/cpu/isa/matmul.h): copied, rounded to bf16, or quantised to int8.
#include "backend/cpu/isa/dot.h"
#include "backend/cpu/isa/float_layout.h"
#include "backend/cpu/isa/matmul_rows.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

// The scale for values of magnitude up to `top`, and what to multiply them by. Not finite when one of the values is
// not (`poison` is then NaN), so that the result shows it.
struct Scale {
  float d, inverse;
};
TASHIKA_INLINE Scale scale_of(float top, float poison) {
  if (top < 0x1p-110f) return {poison, 0.0f};  // the inverse would overflow
  return {top / 127.0f + poison, 127.0f / top};
}

TASHIKA_INLINE int32_t quantise_16(const float* x, float inverse, int8_t* q) {
  const I rounded = to_int(load(x) * splat(inverse));
  store_int8(q, rounded);
  return sum_i(rounded);
}

}  // namespace

namespace {

// A step's words into the 16 lanes.
TASHIKA_INLINE void put_step(int32_t* lanes, int64_t stride, I words) {
  int32_t x[16];
  store_i(x, words);
  for (int l = 0; l < 16; ++l) lanes[l * stride] = x[l];
}
struct LanePlace {
  int32_t* at;
  int64_t step, stride;
};
TASHIKA_INLINE LanePlace lane_place(int64_t words, void* out, int64_t row, int64_t rows) {
  const LaneLayout layout = LaneLayout::of(words, rows);
  const int64_t tile = row / lane_tile;
  return {static_cast<int32_t*>(out) + layout.at(0, tile) + row - tile * lane_tile, layout.width(tile), layout.lane_stride()};
}
TASHIKA_INLINE F part_of(const float* x, int64_t i, int64_t n) {
  return n - i >= 16 ? load(x + i) : n > i ? load_n(x + i, n - i) : zero();
}

}  // namespace

void pack_f32(const float* x, int64_t k, float* out, int64_t row, int64_t rows) {
  if (rows > few_rows) {
    const LanePlace place = lane_place(k, out, row, rows);
    for (int64_t i = 0; i < k; i += 16) put_step(place.at + i / 16 * place.step, place.stride, bits(part_of(x, i, k)));
    return;
  }
  for (int64_t at = 0; at < k; at += float_chunk) {
    const int64_t n = k - at < float_chunk ? k - at : float_chunk;
    const int64_t padded = (n + 15) / 16 * 16;
    float* to = out + at * rows + row * padded;
    for (int64_t i = 0; i < n; i += 16) store(to + i, part_of(x + at, i, n));
  }
}

void pack_bf16(const float* x, int64_t k, uint16_t* out, int64_t row, int64_t rows) {
  if (rows > few_rows) {
    const LanePlace place = lane_place((k + 1) / 2, out, row, rows);
    for (int64_t i = 0; i < k; i += 32) {
      uint16_t pair[32];
      store_bf16(pair, part_of(x, i, k));
      store_bf16(pair + 16, part_of(x, i + 16, k));
      put_step(place.at + i / 32 * place.step, place.stride, load_i(reinterpret_cast<const int32_t*>(pair)));
    }
    return;
  }
  for (int64_t at = 0; at < k; at += bf16_chunk) {
    const int64_t n = k - at < bf16_chunk ? k - at : bf16_chunk;
    const int64_t padded = (n + 31) / 32 * 32;
    uint16_t* to = out + at * rows + row * padded;
    for (int64_t i = 0; i < padded; i += 16) store_bf16(to + i, part_of(x + at, i, n));
  }
}

void pack_q256(const float* x, int64_t k, Act256* out, int64_t rows) {
  for (int64_t at = 0; at < k; at += 256, out += rows, x += 256) {
    F top[4] = {zero(), zero(), zero(), zero()}, poison = zero();
    for (int i = 0; i < 16; ++i) {
      const F v = load(x + 16 * i);
      top[i % 4] = max(abs(v), top[i % 4]);
      poison = fma(v, zero(), poison);
    }
    const Scale scale = scale_of(max_of(max(max(top[0], top[1]), max(top[2], top[3]))), sum(poison));
    out->d = scale.d;
    for (int g = 0; g < 16; ++g) {
      const int32_t total = quantise_16(x + 16 * g, scale.inverse, out->q + 16 * g);
      out->neg16[g] = -total;
      out->sum16[g] = (int16_t)total;
    }
    for (int g = 0; g < 8; ++g) {
      out->neg32[g] = out->neg16[2 * g] + out->neg16[2 * g + 1];
      out->sum32[g] = (int16_t)-out->neg32[g];
    }
  }
}

void pack_q32(const float* x, int64_t k, Act32* out, int64_t rows) {
  for (int64_t at = 0; at < k; at += 256, out += rows) {
    for (int b = 0; b < 8; ++b) {
      if (at + 32 * b >= k) {
        out->d[b] = 0.0f;
        out->neg[b] = 0;
        for (int i = 0; i < 32; ++i) out->q[32 * b + i] = 0;
        continue;
      }
      const float* v = x + at + 32 * b;
      const F low = load(v), high = load(v + 16);
      const F poison = fma(high, zero(), fma(low, zero(), zero()));
      const Scale scale = scale_of(max_of(max(abs(low), abs(high))), sum(poison));
      out->d[b] = scale.d;
      out->neg[b] = -quantise_16(v, scale.inverse, out->q + 32 * b) - quantise_16(v + 16, scale.inverse, out->q + 32 * b + 16);
    }
  }
}

}  // namespace tashika::cpu::TASHIKA_ISA_NS
