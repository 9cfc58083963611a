#include "ops/sequence_attention.h"

#include <vector>

#include "ops/attention.h"
#include "ops/autograd.h"
#include "ops/elementwise.h"
#include "ops/launch.h"
#include "ops/layout.h"

namespace tashika::ops {
namespace {

// Undefined when the backend has no kernel that accepts the call.
Tensor fused(const Tensor& q, const Tensor& k, const Tensor& v, const SequenceAttentionAttrs& attrs) {
  Runtime& rt = q.runtime();
  if (q.dtype() != f32 || k.dtype() != f32 || v.dtype() != f32 || !has_kernel(sequence_attention_op, rt)) return {};
  const Tensor in[] = {contiguous(q.detach()), contiguous(k.detach()), contiguous(v.detach())};
  Tensor out[] = {Tensor::empty(rt, {q.size(0), q.size(1), v.size(2)}, f32), Tensor::empty(rt, {q.size(1), q.size(0)}, f32)};
  if (!try_launch(sequence_attention_op, rt, in, out, &attrs)) return {};
  record(out[0], "sequence_attention", {&q, &k, &v}, [&]() -> Backward {
    std::vector<SequenceSpan> sequences(attrs.sequences.begin(), attrs.sequences.end());
    return [q = in[0], k = in[1], v = in[2], o = out[0].detach(), log_sum = out[1], attrs, sequences](const Tensor& g) {
      SequenceAttentionAttrs own = attrs;
      own.sequences = sequences;
      const Tensor of[] = {q, k, v, o, log_sum, contiguous(g)};
      std::vector<Tensor> grads;
      for (const Tensor& t : {q, k, v}) grads.push_back(Tensor::empty(t.runtime(), t.shape(), f32));
      expect(try_launch(sequence_attention_grad_op, q.runtime(), of, grads, &own), "sequence_attention", "no backward for ", q.str());
      return grads;
    };
  });
  return out[0];
}

}  // namespace

Tensor sequence_attention(const Tensor& q, const Tensor& k, const Tensor& v, const SequenceAttentionAttrs& attrs) {
  expect(q.rank() == 3 && k.rank() == 3 && v.rank() == 3 && q.size(2) == k.size(2) && q.size(1) % k.size(1) == 0 && v.size(1) == k.size(1) &&
             q.size(0) == k.size(0) && v.size(0) == k.size(0),
         "sequence_attention", "q ", q.str(), ", k ", k.str(), ", v ", v.str());
  if (Tensor out = fused(q, k, v, attrs); out.defined()) return out;
  std::vector<Tensor> parts;
  for (const SequenceSpan& s : attrs.sequences) {
    const std::int64_t end = s.row + s.rows;
    parts.push_back(dense_attention(slice(q, 0, s.row, end), slice(k, 0, s.row, end), slice(v, 0, s.row, end),
                                    {attrs.scale, attrs.softcap, attrs.causal, attrs.window, {}}));
  }
  return parts.size() == 1 ? parts[0] : concat(parts, 0);
}

}  // namespace tashika::ops
