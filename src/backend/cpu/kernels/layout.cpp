// copy, concat, where, scatter_add: moving elements, with conversion where types differ.
#include <algorithm>
#include <cstring>

#include "backend/contract/elementwise.h"
#include "backend/cpu/isa/rows.h"
#include "backend/cpu/isa/training.h"
#include "backend/cpu/rows.h"

namespace tashika::cpu {

extern const KernelFile layout;

namespace {

// n elements of `bytes` each between runs of any stride (in elements).
template <typename T>
void move(std::byte* y, std::int64_t y_step, const std::byte* x, std::int64_t x_step, std::int64_t n) {
  auto* to = reinterpret_cast<T*>(y);
  const auto* from = reinterpret_cast<const T*>(x);
  if (y_step == 1 && x_step == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
  } else if (x_step == 0) {
    const T value = *from;
    for (std::int64_t i = 0; i < n; ++i) to[i * y_step] = value;
  } else if (y_step == 1) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = from[i * x_step];
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i * y_step] = from[i * x_step];
  }
}
void move(std::int64_t bytes, std::byte* y, std::int64_t y_step, const std::byte* x, std::int64_t x_step, std::int64_t n) {
  switch (bytes) {
    case 1: return move<std::uint8_t>(y, y_step, x, x_step, n);
    case 2: return move<std::uint16_t>(y, y_step, x, x_step, n);
    case 4: return move<std::uint32_t>(y, y_step, x, x_step, n);
    default: return move<std::uint64_t>(y, y_step, x, x_step, n);
  }
}

std::int64_t load_integer(DType dtype, const std::byte* at) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, at, static_cast<std::size_t>(dtype->bytes));
  const int width = 8 * dtype->bytes;
  if (dtype->name[0] == 'i' && width < 64 && (bits >> (width - 1) & 1) != 0) bits |= ~std::uint64_t{0} << width;
  return static_cast<std::int64_t>(bits);
}

// `from` to `to` for one run of equal shape; y is contiguous unless types are equal.
void convert(const ElementwiseFns& fns, const Tensor& to, std::byte* y, std::int64_t y_step, const Tensor& from, const std::byte* x,
             std::int64_t x_step, std::int64_t n) {
  const DType target = to.dtype(), source = from.dtype();
  if (target == source) {
    if (source.is_block()) std::memcpy(y, x, static_cast<std::size_t>(source.row_bytes(n)));
    else move(source->bytes, y, y_step, x, x_step, n);
    return;
  }
  if (target->kind == NumberKind::integer && source->kind == NumberKind::integer) {  // wraps, as a cast does
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t value = load_integer(source, x + i * x_step * source->bytes);
      std::memcpy(y + i * y_step * target->bytes, &value, static_cast<std::size_t>(target->bytes));
    }
    return;
  }
  alignas(64) float in[walk_piece], out[walk_piece];
  const float* values = read_f32(fns, source, x, x_step, n, in);
  if (y_step == 1) {
    float* target_values = write_target(target, y, out);
    if (target == f32) {
      if (values != target_values) std::memcpy(target_values, values, static_cast<std::size_t>(n) * sizeof(float));
    } else {
      write_f32(fns, target, values, y, n);
    }
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) target->encode(values + i, y + i * y_step * target->bytes, 1);
}

// Straight into `to` when `from` is contiguous f16, bf16 or blocks: saves a pass over the buffer.
bool decodes_whole(const Tensor& to, const Tensor& from, const Walk<2>& walk) {
  return to.dtype() == f32 && walk.stride(0) == 1 && (walk.stride(1) == 1 || from.dtype().is_block());
}

// Tiles for a transposed pair of dimensions: reading along one and writing along the other.
template <typename T>
void transpose_tile(T* y, std::int64_t y_step, const T* x, std::int64_t x_step, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) y[r * y_step + c] = x[r + c * x_step];
  }
}

// out contiguous [..., r, c], in with r innermost (stride 1) and any stride for c: true when done.
template <typename T>
bool copy_transposed(const Call& call, const Tensor& to, const Tensor& from) {
  const int rank = to.rank();
  if (rank < 2) return false;
  int unit = -1;  // the dimension that `from` stores innermost
  for (int d = 0; d < rank - 1; ++d) {
    if (from.strides()[d] == 1 && from.size(d) >= 16) unit = d;
  }
  if (unit < 0 || from.size(rank - 1) < 16 || from.strides()[rank - 1] == 1) return false;
  constexpr std::int64_t tile = 32;
  const std::int64_t rows = from.size(unit), columns = from.size(rank - 1);
  const std::int64_t down = (rows + tile - 1) / tile;
  std::int64_t outer = 1;
  for (int d = 0; d < rank - 1; ++d) outer *= d == unit ? 1 : to.size(d);
  for_items(call, outer * down, tile * columns * 2, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t u = begin; u < end; ++u) {
      std::int64_t rest = u / down;
      const std::int64_t r = u % down * tile;
      std::int64_t x_offset = r, y_offset = r * to.strides()[unit];
      for (int d = rank - 2; d >= 0; --d) {
        if (d == unit) continue;
        x_offset += rest % to.size(d) * from.strides()[d];
        y_offset += rest % to.size(d) * to.strides()[d];
        rest /= to.size(d);
      }
      for (std::int64_t c = 0; c < columns; c += tile) {
        transpose_tile(to.as<T>() + y_offset + c * to.strides()[rank - 1], to.strides()[unit],
                       from.as<T>() + x_offset + c * from.strides()[rank - 1], from.strides()[rank - 1],
                       std::min(tile, rows - r), std::min(tile, columns - c));
      }
    }
  });
  return true;
}

void copy_into(const Call& call, const Tensor& to, const Tensor& from) {
  if (to.numel() == 0) return;
  if (to.dtype() == from.dtype() && to.strides()[to.rank() - 1] == 1) {
    if (to.dtype()->bytes == 4 && copy_transposed<std::uint32_t>(call, to, from)) return;
    if (to.dtype()->bytes == 2 && copy_transposed<std::uint16_t>(call, to, from)) return;
  }
  const ElementwiseFns& fns = elementwise_fns(isa_of(call));
  const Walk<2> walk({&to, &from});
  const bool whole = decodes_whole(to, from, walk) && to.dtype() != from.dtype();
  for_items(call, walk.units(), walk.unit_elements() * 2 + 16, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t u = begin; u < end; ++u) {
      const auto piece = walk.unit(u);
      if (whole) {
        read_f32(fns, from.dtype(), piece.at[1], 1, piece.n, reinterpret_cast<float*>(piece.at[0]));
      } else {
        convert(fns, to, piece.at[0], walk.stride(0), from, piece.at[1], walk.stride(1), piece.n);
      }
    }
  });
}

void run_copy(const Call& call) {
  if (call.out[0].rank() == 0) {
    const Shape one{1};
    copy_into(call, call.out[0].view(one), call.in[0].strided(one, one));
  } else {
    copy_into(call, call.out[0], call.in[0]);
  }
}

void run_concat(const Call& call) {
  std::int64_t at = 0;
  for (const Tensor& t : call.in) {
    const std::int64_t n = t.size(1);
    copy_into(call, call.out[0].slice(1, at, at + n), t);
    at += n;
  }
}

void run_where(const Call& call) {
  const Tensor &mask = call.in[0], &out = call.out[0];
  const std::int64_t bytes = out.dtype()->bytes;
  const Walk<4> walk({&out, &mask, &call.in[1], &call.in[2]});
  if (walk.inner() == 0) return;
  for_items(call, walk.units(), walk.unit_elements() * 4 + 16, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t u = begin; u < end; ++u) {
      const auto piece = walk.unit(u);
      move(bytes, piece.at[0], walk.stride(0), piece.at[3], walk.stride(3), piece.n);
      for (std::int64_t i = 0; i < piece.n; ++i) {
        if (piece.at[1][i * walk.stride(1)] == std::byte{0}) continue;
        std::memcpy(piece.at[0] + i * walk.stride(0) * bytes, piece.at[2] + i * walk.stride(2) * bytes, static_cast<std::size_t>(bytes));
      }
    }
  });
}

// Values of other types than the result's.
void run_where_converted(const Call& call) {
  const ElementwiseFns& fns = elementwise_fns(isa_of(call));
  const Tensor &mask = call.in[0], &a = call.in[1], &b = call.in[2], &out = call.out[0];
  const Walk<4> walk({&out, &mask, &a, &b});
  if (walk.inner() == 0) return;
  for_items(call, walk.units(), walk.unit_elements() * 4 + 16, [&](std::int64_t begin, std::int64_t end, int) {
    alignas(64) float buffer[3][walk_piece];
    for (std::int64_t u = begin; u < end; ++u) {
      const auto piece = walk.unit(u);
      const float* x = read_f32(fns, a.dtype(), piece.at[2], walk.stride(2), piece.n, buffer[0]);
      const float* y = read_f32(fns, b.dtype(), piece.at[3], walk.stride(3), piece.n, buffer[1]);
      for (std::int64_t i = 0; i < piece.n; ++i) buffer[2][i] = piece.at[1][i * walk.stride(1)] != std::byte{0} ? x[i] : y[i];
      out.dtype()->encode(buffer[2], piece.at[0], piece.n);
    }
  });
}

// Threads own ranges of a row, so that every sum is made in ascending order of rows.
void run_scatter_add(const Call& call) {
  const ElementwiseFns& convert_fns = elementwise_fns(isa_of(call));
  const RowFns& fns = row_fns(isa_of(call));
  const Tensor &x = call.in[0], &ids = call.in[1], &out = call.out[0];
  const std::int64_t m = ids.numel(), width = out.size(0) > 0 ? out.numel() / out.size(0) : 0;
  std::memset(out.data(), 0, static_cast<std::size_t>(out.nbytes()));
  if (m == 0 || width == 0) return;
  const std::int64_t pieces = (width + walk_piece - 1) / walk_piece;
  const auto* id = ids.as<std::int32_t>();
  for_items(call, pieces, m * std::min(width, walk_piece), [&](std::int64_t begin, std::int64_t end, int) {
    alignas(64) float buffer[walk_piece];
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t first = p * walk_piece, n = std::min(walk_piece, width - first);
      for (std::int64_t i = 0; i < m; ++i) {
        const float* row = read_f32(convert_fns, x.dtype(), x.data() + x.dtype().row_bytes(i * x.strides()[0] + first), 1, n, buffer);
        fns.add(row, out.as<float>() + id[i * ids.strides()[0]] * width + first, n);
      }
    }
  });
}

bool accepts_copy(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  if (x.dtype() == y.dtype()) return !x.dtype().is_block() || x.strides()[x.rank() - 1] == 1;
  return x.dtype()->decode != nullptr && y.dtype()->encode != nullptr && !y.dtype().is_block();
}
bool accepts_concat(const Call& call) {
  for (const Tensor& t : call.in) {
    if (t.dtype() != call.out[0].dtype() || t.dtype().is_block() || t.rank() != 3) return false;
  }
  return true;
}
bool accepts_where_converted(const Call& call) {
  return call.in[0].dtype() == boolean && computable(call.in[1]) && computable(call.in[2]) && writable(call.out[0]);
}
bool accepts_where(const Call& call) {
  const DType dtype = call.out[0].dtype();
  return call.in[0].dtype() == boolean && call.in[1].dtype() == dtype && call.in[2].dtype() == dtype && !dtype.is_block();
}
// Rows contiguous within themselves.
bool accepts_scatter_add(const Call& call) {
  const Tensor &x = call.in[0], &ids = call.in[1];
  if (!computable(x) || call.out[0].dtype() != f32 || ids.dtype() != i32 || ids.rank() != 1 || x.rank() < 1) return false;
  std::int64_t step = 1;
  for (int d = x.rank() - 1; d >= 1; --d) {
    if (x.size(d) != 1 && x.strides()[d] != step) return false;
    step *= x.size(d);
  }
  return true;
}

// copy of a transposed matrix: columns that lie side by side become rows.
bool accepts_transpose(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  const bool types = (x.dtype() == f32 && (y.dtype() == f32 || y.dtype() == bf16)) || (x.dtype() == bf16 && y.dtype() == bf16);
  return types && x.rank() == 2 && x.strides()[0] == 1 && x.size(0) > 1 && x.size(1) > 1 && y.is_contiguous();
}

void run_transpose(const Call& call) {
  const TrainingFns& fns = training_fns(isa_of(call));
  const Tensor &x = call.in[0], &y = call.out[0];
  const std::int64_t n = x.size(0), rows = x.size(1), step = x.strides()[1];
  // Blocks of 64 rows of the source by 256 of its columns.
  constexpr std::int64_t high = 64, wide = 256;
  const std::int64_t down = (rows + high - 1) / high, across = (n + wide - 1) / wide;
  for_items(call, down * across, high * wide * 2, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t r = b % down * high, c = b / down * wide, m = std::min(high, rows - r), k = std::min(wide, n - c);
      if (x.dtype() == bf16) fns.transpose_bf16(x.as<std::uint16_t>() + r * step + c, step, m, k, y.as<std::uint16_t>() + c * rows + r, rows);
      else if (y.dtype() == bf16) fns.transpose_to_bf16(x.as<float>() + r * step + c, step, m, k, y.as<std::uint16_t>() + c * rows + r, rows);
      else fns.transpose(x.as<float>() + r * step + c, step, m, k, y.as<float>() + c * rows + r, rows);
    }
  });
}

constexpr Kernel kernels[] = {
    {&copy_op, accepts_transpose, run_transpose, "copy, transposing"},
    {&copy_op, accepts_copy, run_copy, "copy"},
    {&concat_op, accepts_concat, run_concat, "concat"},
    {&where_op, accepts_where, run_where, "where"},
    {&where_op, accepts_where_converted, run_where_converted, "where, converting"},
    {&scatter_add_op, accepts_scatter_add, run_scatter_add, "scatter_add"},
};

}  // namespace

const KernelFile layout{kernels};

}  // namespace tashika::cpu
