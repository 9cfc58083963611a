#include "ops/lstm.h"

#include <algorithm>

#include "ops/elementwise.h"
#include "ops/launch.h"
#include "ops/layout.h"
#include "ops/matmul.h"

namespace tashika::ops {
namespace {

constexpr std::int64_t training_chunk = 64;

void check_segments(std::string_view op, std::span<const RecurrenceSegment> segments, std::span<const Tensor> states, const Shape& state,
                    std::int64_t rows) {
  expect(states.size() == segments.size(), op, states.size(), " states for ", segments.size(), " segments");
  for (const Tensor& s : states) expect(s.shape() == state, op, "state ", s.str(), ", expected ", state.str());
  std::int64_t next = 0;
  for (const RecurrenceSegment& s : segments) {
    expect(s.row == next && s.rows > 0, op, "segments do not follow each other");
    next += s.rows;
  }
  expect(next == rows, op, "segments of ", next, " rows for ", rows);
}

// The kernels compute no gradient, and take f32 only.
bool fusable(std::span<const Tensor> in) {
  return std::none_of(in.begin(), in.end(), [](const Tensor& t) { return t.requires_grad() || t.dtype() != f32; });
}

// y and the new states, to be written.
std::vector<Tensor> outputs(Runtime& rt, const Shape& y, std::span<const Tensor> states) {
  std::vector<Tensor> made = {Tensor::empty(rt, y, f32)};
  for (const Tensor& s : states) made.push_back(Tensor::empty(rt, s.shape(), f32));
  return made;
}

void check_mlstm(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& i, const Tensor& f, std::span<const Tensor> states,
                 const MlstmAttrs& attrs) {
  expect(q.rank() == 3 && k.shape() == q.shape(), "mlstm", "q ", q.str(), ", k ", k.str(), ", expected two of [tokens, heads, qk]");
  const Shape gates = {q.size(0), q.size(1)};
  expect(v.rank() == 3 && v.size(0) == gates[0] && v.size(1) == gates[1], "mlstm", "v ", v.str(), " for q ", q.str());
  expect(i.shape() == gates && f.shape() == gates, "mlstm", "i ", i.str(), ", f ", f.str(), " for q ", q.str());
  check_segments("mlstm", attrs.segments, states, {q.size(1), q.size(2) * v.size(2) + q.size(2) + 1}, q.size(0));
}

// Rows whose heads follow each other, as kernels take them.
Tensor by_rows(const Tensor& t) { return t.slice(0, 0, std::min<std::int64_t>(1, t.size(0))).is_contiguous() ? t : contiguous(t); }

// Element [r, c] is 1 where r - c ≥ `from`, else 0.
Tensor lower(Runtime& rt, std::int64_t n, std::int64_t from) {
  std::vector<float> ones(static_cast<std::size_t>(n * n), 0.0f);
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t c = 0; c <= r - from; ++c) ones[static_cast<std::size_t>(r * n + c)] = 1.0f;
  }
  return Tensor::from_host(rt, {n, n}, ones);
}

struct MatrixState {
  Tensor c;  // [heads, qk, dv]
  Tensor n;  // [heads, qk, 1]
  Tensor m;  // [heads, 1, 1]
};

// One chunk; q, k, v [heads, rows, …], i and f [heads, rows, 1]. Gives h [heads, rows, dv].
Tensor chunk_step(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& i, const Tensor& f, float scaling, float eps, MatrixState& state) {
  Runtime& rt = q.runtime();
  const std::int64_t rows = q.size(1);
  const Tensor upto = lower(rt, rows, 0), log_f = unary(Unary::log_sigmoid, f);
  // Forgetting from step s to step t: every sum on its own, for a difference of two long sums would have lost its digits.
  const Tensor between = matmul(upto, mul(log_f, lower(rt, rows, 1)));
  const Tensor beyond = Tensor::full(rt, between.shape(), -1e30f);
  const Tensor visible = binary(Binary::equal, upto, Tensor::full(rt, {1, 1}, 1.0f));
  const Tensor log_d = where(visible.expand(between.shape()), add(between, transpose(i, 1, 2)), beyond);
  const Tensor past = add(matmul(upto, log_f), state.m);
  const Tensor top = binary(Binary::maximum, max(log_d.detach(), 2, true), past.detach());
  const Tensor scores = mul(scale(matmul(q, transpose(k, 1, 2)), scaling), exp(sub(log_d, top)));
  const Tensor from_past = mul(q, scale(exp(sub(past, top)), scaling));
  const Tensor numerator = add(matmul(from_past, state.c), matmul(scores, v));
  const Tensor weight = add(matmul(from_past, state.n), sum(scores, 2, true));
  const Tensor norm = affine(binary(Binary::maximum, unary(Unary::abs, weight), exp(scale(top, -1.0f))), 1.0f, eps);

  const Tensor next = slice(top, 1, rows - 1, rows);
  const Tensor keep = exp(sub(slice(past, 1, rows - 1, rows), next));
  const Tensor taken = mul(k, transpose(exp(sub(slice(log_d, 1, rows - 1, rows), next)), 1, 2));
  state.c = add(mul(keep, state.c), matmul(transpose(taken, 1, 2), v));
  state.n = add(mul(keep, state.n), transpose(sum(taken, 1, true), 1, 2));
  state.m = next;
  return div(numerator, norm);
}

// Step s of slstm: gates [1, heads, 4, d] and the state before it.
Tensor scalar_step(const Tensor& x, const Tensor& r, Tensor& state) {
  const std::int64_t heads = x.size(1), d = x.size(3);
  const auto part = [&](const Tensor& t, std::int64_t i) { return reshape(slice(t, 1, i, i + 1), {heads, d}); };
  const Tensor y = slice(state, 1, 0, 1);
  const Tensor gates = add(reshape(x, {heads, 4, d}), reshape(matmul(y, reshape(r, {heads, d, 4 * d})), {heads, 4, d}));
  const Tensor i = part(gates, 0), n = part(state, 2);
  const Tensor faded = add(unary(Unary::log_sigmoid, part(gates, 1)), part(state, 3));
  const Tensor fresh = binary(Binary::equal, n.detach(), Tensor::full(x.runtime(), {1, 1}, 0.0f));
  const Tensor next = where(fresh, i, binary(Binary::maximum, faded, i)).detach();
  const Tensor keep = where(fresh, Tensor::full(x.runtime(), n.shape(), 0.0f), exp(sub(faded, next))), take = exp(sub(i, next));
  const Tensor cell = add(mul(keep, part(state, 1)), mul(take, tanh(part(gates, 2))));
  const Tensor count = add(mul(keep, n), take);
  const Tensor out = mul(sigmoid(part(gates, 3)), div(cell, count));
  const Shape row = {heads, 1, d};
  const Tensor parts[] = {reshape(out, row), reshape(cell, row), reshape(count, row), reshape(next, row)};
  state = concat(parts, 1);
  return reshape(out, {1, heads, d});
}

}  // namespace

Recurrence mlstm(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& i, const Tensor& f, std::span<const Tensor> states,
                 const MlstmAttrs& attrs) {
  check_mlstm(q, k, v, i, f, states, attrs);
  std::vector<Tensor> in = {by_rows(q), by_rows(k), by_rows(v), by_rows(i), by_rows(f)};
  in.insert(in.end(), states.begin(), states.end());
  if (fusable(in)) {
    std::vector<Tensor> made = outputs(q.runtime(), v.shape(), states);
    if (try_launch(mlstm_op, q.runtime(), in, made, &attrs)) return {made[0], {made.begin() + 1, made.end()}};
  }
  return mlstm_chunkwise(q, k, v, i, f, states, attrs, training_chunk);
}

Recurrence mlstm_chunkwise(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& i, const Tensor& f,
                           std::span<const Tensor> states, const MlstmAttrs& attrs, std::int64_t chunk) {
  check_mlstm(q, k, v, i, f, states, attrs);
  expect(chunk > 0, "mlstm", "chunks of ", chunk);
  const std::int64_t heads = q.size(1), nk = q.size(2), nv = v.size(2);
  Recurrence out;
  std::vector<Tensor> rows;
  for (std::size_t s = 0; s < attrs.segments.size(); ++s) {
    MatrixState state{reshape(slice(states[s], 1, 0, nk * nv), {heads, nk, nv}),
                      reshape(slice(states[s], 1, nk * nv, nk * nv + nk), {heads, nk, 1}),
                      reshape(slice(states[s], 1, nk * nv + nk, nk * nv + nk + 1), {heads, 1, 1})};
    const std::int64_t end = attrs.segments[s].row + attrs.segments[s].rows;
    for (std::int64_t t = attrs.segments[s].row; t < end; t += chunk) {
      const std::int64_t stop = std::min(t + chunk, end);
      const auto part = [&](const Tensor& x) { return transpose(slice(x, 0, t, stop), 0, 1); };
      const auto gate = [&](const Tensor& x) { return reshape(part(x), {heads, stop - t, 1}); };
      rows.push_back(transpose(chunk_step(part(q), part(k), part(v), gate(i), gate(f), attrs.scale, attrs.eps, state), 0, 1));
    }
    const Tensor parts[] = {reshape(state.c, {heads, nk * nv}), reshape(state.n, {heads, nk}), reshape(state.m, {heads, 1})};
    out.states.push_back(concat(parts, 1));
  }
  out.y = concat(rows, 0);
  return out;
}

Recurrence slstm(const Tensor& x, const Tensor& r, std::span<const Tensor> states, const SlstmAttrs& attrs) {
  expect(x.rank() == 4 && x.size(2) == 4, "slstm", "x ", x.str(), ", expected [tokens, heads, 4, d]");
  const std::int64_t heads = x.size(1), d = x.size(3);
  expect(r.shape() == Shape({heads, d, 4, d}), "slstm", "R ", r.str(), " for x ", x.str());
  check_segments("slstm", attrs.segments, states, {heads, 4, d}, x.size(0));
  std::vector<Tensor> in = {contiguous(x), contiguous(r)};
  in.insert(in.end(), states.begin(), states.end());
  if (fusable(in)) {
    std::vector<Tensor> made = outputs(x.runtime(), {x.size(0), heads, d}, states);
    if (try_launch(slstm_op, x.runtime(), in, made, &attrs)) return {made[0], {made.begin() + 1, made.end()}};
  }
  Recurrence out;
  std::vector<Tensor> rows;
  for (std::size_t s = 0; s < attrs.segments.size(); ++s) {
    Tensor state = states[s];
    for (std::int64_t t = attrs.segments[s].row; t < attrs.segments[s].row + attrs.segments[s].rows; ++t) {
      rows.push_back(scalar_step(slice(x, 0, t, t + 1), r, state));
    }
    out.states.push_back(state);
  }
  out.y = concat(rows, 0);
  return out;
}

}  // namespace tashika::ops
