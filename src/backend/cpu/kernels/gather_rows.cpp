// gather_rows: rows of a table of any type, decoded to f32 (the input embedding).
#include "backend/contract/elementwise.h"

#include <cstring>

#include "backend/cpu/walk.h"

namespace tashika::cpu {

extern const KernelFile gather_rows;

namespace {

// Rows are read whole: contiguous within themselves, at any distance from each other.
bool accepts(const Call& call) {
  const Tensor &table = call.in[0], &ids = call.in[1];
  if (!computable(table) || ids.dtype() != i32 || !ids.is_contiguous() || call.out[0].dtype() != f32) return false;
  std::int64_t expected = 1;
  for (int d = table.rank() - 1; d >= 1; --d) {
    if (table.size(d) != 1 && table.strides()[d] != expected) return false;
    expected *= table.size(d);
  }
  return table.rank() >= 1;
}

void run(const Call& call) {
  const ElementwiseFns& fns = elementwise_fns(isa_of(call));
  const Tensor &table = call.in[0], &ids = call.in[1];
  const std::int64_t count = ids.numel(), n = table.size(0) == 0 ? 0 : table.numel() / table.size(0);
  const auto* id = ids.as<std::int32_t>();
  auto* out = call.out[0].as<float>();
  for_items(call, count, n * 4, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::byte* row = table.data() + table.dtype().row_bytes(id[i] * table.strides()[0]);
      float* y = out + i * n;
      const float* read = read_f32(fns, table.dtype(), row, 1, n, y);
      if (read != y) std::memcpy(y, read, static_cast<std::size_t>(n) * sizeof(float));
    }
  });
}

constexpr Kernel kernels[] = {{&gather_rows_op, accepts, run}};

}  // namespace

const KernelFile gather_rows{kernels};

}  // namespace tashika::cpu
