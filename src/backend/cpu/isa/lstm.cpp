#include "backend/cpu/isa/lstm.h"

#include "backend/cpu/isa/math.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

TASHIKA_INLINE float first_lane(F x) {
  float lanes[16];
  store(lanes, x);
  return lanes[0];
}

void mlstm_norm(LstmRows q, LstmRows k, LstmRows i, LstmRows f, float scale, float eps, const float* before, float* state, float* factors,
                int64_t tokens, int64_t nk) {
  const float* from = before;
  for (int64_t t = 0; t < tokens; ++t) {
    const F in = splat(i.p[t * i.step]), faded = log_sigmoid(splat(f.p[t * f.step])) + splat(from[nk]);
    const F next = max(faded, in), keep = exp(faded - next), take = exp(in - next);
    const float *qt = q.p + t * q.step, *kt = k.p + t * k.step;
    F weight = zero();
    for (int64_t c = 0; c < nk; c += 16) {
      const int64_t rest = nk - c;
      const F n = fma(keep, load_n(from + c, rest), take * load_n(kt + c, rest));
      store_n(state + c, n, rest);
      weight = fma(load_n(qt + c, rest), n, weight);
    }
    state[nk] = first_lane(next);
    const F norm = max(abs(splat(scale * sum(weight))), exp(neg(next))) + splat(eps);
    factors[3 * t] = first_lane(keep);
    factors[3 * t + 1] = first_lane(take);
    factors[3 * t + 2] = first_lane(splat(scale) / norm);
    from = state;
  }
}

// 16·blocks value channels, of which the last 16 may be `tail`.
template <int blocks, bool whole>
TASHIKA_INLINE void columns(LstmRows q, LstmRows k, const float* v, int64_t v_step, const float* factors, const float* before, float* state,
                            int64_t nv, float* h, int64_t h_step, int64_t tokens, int64_t nk, int64_t tail) {
  const auto get = [&](const float* p, int b) { return whole ? load(p + 16 * b) : load_n(p + 16 * b, tail); };
  const auto put = [&](float* p, int b, F x) {
    if (whole) store(p + 16 * b, x);
    else store_n(p + 16 * b, x, tail);
  };
  const float* from = before;
  for (int64_t t = 0; t < tokens; ++t) {
    const float *qt = q.p + t * q.step, *kt = k.p + t * k.step;
    const F keep = splat(factors[3 * t]), take = splat(factors[3 * t + 1]), out = splat(factors[3 * t + 2]);
    F value[blocks], total[blocks];
    for (int b = 0; b < blocks; ++b) {
      value[b] = take * get(v + t * v_step, b);
      total[b] = zero();
    }
    for (int64_t i = 0; i < nk; ++i) {
      const F qi = splat(qt[i]), ki = splat(kt[i]);
      for (int b = 0; b < blocks; ++b) {
        const F c = fma(keep, get(from + i * nv, b), ki * value[b]);
        put(state + i * nv, b, c);
        total[b] = fma(qi, c, total[b]);
      }
    }
    for (int b = 0; b < blocks; ++b) put(h + t * h_step, b, out * total[b]);
    from = state;
  }
}

void mlstm(LstmRows q, LstmRows k, LstmRows v, const float* factors, const float* before, float* state, int64_t nv, float* h, int64_t h_step,
           int64_t tokens, int64_t nk, int64_t count) {
  int64_t c = 0;
  for (; c + 64 <= count; c += 64) columns<4, true>(q, k, v.p + c, v.step, factors, before + c, state + c, nv, h + c, h_step, tokens, nk, 16);
  for (; c + 16 <= count; c += 16) columns<1, true>(q, k, v.p + c, v.step, factors, before + c, state + c, nv, h + c, h_step, tokens, nk, 16);
  if (c < count) columns<1, false>(q, k, v.p + c, v.step, factors, before + c, state + c, nv, h + c, h_step, tokens, nk, count - c);
}

void slstm(LstmRows x, const float* r, const float* before, float* state, float* gates, float* y, int64_t y_step, int64_t tokens, int64_t d) {
  const float* from = before;
  for (int64_t t = 0; t < tokens; ++t) {
    const float* xt = x.p + t * x.step;
    for (int64_t c = 0; c < 4 * d; c += 16) {
      const int64_t rest = 4 * d - c;
      F g = load_n(xt + c, rest);
      for (int64_t i = 0; i < d; ++i) g = fma(splat(from[i]), load_n(r + i * 4 * d + c, rest), g);
      store_n(gates + c, g, rest);
    }
    for (int64_t c = 0; c < d; c += 16) {
      const int64_t rest = d - c;
      const F in = load_n(gates + c, rest), n = load_n(from + 2 * d + c, rest);
      const F faded = log_sigmoid(load_n(gates + d + c, rest)) + load_n(from + 3 * d + c, rest);
      const M fresh = n == zero();
      const F next = select(fresh, in, max(faded, in));
      const F keep = select(fresh, zero(), exp(faded - next)), take = exp(in - next);
      const F cell = fma(keep, load_n(from + d + c, rest), take * tanh(load_n(gates + 2 * d + c, rest)));
      const F count = fma(keep, n, take);
      const F out = sigmoid(load_n(gates + 3 * d + c, rest)) * (cell / count);
      store_n(state + c, out, rest);
      store_n(state + d + c, cell, rest);
      store_n(state + 2 * d + c, count, rest);
      store_n(state + 3 * d + c, next, rest);
      store_n(y + t * y_step + c, out, rest);
    }
    from = state;
  }
}

}  // namespace

const LstmFns lstm_fns = {mlstm_norm, mlstm, slstm};

}  // namespace tashika::cpu::TASHIKA_ISA_NS
