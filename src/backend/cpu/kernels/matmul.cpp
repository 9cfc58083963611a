// matmul: plain matrices of any strides. b's columns are gathered into contiguous rows, then it is a linear in f32.
#include <algorithm>

#include "backend/contract/matmul.h"
#include "backend/cpu/isa/elementwise.h"
#include "backend/cpu/matmul_jobs.h"

namespace tashika::cpu {

extern const KernelFile matmul;

namespace {

bool readable(const Tensor& t) { return t.dtype()->decode != nullptr && t.dtype() != f64 && !t.dtype().is_block(); }

bool accepts(const Call& call) {
  return readable(call.in[0]) && readable(call.in[1]) && call.out[0].dtype() == f32 && call.in[0].rank() == call.in[1].rank();
}

// Where batch `index` of the leading dimensions begins, in elements.
std::int64_t offset_of(const Tensor& t, std::int64_t index) {
  std::int64_t offset = 0;
  for (int d = t.rank() - 3; d >= 0; --d) {
    offset += index % t.size(d) * t.strides()[d];
    index /= t.size(d);
  }
  return offset;
}

void gather(const Tensor& t, std::int64_t offset, std::int64_t stride, std::int64_t n, float* out) {
  const std::byte* at = t.data() + offset * t.dtype()->bytes;
  if (stride == 1 && t.dtype() != f32) return t.dtype()->decode(at, out, n);
  if (t.dtype() == f32) {
    const auto* x = reinterpret_cast<const float*>(at);
    for (std::int64_t i = 0; i < n; ++i) out[i] = x[i * stride];
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) t.dtype()->decode(at + i * stride * t.dtype()->bytes, out + i, 1);
}

void run(const Call& call) {
  const MatmulFns& fns = matmul_fns(isa_of(call));
  const Tensor &a = call.in[0], &b = call.in[1];
  const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  auto* out = call.out[0].as<float>();
  const std::int64_t batches = m * n == 0 ? 0 : call.out[0].numel() / (m * n);
  const bool rows_in_place = b.dtype() == f32 && b.strides()[-2] == 1 && k > 0;
  const std::int64_t padded = (k + 15) / 16 * 16, block = std::min(m, act_rows_max);
  const Scratch columns = Scratch::shared(call.rt, rows_in_place ? 0 : n * k * 4);
  const Scratch packed = Scratch::shared(call.rt, act_bytes(ActKind::f32, block, k));
  const Scratch lines = Scratch::per_thread(call.rt, padded * 4);
  const Scratch scratch = Scratch::per_thread(call.rt, matmul_scratch(k));
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    const std::int64_t a0 = offset_of(a, batch), b0 = offset_of(b, batch);
    auto* w = rows_in_place ? b.as<float>() + b0 : columns.get<float>();
    if (!rows_in_place) {
      for_items(call, n, k * 4, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t j = begin; j < end; ++j) gather(b, b0 + j * b.strides()[-1], b.strides()[-2], k, w + j * k);
      });
    }
    for (std::int64_t first = 0; first < m; first += block) {
      const std::int64_t rows = std::min(block, m - first);
      for_items(call, rows, k * 2, [&](std::int64_t begin, std::int64_t end, int thread) {
        for (std::int64_t t = begin; t < end; ++t) {
          gather(a, a0 + (first + t) * a.strides()[-2], a.strides()[-1], k, lines.get<float>(thread));
          fns.pack_f32(lines.get<float>(thread), k, packed.get<float>(), t, rows);
        }
      });
      MatmulTask task;
      task.w = reinterpret_cast<const std::uint8_t*>(w);
      task.w_stride = (rows_in_place ? b.strides()[-1] : k) * 4;
      task.k = k;
      task.act = packed.get<float>();
      task.act_rows = task.m = rows;
      task.y = out + (batch * m + first) * n;
      task.y_stride = n;
      task.rows = task.next = n;
      for_items(call, (n + 31) / 32, rows * k * 2, [&](std::int64_t begin, std::int64_t end, int thread) {
        fns.f32(task, begin * 32, std::min(n, end * 32), scratch.get<void>(thread));
      });
    }
  }
}

constexpr Kernel kernels[] = {{&matmul_op, accepts, run}};

}  // namespace

const KernelFile matmul{kernels};

}  // namespace tashika::cpu
