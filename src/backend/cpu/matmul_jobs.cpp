#include "backend/cpu/matmul_jobs.h"

#include <algorithm>

namespace tashika::cpu {
namespace {

constexpr std::int64_t inline_products = 1 << 16;  // fewer multiplications than this are not worth a fork

std::int64_t round_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }

}  // namespace

bool takes_weight(const Tensor& weight) {
  return weight.rank() == 2 && (weight.strides()[1] == 1 || weight.size(1) == 1) && weight.dtype()->decode != nullptr &&
         weight.dtype() != f64;
}

WeightKernel weight_kernel(const MatmulFns& fns, DType dtype, bool exact) {
  if (!exact) {
    for (int i = 0; i < fns.format_count; ++i) {
      const MatmulFormat& format = fns.formats[i];
      if (format.gguf_id == dtype->gguf_id) return {format.act, format.rows};
    }
  }
  if (dtype == f32) return {ActKind::f32, fns.f32};
  if (dtype == f16) return {ActKind::f32, fns.f16};
  if (dtype == bf16) return {ActKind::f32, fns.bf16_wide};
  return {ActKind::f32, fns.decoded};
}

std::int64_t act_bytes(ActKind kind, std::int64_t m, std::int64_t k) {
  const std::int64_t chunks = round_up(k, 256) / 256;
  switch (kind) {
    // Rows may be filled up to a tile, and lanes lie a line apart (isa/float_layout.h).
    case ActKind::f32: return ((m + 12) * round_up(k, 16) + 256) * 4;
    case ActKind::bf16: return ((m + 12) * round_up(k, 32) / 2 + 256) * 4;
    case ActKind::q256: return m * chunks * static_cast<std::int64_t>(sizeof(Act256));
    case ActKind::q32: return m * chunks * static_cast<std::int64_t>(sizeof(Act32));
  }
  return 0;
}

void pack_row(const MatmulFns& fns, ActKind kind, const float* x, std::int64_t k, std::byte* packed, std::int64_t row,
              std::int64_t rows) {
  switch (kind) {
    case ActKind::f32: return fns.pack_f32(x, k, reinterpret_cast<float*>(packed), row, rows);
    case ActKind::bf16: return fns.pack_bf16(x, k, reinterpret_cast<std::uint16_t*>(packed), row, rows);
    case ActKind::q256: return fns.pack_q256(x, k, reinterpret_cast<Act256*>(packed) + row, rows);
    case ActKind::q32: return fns.pack_q32(x, k, reinterpret_cast<Act32*>(packed) + row, rows);
  }
}

MatmulTask& MatmulJobs::add(const Tensor& weight, const WeightKernel& kernel, const void* act, std::int64_t act_rows,
                            std::int64_t m, float* y, std::int64_t y_stride) {
  MatmulJob& job = jobs_[count_++];
  job.rows = kernel.rows;
  job.first_unit = 0;
  job.task = {};
  job.task.w = reinterpret_cast<const std::uint8_t*>(weight.data());
  job.task.w_stride = weight.dtype().row_bytes(weight.strides()[0]);
  job.task.k = weight.size(1);
  job.task.act = act;
  job.task.act_rows = act_rows;
  job.task.m = m;
  job.task.y = y;
  job.task.y_stride = y_stride;
  job.task.rows = weight.size(0);
  job.task.decode = weight.dtype()->decode;
  job.task.block = weight.dtype()->block;
  job.task.block_bytes = weight.dtype()->bytes;
  return job.task;
}

void MatmulJobs::run() {
  std::int64_t rows = 0, products = 0, widest = 0;
  for (std::int64_t i = 0; i < count_; ++i) {
    rows += jobs_[i].task.rows;
    widest = std::max(widest, jobs_[i].task.k);
    products += jobs_[i].task.rows * jobs_[i].task.k * jobs_[i].task.m;
  }
  if (rows == 0) return;
  ThreadPool& pool = call_.rt.pool();
  const std::int64_t threads = pool.threads();
  // Large units walk memory in long streams and keep panels warm; there must be enough of them to share evenly.
  std::int64_t unit = 128;
  while (unit > 16 && rows < unit * threads * 6) unit /= 2;
  std::int64_t units = 0;
  for (std::int64_t i = 0; i < count_; ++i) {
    jobs_[i].first_unit = units;
    units += (jobs_[i].task.rows + unit - 1) / unit;
  }
  const Scratch scratch = Scratch::per_thread(call_.rt, matmul_scratch(widest));
  pool.parallel_for(units, products < inline_products ? units : 1, [&](std::int64_t begin, std::int64_t end, int thread) {
    std::int64_t j = 0;
    for (std::int64_t u = begin; u < end; ++u) {
      while (j + 1 < count_ && jobs_[j + 1].first_unit <= u) ++j;
      MatmulTask task = jobs_[j].task;
      const std::int64_t first = (u - jobs_[j].first_unit) * unit;
      task.next = std::min(task.rows, first + threads * unit);
      jobs_[j].rows(task, first, std::min(task.rows, first + unit), scratch.get<void>(thread));
    }
  });
}

}  // namespace tashika::cpu
