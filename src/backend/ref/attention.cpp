// The paged cache in its natural layout: a page is [64 positions][heads][k_dim + v_dim]. Attention
// itself has no kernel here: its composition over kv_gather is the oracle.
#include "backend/contract/attention.h"

#include "backend/ref/ref.h"

namespace tashika::ref {
namespace {

std::byte* row_at(const KvLayout& layout, std::byte* const* pages, std::int64_t position) {
  return pages[position / page_positions] + layout.dtype.row_bytes(position % page_positions * layout.row_elements());
}

void run_append(const Call& call) {
  const auto& kv = call.attr<KvAttrs>();
  const KvLayout& layout = kv.layout;
  const std::vector<float> k = call.in[0].to_host();
  const std::vector<float> v = layout.v_in_k ? std::vector<float>{} : call.in[1].to_host();
  for (const KvSegment& s : kv.segments) {
    for (std::int64_t i = 0; i < s.rows; ++i) {
      std::byte* row = row_at(layout, s.pages, s.position + i);
      for (std::int64_t h = 0; h < layout.heads; ++h) {
        const std::int64_t from = (s.row + i) * layout.heads + h;
        layout.dtype->encode(k.data() + from * layout.k_dim, row, layout.k_dim);
        row += layout.dtype.row_bytes(layout.k_dim);
        if (layout.v_in_k) continue;
        layout.dtype->encode(v.data() + from * layout.v_dim, row, layout.v_dim);
        row += layout.dtype.row_bytes(layout.v_dim);
      }
    }
  }
}

void run_gather(const Call& call) {
  const auto& attrs = call.attr<KvGatherAttrs>();
  const KvLayout& layout = attrs.layout;
  auto* k = call.out[0].as<float>();
  auto* v = call.out[1].as<float>();
  for (std::int64_t p = attrs.begin; p < attrs.end; ++p) {
    const std::byte* row = row_at(layout, attrs.pages, p);
    for (std::int64_t h = 0; h < layout.heads; ++h) {
      layout.dtype->decode(row, k, layout.k_dim);
      if (layout.v_in_k) {
        layout.dtype->decode(row, v, layout.v_dim);
      } else {
        layout.dtype->decode(row + layout.dtype.row_bytes(layout.k_dim), v, layout.v_dim);
      }
      row += layout.dtype.row_bytes(layout.k_dim + (layout.v_in_k ? 0 : layout.v_dim));
      k += layout.k_dim;
      v += layout.v_dim;
    }
  }
}

constexpr Kernel kernels[] = {{&kv_append_op, nullptr, run_append}, {&kv_gather_op, nullptr, run_gather}};

}  // namespace

extern const KernelFile attention;
const KernelFile attention{kernels};

}  // namespace tashika::ref
