// rope, rope_append, kv_append and kv_gather.
#include <algorithm>

#include "backend/contract/attention.h"
#include "backend/cpu/isa/attention.h"
#include "backend/cpu/kv_page.h"
#include "backend/cpu/walk.h"

namespace tashika::cpu {

extern const KernelFile cache;

namespace {

// [t, heads, dim] with contiguous heads and any strides outside.
bool headwise(const Tensor& t) { return t.dtype() == f32 && t.rank() == 3 && (t.strides()[2] == 1 || t.size(2) == 1); }
bool table(const Tensor& t) { return t.dtype() == f32 && t.rank() == 2 && (t.strides()[1] == 1 || t.size(1) <= 1); }
const float* head_of(const Tensor& t, std::int64_t row, std::int64_t head) {
  return t.as<float>() + row * t.strides()[0] + head * t.strides()[1];
}

void run_rope(const Call& call) {
  const AttentionFns& fns = attention_fns(isa_of(call));
  const Tensor &x = call.in[0], &cos = call.in[1], &sin = call.in[2];
  const bool interleaved = call.attr<RopeAttrs>().interleaved;
  const std::int64_t heads = x.size(1), dim = x.size(2), half = cos.size(1);
  auto* y = call.out[0].as<float>();
  for_items(call, x.size(0), heads * dim, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t t = begin; t < end; ++t) {
      const float *c = cos.as<float>() + t * cos.strides()[0], *s = sin.as<float>() + t * sin.strides()[0];
      for (std::int64_t h = 0; h < heads; ++h) fns.rope(head_of(x, t, h), c, s, half, interleaved, y + (t * heads + h) * dim, dim);
    }
  });
}

// Keys and values of every segment into its pages; `key` gives the row to store, for rope_append's sake.
template <typename Key>
void append(const Call& call, const KvAttrs& kv, const Tensor& v, const Key& key) {
  const KvPage page{kv.layout, elementwise_fns(isa_of(call))};
  const std::int64_t heads = kv.layout.heads, k_dim = kv.layout.k_dim, wide = std::max(k_dim, kv.layout.v_dim);
  const Scratch scratch = Scratch::per_thread(call.rt, (wide + k_dim) * static_cast<std::int64_t>(sizeof(float)));
  for (const KvSegment& segment : kv.segments) {
    for_items(call, segment.rows, 2 * kv.layout.row_elements(), [&](std::int64_t begin, std::int64_t end, int thread) {
      auto* rotated = scratch.get<float>(thread);
      void* buffer = rotated + k_dim;
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t row = segment.row + i, position = segment.position + i;
        std::byte* to = segment.pages[position / page_positions];
        for (std::int64_t h = 0; h < heads; ++h) {
          page.write(to, h, position % page_positions, key(row, h, rotated), v.defined() ? head_of(v, row, h) : nullptr, buffer);
        }
      }
    });
  }
}

void run_kv_append(const Call& call) {
  const auto& kv = call.attr<KvAttrs>();
  const Tensor& k = call.in[0];
  append(call, kv, kv.layout.v_in_k ? Tensor() : call.in[1], [&](std::int64_t row, std::int64_t h, float*) { return head_of(k, row, h); });
}

void run_rope_append(const Call& call) {
  const auto& attrs = call.attr<RopeAppendAttrs>();
  const AttentionFns& fns = attention_fns(isa_of(call));
  const Tensor &q = call.in[0], &k = call.in[1], &cos = call.in[3], &sin = call.in[4];
  const bool interleaved = attrs.rope.interleaved;
  const std::int64_t half = cos.size(1), heads = q.size(1), dim = q.size(2), k_dim = k.size(2);
  auto* y = call.out[0].as<float>();
  for_items(call, q.size(0), heads * dim, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t t = begin; t < end; ++t) {
      const float *c = cos.as<float>() + t * cos.strides()[0], *s = sin.as<float>() + t * sin.strides()[0];
      for (std::int64_t h = 0; h < heads; ++h) fns.rope(head_of(q, t, h), c, s, half, interleaved, y + (t * heads + h) * dim, dim);
    }
  });
  append(call, attrs.kv, attrs.kv.layout.v_in_k ? Tensor() : call.in[2], [&](std::int64_t row, std::int64_t h, float* rotated) {
    fns.rope(head_of(k, row, h), cos.as<float>() + row * cos.strides()[0], sin.as<float>() + row * sin.strides()[0], half, interleaved,
             rotated, k_dim);
    return static_cast<const float*>(rotated);
  });
}

void run_kv_gather(const Call& call) {
  const auto& attrs = call.attr<KvGatherAttrs>();
  const KvLayout& layout = attrs.layout;
  const KvPage page{layout, elementwise_fns(isa_of(call))};
  const std::int64_t heads = layout.heads, wide = std::max(layout.k_dim, layout.v_dim);
  auto *k = call.out[0].as<float>(), *v = call.out[1].as<float>();
  const Scratch scratch = Scratch::per_thread(call.rt, wide * static_cast<std::int64_t>(sizeof(float)));
  for_items(call, attrs.end - attrs.begin, 2 * layout.row_elements(), [&](std::int64_t begin, std::int64_t end, int thread) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t position = attrs.begin + i;
      for (std::int64_t h = 0; h < heads; ++h) {
        page.read(attrs.pages[position / page_positions], h, position % page_positions, k + (i * heads + h) * layout.k_dim,
                  v + (i * heads + h) * layout.v_dim, scratch.get<float>(thread));
      }
    }
  });
}

bool accepts_rope(const Call& call) { return headwise(call.in[0]) && table(call.in[1]) && table(call.in[2]); }
bool accepts_append(const Call& call) {
  const KvLayout& layout = call.attr<KvAttrs>().layout;
  return pages_of(layout) && headwise(call.in[0]) && (layout.v_in_k || headwise(call.in[1]));
}
bool accepts_rope_append(const Call& call) {
  const KvLayout& layout = call.attr<RopeAppendAttrs>().kv.layout;
  return pages_of(layout) && headwise(call.in[0]) && headwise(call.in[1]) && (layout.v_in_k || headwise(call.in[2])) &&
         table(call.in[3]) && table(call.in[4]);
}
bool accepts_gather(const Call& call) { return pages_of(call.attr<KvGatherAttrs>().layout); }

constexpr Kernel kernels[] = {
    {&rope_op, accepts_rope, run_rope, "rope"},
    {&rope_append_op, accepts_rope_append, run_rope_append, "rope_append"},
    {&kv_append_op, accepts_append, run_kv_append, "kv_append"},
    {&kv_gather_op, accepts_gather, run_kv_gather, "kv_gather"},
};

}  // namespace

const KernelFile cache{kernels};

}  // namespace tashika::cpu
