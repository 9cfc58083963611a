#include "ops/wkv.h"

#include "ops/autograd.h"
#include "ops/elementwise.h"
#include "ops/launch.h"
#include "ops/layout.h"
#include "ops/matmul.h"

namespace tashika::ops {
namespace {

// The inputs of one step, each without its row dimension, and the state they meet; gives the step's row of y.
using Step = std::vector<Tensor>;

bool fusable(std::span<const Tensor> inputs) {
  for (const Tensor& t : inputs) {
    if (t.requires_grad() || t.dtype() != f32) return false;
  }
  return true;
}

// Runs the kernel, or else `step` token by token: step(row inputs, state) updates the state and gives y's row.
template <typename StepFn, typename Launch>
Recurrence run(const OpId& op, std::span<const Tensor> rows, std::span<const Tensor> fixed, std::span<const Tensor> states,
               std::span<const RecurrenceSegment> segments, const Launch& start, const StepFn& step) {
  const Tensor& first = rows[0];
  expect(states.size() == segments.size(), op.name, states.size(), " states for ", segments.size(), " segments");
  std::int64_t next = 0;
  for (const RecurrenceSegment& s : segments) {
    expect(s.row == next && s.rows > 0, op.name, "segments do not follow each other");
    next += s.rows;
  }
  expect(next == first.size(0), op.name, "segments of ", next, " rows for ", first.str());
  for (std::size_t i = 1; i < states.size(); ++i) expect(states[i].shape() == states[0].shape(), op.name, "states differ in shape");

  std::vector<Tensor> in(rows.begin(), rows.end());
  in.insert(in.end(), fixed.begin(), fixed.end());
  in.insert(in.end(), states.begin(), states.end());
  Runtime& rt = first.runtime();
  Recurrence out;
  if (fusable(in)) {
    std::vector<Tensor> made = {Tensor::empty(rt, first.shape(), f32)};
    for (const Tensor& s : states) made.push_back(Tensor::empty(rt, s.shape(), f32));
    const WkvAttrs attrs{segments};
    if (start(rt, in, made, attrs)) {
      out.y = made[0];
      out.states.assign(made.begin() + 1, made.end());
      return out;
    }
  }
  std::vector<Tensor> parts;
  for (std::size_t s = 0; s < segments.size(); ++s) {
    Tensor state = states[s];
    for (std::int64_t t = segments[s].row; t < segments[s].row + segments[s].rows; ++t) {
      Step now;
      for (const Tensor& r : rows) now.push_back(slice(r, 0, t, t + 1));
      parts.push_back(step(now, state));
    }
    out.states.push_back(state);
  }
  out.y = concat(parts, 0);
  return out;
}

void check_heads(std::string_view op, const Tensor& like, std::initializer_list<const Tensor*> others, std::span<const Tensor> states) {
  expect(like.rank() == 3, op, "expected [tokens, heads, n], got ", like.str());
  for (const Tensor* t : others) expect(t->shape() == like.shape(), op, t->str(), " beside ", like.str());
  for (const Tensor& s : states) {
    expect(s.shape() == Shape({like.size(1), like.size(2), like.size(2)}), op, "state ", s.str(), " for ", like.str());
  }
}

// One row [1, heads, n] as a column or a row of every head's matrix.
Tensor column(const Tensor& row) { return reshape(row, {row.size(1), row.size(2), 1}); }
Tensor across(const Tensor& row) { return reshape(row, {row.size(1), 1, row.size(2)}); }
// vᵀ M of every head, as one row.
Tensor times(const Tensor& row, const Tensor& m) { return reshape(matmul(across(row), m), row.shape()); }

}  // namespace

Recurrence wkv4(const Tensor& k, const Tensor& v, const Tensor& decay, const Tensor& bonus, std::span<const Tensor> states,
                std::span<const RecurrenceSegment> segments) {
  expect(k.rank() == 2 && k.shape() == v.shape(), "wkv4", "k ", k.str(), ", v ", v.str());
  const Shape channels = {k.size(1)};
  expect(decay.shape() == channels && bonus.shape() == channels, "wkv4", "decay ", decay.str(), ", bonus ", bonus.str(), " for k ", k.str());
  for (const Tensor& s : states) expect(s.shape() == Shape({3, k.size(1)}), "wkv4", "state ", s.str(), " for k ", k.str());
  const Tensor rows[] = {k, v}, fixed[] = {decay, bonus};
  const auto start = [](Runtime& rt, std::span<const Tensor> in, std::span<Tensor> out, const WkvAttrs& a) { return try_launch(wkv4_op, rt, in, out, &a); };
  return run(wkv4_op, rows, fixed, states, segments, start, [&](const Step& in, Tensor& state) {
    const Tensor a = slice(state, 0, 0, 1), b = slice(state, 0, 1, 2), p = slice(state, 0, 2, 3);
    const Tensor &kt = in[0], &vt = in[1];
    const Tensor boosted = add(kt, bonus);
    const Tensor top = binary(Binary::maximum, p, boosted);
    const Tensor e1 = exp(sub(p, top)), e2 = exp(sub(boosted, top));
    const Tensor y = div(add(mul(e1, a), mul(e2, vt)), add(mul(e1, b), e2));
    const Tensor faded = add(p, decay);
    const Tensor next = binary(Binary::maximum, faded, kt);
    const Tensor f1 = exp(sub(faded, next)), f2 = exp(sub(kt, next));
    const Tensor parts[] = {add(mul(f1, a), mul(f2, vt)), add(mul(f1, b), f2), next};
    state = concat(parts, 0);
    return y;
  });
}

Recurrence wkv6(const Tensor& r, const Tensor& k, const Tensor& v, const Tensor& w, const Tensor& bonus,
                std::span<const Tensor> states, std::span<const RecurrenceSegment> segments) {
  check_heads("wkv6", r, {&k, &v}, states);
  expect(bonus.shape() == Shape({r.size(1), r.size(2)}), "wkv6", "bonus ", bonus.str(), " for r ", r.str());
  const bool constant = w.rank() == 3 && w.size(0) == 1;
  expect(w.shape() == Shape({constant ? 1 : r.size(0), r.size(1), r.size(2)}), "wkv6", "decay ", w.str(), " for r ", r.str());
  // A constant decay is a row of stride 0 to the kernel; composed, the first row serves every step.
  const bool plain = !w.requires_grad() && w.dtype() == f32;
  const Tensor rows[] = {r, k, v, constant && plain ? w.expand(r.shape()) : constant ? add(w, affine(r, 0.0f, 0.0f)) : w}, fixed[] = {bonus};
  const Tensor boost = reshape(bonus, {r.size(1), r.size(2), 1});
  const auto start = [](Runtime& rt, std::span<const Tensor> in, std::span<Tensor> out, const WkvAttrs& a) { return try_launch(wkv6_op, rt, in, out, &a); };
  return run(wkv6_op, rows, fixed, states, segments, start, [&](const Step& in, Tensor& state) {
    const Tensor kv = mul(column(in[1]), across(in[2]));
    const Tensor y = times(in[0], add(state, mul(boost, kv)));
    state = add(mul(column(in[3]), state), kv);
    return y;
  });
}

Recurrence wkv7(const Tensor& r, const Tensor& w, const Tensor& k, const Tensor& v, const Tensor& a, const Tensor& b,
                std::span<const Tensor> states, std::span<const RecurrenceSegment> segments) {
  check_heads("wkv7", r, {&w, &k, &v, &a, &b}, states);
  const Tensor rows[] = {r, w, k, v, a, b};
  const auto start = [](Runtime& rt, std::span<const Tensor> in, std::span<Tensor> out, const WkvAttrs& attrs) { return try_launch(wkv7_op, rt, in, out, &attrs); };
  return run(wkv7_op, rows, {}, states, segments, start, [&](const Step& in, Tensor& state) {
    const Tensor seen = across(times(in[4], state));
    state = add(add(mul(column(in[1]), state), mul(column(in[5]), seen)), mul(column(in[2]), across(in[3])));
    return times(in[0], state);
  });
}

}  // namespace tashika::ops
