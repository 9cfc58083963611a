#include "ops/attention.h"

#include <array>
#include <limits>
#include <vector>

#include "ops/autograd.h"
#include "ops/elementwise.h"
#include "ops/launch.h"
#include "ops/layout.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/sequence_attention.h"

namespace tashika::ops {
namespace {

Tensor rope_composed(const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved) {
  const std::int64_t t = x.size(0), heads = x.size(1), dim = x.size(2), half = cos.size(1);
  const Tensor c = reshape(cos, {t, 1, half}), s = reshape(sin, {t, 1, half});
  const Tensor turned = slice(x, 2, 0, 2 * half);
  Tensor a, b;
  if (interleaved) {
    const Tensor pairs = reshape(turned, {t, heads, half, 2});
    a = reshape(slice(pairs, 3, 0, 1), {t, heads, half});
    b = reshape(slice(pairs, 3, 1, 2), {t, heads, half});
  } else {
    a = slice(turned, 2, 0, half);
    b = slice(turned, 2, half, 2 * half);
  }
  const Tensor first = sub(mul(a, c), mul(b, s)), second = add(mul(b, c), mul(a, s));
  Tensor out;
  if (interleaved) {
    const std::array<Tensor, 2> parts{reshape(first, {t, heads, half, 1}), reshape(second, {t, heads, half, 1})};
    out = reshape(concat(parts, 3), {t, heads, 2 * half});
  } else {
    const std::array<Tensor, 2> parts{first, second};
    out = concat(parts, 2);
  }
  if (2 * half == dim) return out;
  const std::array<Tensor, 2> parts{out, contiguous(slice(x, 2, 2 * half, dim))};
  return concat(parts, 2);
}

// The biases of queries [position, position + n) for keys [begin, end): [heads, n, end - begin].
Tensor spread(const DistanceBias& bias, std::int64_t position, std::int64_t n, std::int64_t begin, std::int64_t end) {
  const std::int64_t m = end - begin;
  std::vector<std::int32_t> at(static_cast<std::size_t>(n * m));
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < m; ++j) {
      at[static_cast<std::size_t>(i * m + j)] = static_cast<std::int32_t>(bias.origin + begin + j - position - i);
    }
  }
  const Tensor ids = Tensor::from_host(bias.table.runtime(), {n, m}, at);
  const Tensor by_distance = gather_rows(contiguous(transpose(bias.table, 0, 1)), ids);  // [n, m, heads]
  return transpose(transpose(by_distance, 1, 2), 0, 1);
}

}  // namespace

Tensor rope(const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved) {
  expect(x.rank() == 3 && cos.rank() == 2 && cos.shape() == sin.shape() && cos.size(0) == x.size(0) && 2 * cos.size(1) <= x.size(2),
         "rope", "x ", x.str(), ", cos ", cos.str());
  if (x.dtype() == f32) {
    Tensor out = Tensor::empty(x.runtime(), x.shape(), f32);
    const Tensor in[] = {x.detach(), cos, sin};
    const RopeAttrs attrs{interleaved};
    if (try_launch(rope_op, x.runtime(), in, {&out, 1}, &attrs)) {
      // A rotation's transpose is the rotation back.
      record(out, "rope", {&x}, [&]() -> Backward {
        return [cos, sin, interleaved](const Tensor& g) { return std::vector{rope(contiguous(g), cos, unary(Unary::neg, sin), interleaved)}; };
      });
      return out;
    }
  }
  return rope_composed(x, cos, sin, interleaved);
}

void kv_append(const Tensor& k, const Tensor& v, const KvAttrs& kv) {
  expect(k.rank() == 3 && k.size(1) == kv.layout.heads && k.size(2) == kv.layout.k_dim, "kv_append", "k ", k.str());
  expect(kv.layout.v_in_k || (v.rank() == 3 && v.size(1) == kv.layout.heads && v.size(2) == kv.layout.v_dim), "kv_append", "v ", v.str());
  const Tensor in[] = {k, v};
  launch(kv_append_op, k.runtime(), in, {}, &kv);
}

KeysValues kv_gather(Runtime& rt, const KvLayout& layout, std::byte* const* pages, std::int64_t begin, std::int64_t end) {
  Tensor out[] = {Tensor::empty(rt, {end - begin, layout.heads, layout.k_dim}, f32),
                  Tensor::empty(rt, {end - begin, layout.heads, layout.v_dim}, f32)};
  const KvGatherAttrs attrs{layout, pages, begin, end};
  launch(kv_gather_op, rt, {}, out, &attrs);
  return {out[0], out[1]};
}

Tensor rope_append(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cos, const Tensor& sin, bool interleaved,
                   const KvAttrs& kv) {
  Tensor out = Tensor::empty(q.runtime(), q.shape(), f32);
  const Tensor in[] = {q, k, v, cos, sin};
  const RopeAppendAttrs attrs{{interleaved}, kv};
  if (try_launch(rope_append_op, q.runtime(), in, {&out, 1}, &attrs)) return out;
  kv_append(rope(k, cos, sin, interleaved), v, kv);
  return rope(q, cos, sin, interleaved);
}

Tensor cached_attention(const Tensor& q, const AttentionAttrs& attrs, const Tensor& bias) {
  const KvLayout& layout = attrs.kv.layout;
  expect(q.rank() == 3 && q.size(2) == layout.k_dim && q.size(1) % layout.heads == 0, "attention", "q ", q.str(), " over ",
         layout.heads, " heads of ", layout.k_dim);
  const std::size_t inputs = bias.defined() ? 2 : 1;
  if (bias.defined()) expect(bias.rank() == 2 && bias.size(0) == q.size(1), "attention", "bias ", bias.str(), " for q ", q.str());
  for (const KvSegment& s : attrs.kv.segments) {
    const std::int64_t end = s.position + s.rows, pages = (end + page_positions - 1) / page_positions;
    expect(!bias.defined() || s.rows == 0 || (attrs.bias_origin >= end - 1 && bias.size(1) >= attrs.bias_origin + pages * page_positions), "attention",
           "bias ", bias.str(), " from ", attrs.bias_origin, " for ", end, " positions");
  }
  Runtime& rt = q.runtime();
  Tensor out = Tensor::empty(rt, {q.size(0), q.size(1), layout.v_dim}, f32);
  const Tensor in[] = {q, bias};
  if (try_launch(attention_op, rt, {in, inputs}, {&out, 1}, &attrs)) return out;
  std::vector<Tensor> parts;
  for (const KvSegment& segment : attrs.kv.segments) {
    const std::int64_t end = segment.position + segment.rows;
    // The first key that any row of the segment sees.
    const std::int64_t begin = attrs.window > 0 ? std::max<std::int64_t>(0, segment.position - attrs.window + 1) : 0;
    const KeysValues past = kv_gather(rt, layout, segment.pages, begin, end);
    DenseAttention dense{attrs.scale, attrs.softcap, attrs.causal, attrs.window, {}};
    if (bias.defined()) dense.bias = spread({bias, attrs.bias_origin}, segment.position, segment.rows, begin, end);
    parts.push_back(dense_attention(slice(q, 0, segment.row, segment.row + segment.rows), past.k, past.v, dense));
  }
  return parts.size() == 1 ? parts[0] : concat(parts, 0);
}

Tensor dense_attention(const Tensor& q, const Tensor& k, const Tensor& v, const DenseAttention& options) {
  const std::int64_t n = q.size(0), m = k.size(0), heads = k.size(1);
  expect(q.size(1) % heads == 0 && q.size(2) == k.size(2) && v.size(0) == m, "attention", "q ", q.str(), ", k ", k.str(), ", v ", v.str());
  const std::int64_t group = q.size(1) / heads;
  // [heads, group, n, dim] against [heads, 1, m, dim].
  const Tensor q4 = transpose(transpose(reshape(q, {n, heads, group, q.size(2)}), 0, 1), 1, 2);
  const Tensor k4 = reshape(transpose(k, 0, 1), {heads, 1, m, k.size(2)});
  const Tensor v4 = reshape(transpose(v, 0, 1), {heads, 1, m, v.size(2)});
  Tensor scores = scale(matmul(q4, transpose(k4, 2, 3)), options.scale);
  if (options.softcap > 0) scores = scale(tanh(scale(scores, 1.0f / options.softcap)), options.softcap);
  if (options.bias.defined()) scores = reshape(add(reshape(scores, {heads * group, n, m}), options.bias), {heads, group, n, m});
  if ((options.causal || options.window > 0) && !q.is_meta()) {
    std::vector<float> allowed(static_cast<std::size_t>(n * m));
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t position = m - n + i;
      for (std::int64_t j = 0; j < m; ++j) {
        const bool seen = (!options.causal || j <= position) &&
                          (options.window == 0 || (j > position - options.window && j < position + options.window));
        allowed[static_cast<std::size_t>(i * m + j)] = seen ? 1.0f : 0.0f;
      }
    }
    const Tensor mask = cast(Tensor::from_host(q.runtime(), {n, m}, allowed), boolean).expand({heads, group, n, m});
    const Tensor never = cast(Tensor::full(q.runtime(), {1, 1, 1, 1}, -std::numeric_limits<float>::infinity()), scores.dtype());
    scores = where(mask, scores, never);
  }
  const Tensor out = matmul(softmax(scores), v4);  // [heads, group, n, v_dim]
  return reshape(transpose(transpose(out, 1, 2), 0, 1), {n, heads * group, v.size(2)});
}

Tensor ragged_attention(const Tensor& q, const Tensor& k, const Tensor& v, std::span<const std::int64_t> lengths,
                        const DenseAttention& options, const DistanceBias& bias) {
  Runtime& rt = q.runtime();
  if (q.requires_grad() || k.requires_grad() || v.requires_grad() || bias.table.requires_grad()) {
    if (!bias.table.defined() && (options.causal || options.window == 0)) {
      std::vector<SequenceSpan> sequences;
      std::int64_t first = 0;
      for (const std::int64_t n : lengths) {
        sequences.push_back({first, n});
        first += n;
      }
      return sequence_attention(q, k, v, {sequences, options.scale, options.softcap, options.causal, options.window});
    }
    std::vector<Tensor> parts;
    std::int64_t row = 0;
    for (const std::int64_t n : lengths) {
      DenseAttention dense = options;
      dense.bias = bias.table.defined() ? spread(bias, 0, n, 0, n) : Tensor();
      parts.push_back(dense_attention(slice(q, 0, row, row + n), slice(k, 0, row, row + n), slice(v, 0, row, row + n), dense));
      row += n;
    }
    return parts.size() == 1 ? parts[0] : concat(parts, 0);
  }
  // Pages that live as long as this call, in the layout of the cache's.
  const KvLayout layout{f32, k.size(1), k.size(2), v.size(2), false};
  const std::int64_t bytes = layout.page_bytes();
  std::int64_t pages = 0;
  for (const std::int64_t n : lengths) pages += (n + page_positions - 1) / page_positions;
  const Tensor memory = Tensor::empty(rt, {pages * bytes}, i8);
  std::vector<std::byte*> table(static_cast<std::size_t>(pages));
  if (!memory.is_meta()) {
    for (std::int64_t p = 0; p < pages; ++p) table[static_cast<std::size_t>(p)] = memory.data() + p * bytes;
  }
  std::vector<KvSegment> segments;
  std::int64_t row = 0, page = 0;
  for (const std::int64_t n : lengths) {
    segments.push_back({row, n, 0, table.data() + page});
    row += n;
    page += (n + page_positions - 1) / page_positions;
  }
  expect(row == q.size(0) && row == k.size(0) && row == v.size(0), "attention", "q ", q.str(), ", k ", k.str(), ", v ", v.str(), " for ", row, " rows");
  const KvAttrs kv{layout, segments};
  kv_append(k, v, kv);
  return cached_attention(q, {kv, options.scale, options.softcap, options.window, options.causal, bias.origin}, bias.table);
}

}  // namespace tashika::ops
