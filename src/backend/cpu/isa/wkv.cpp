#include "backend/cpu/isa/wkv.h"

#include "backend/cpu/isa/math.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

void wkv4(WkvRows k, WkvRows v, const float* decay, const float* bonus, const float* before, float* state, int64_t state_step, float* y,
          int64_t y_step, int64_t tokens, int64_t n) {
  for (int64_t c = 0; c < n; c += 16) {
    const int64_t rest = n - c;
    const F w = load_n(decay + c, rest), u = load_n(bonus + c, rest);
    F a = load_n(before + c, rest), b = load_n(before + state_step + c, rest), p = load_n(before + 2 * state_step + c, rest);
    for (int64_t t = 0; t < tokens; ++t) {
      const F kt = load_n(k.p + t * k.step + c, rest), vt = load_n(v.p + t * v.step + c, rest);
      const F boosted = u + kt;
      const F top = max(p, boosted);
      const F e1 = exp(p - top), e2 = exp(boosted - top);
      store_n(y + t * y_step + c, fma(e1, a, e2 * vt) / fma(e1, b, e2), rest);
      const F faded = p + w;
      p = max(faded, kt);
      const F f1 = exp(faded - p), f2 = exp(kt - p);
      a = fma(f1, a, f2 * vt);
      b = fma(f1, b, f2);
    }
    store_n(state + c, a, rest);
    store_n(state + state_step + c, b, rest);
    store_n(state + 2 * state_step + c, p, rest);
  }
}

// Value channels [c, c + 16·blocks) of a head, of which the last block has `tail` lanes.
template <int blocks, bool whole>
struct Columns {
  int64_t n, c, tail;
  static inline __attribute__((always_inline)) F get(const float* p, int k, int64_t tail) {
    return whole || k + 1 < blocks ? load(p + 16 * k) : load_n(p + 16 * k, tail);
  }
  static inline __attribute__((always_inline)) void put(float* p, int k, F x, int64_t tail) {
    if (whole || k + 1 < blocks) store(p + 16 * k, x);
    else store_n(p + 16 * k, x, tail);
  }

  void wkv6(WkvRows r, WkvRows k, WkvRows v, WkvRows w, const float* bonus, const float* before, float* state, float* y, int64_t y_step,
            int64_t tokens) const {
    const float* from = before;
    for (int64_t t = 0; t < tokens; ++t) {
      const float *rt = r.p + t * r.step, *kt = k.p + t * k.step, *wt = w.p + t * w.step;
      F value[blocks], sum[blocks];
      for (int b = 0; b < blocks; ++b) {
        value[b] = get(v.p + t * v.step + c, b, tail);
        sum[b] = zero();
      }
      for (int64_t i = 0; i < n; ++i) {
        const F ri = splat(rt[i]), ki = splat(kt[i]), wi = splat(wt[i]), ui = splat(bonus[i]);
        for (int b = 0; b < blocks; ++b) {
          const F s = get(from + i * n + c, b, tail), kv = ki * value[b];
          sum[b] = fma(ri, fma(ui, kv, s), sum[b]);
          put(state + i * n + c, b, fma(wi, s, kv), tail);
        }
      }
      for (int b = 0; b < blocks; ++b) put(y + t * y_step + c, b, sum[b], tail);
      from = state;
    }
  }

  void wkv7(WkvRows r, WkvRows w, WkvRows k, WkvRows v, WkvRows a, WkvRows b_rows, const float* before, float* state, float* y,
            int64_t y_step, int64_t tokens) const {
    const float* from = before;
    for (int64_t t = 0; t < tokens; ++t) {
      const float *rt = r.p + t * r.step, *wt = w.p + t * w.step, *kt = k.p + t * k.step, *at = a.p + t * a.step, *bt = b_rows.p + t * b_rows.step;
      F value[blocks], seen[blocks], sum[blocks];
      for (int b = 0; b < blocks; ++b) {
        value[b] = get(v.p + t * v.step + c, b, tail);
        seen[b] = zero();
        sum[b] = zero();
      }
      for (int64_t i = 0; i < n; ++i) {
        const F ai = splat(at[i]);
        for (int b = 0; b < blocks; ++b) seen[b] = fma(ai, get(from + i * n + c, b, tail), seen[b]);
      }
      for (int64_t i = 0; i < n; ++i) {
        const F ri = splat(rt[i]), wi = splat(wt[i]), ki = splat(kt[i]), bi = splat(bt[i]);
        for (int b = 0; b < blocks; ++b) {
          const F s = fma(wi, get(from + i * n + c, b, tail), fma(bi, seen[b], ki * value[b]));
          put(state + i * n + c, b, s, tail);
          sum[b] = fma(ri, s, sum[b]);
        }
      }
      for (int b = 0; b < blocks; ++b) put(y + t * y_step + c, b, sum[b], tail);
      from = state;
    }
  }
};

// Four registers of value channels at a time, then one.
template <typename Body4, typename Body1, typename Last>
TASHIKA_INLINE void over_columns(int64_t n, Body4 four, Body1 one, Last last) {
  int64_t c = 0;
  for (; c + 64 <= n; c += 64) four(c);
  for (; c + 16 <= n; c += 16) one(c);
  if (c < n) last(c);
}

void wkv6(WkvRows r, WkvRows k, WkvRows v, WkvRows w, const float* bonus, const float* before, float* state, float* y, int64_t y_step,
          int64_t tokens, int64_t n) {
  over_columns(
      n, [&](int64_t c) { Columns<4, true>{n, c, 16}.wkv6(r, k, v, w, bonus, before, state, y, y_step, tokens); },
      [&](int64_t c) { Columns<1, true>{n, c, 16}.wkv6(r, k, v, w, bonus, before, state, y, y_step, tokens); },
      [&](int64_t c) { Columns<1, false>{n, c, n - c}.wkv6(r, k, v, w, bonus, before, state, y, y_step, tokens); });
}

void wkv7(WkvRows r, WkvRows w, WkvRows k, WkvRows v, WkvRows a, WkvRows b, const float* before, float* state, float* y, int64_t y_step,
          int64_t tokens, int64_t n) {
  over_columns(
      n, [&](int64_t c) { Columns<4, true>{n, c, 16}.wkv7(r, w, k, v, a, b, before, state, y, y_step, tokens); },
      [&](int64_t c) { Columns<1, true>{n, c, 16}.wkv7(r, w, k, v, a, b, before, state, y, y_step, tokens); },
      [&](int64_t c) { Columns<1, false>{n, c, n - c}.wkv7(r, w, k, v, a, b, before, state, y, y_step, tokens); });
}

}  // namespace

const WkvFns wkv_fns = {wkv4, wkv6, wkv7};

}  // namespace tashika::cpu::TASHIKA_ISA_NS
