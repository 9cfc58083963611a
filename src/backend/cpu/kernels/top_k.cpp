// top_k: one pass that keeps the best so far; of equals the lowest index first.
#include <algorithm>

#include "backend/contract/elementwise.h"
#include "backend/cpu/rows.h"

namespace tashika::cpu {

extern const KernelFile top_k;

namespace {

struct Best {
  float value;
  std::int32_t id;
};
// A NaN counts as less than everything.
bool before(const Best& a, const Best& b) {
  if (a.value > b.value) return true;
  if (a.value == b.value) return a.id < b.id;
  return a.value == a.value ? b.value != b.value : b.value != b.value && a.id < b.id;
}

void best_of_row(const float* x, std::int64_t n, std::int64_t k, Best* best) {
  if (k > 64) {  // a heap whose top is the worst kept
    for (std::int64_t i = 0; i < k; ++i) best[i] = {x[i], static_cast<std::int32_t>(i)};
    std::make_heap(best, best + k, before);
    for (std::int64_t i = k; i < n; ++i) {
      const Best next{x[i], static_cast<std::int32_t>(i)};
      if (!before(next, best[0])) continue;
      std::pop_heap(best, best + k, before);
      best[k - 1] = next;
      std::push_heap(best, best + k, before);
    }
    std::sort_heap(best, best + k, before);
    return;
  }
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (kept == k && x[i] <= best[k - 1].value) continue;  // the usual case
    const Best next{x[i], static_cast<std::int32_t>(i)};
    if (kept == k && !before(next, best[k - 1])) continue;
    std::int64_t j = kept < k ? kept++ : k - 1;
    for (; j > 0 && before(next, best[j - 1]); --j) best[j] = best[j - 1];
    best[j] = next;
  }
}

void run_top_k(const Call& call) {
  const std::int64_t k = call.attr<TopKAttrs>().k;
  const ElementwiseFns& fns = elementwise_fns(isa_of(call));
  const Rows rows(call.in[0]);
  const std::int64_t n = rows.n(), floats = rows.direct() ? 0 : n;
  auto* values = call.out[0].as<float>();
  auto* ids = call.out[1].as<std::int32_t>();
  const Scratch scratch = Scratch::per_thread(call.rt, floats * 4 + k * static_cast<std::int64_t>(sizeof(Best)));
  for_items(call, rows.count(), n, [&](std::int64_t begin, std::int64_t end, int thread) {
    auto* best = scratch.get<Best>(thread);
    auto* buffer = reinterpret_cast<float*>(best + k);
    for (std::int64_t r = begin; r < end; ++r) {
      best_of_row(rows.read(fns, r, buffer), n, k, best);
      for (std::int64_t j = 0; j < k; ++j) {
        values[r * k + j] = best[j].value;
        ids[r * k + j] = best[j].id;
      }
    }
  });
}

bool accepts(const Call& call) {
  return computable(call.in[0]) && call.out[0].dtype() == f32 && call.out[1].dtype() == i32;
}

constexpr Kernel kernels[] = {{&top_k_op, accepts, run_top_k, "top_k"}};

}  // namespace

const KernelFile top_k{kernels};

}  // namespace tashika::cpu
