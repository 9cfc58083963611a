// Primitive ops on elements, reductions along one dimension, and data movement.
//
// All take tensors of any strides and any decodable dtype; floating results have the dtype asked
// for (f32 unless said otherwise; the reference backend also computes f64).
#pragma once

#include <cstdint>

#include "backend/backend.h"
#include "backend/contract/functions.h"

namespace tashika {

struct UnaryAttrs {
  Unary fn;
};
inline constexpr OpId unary_op{"unary"};  // in: x; out: same shape

struct BinaryAttrs {
  Binary fn;
};
inline constexpr OpId binary_op{"binary"};  // in: a, b already expanded to one shape; out: that shape

struct AffineAttrs {
  float scale, offset;
};
inline constexpr OpId affine_op{"affine"};  // out = x * scale + offset (two roundings)

enum class Reduce { sum, max };
struct ReduceAttrs {
  Reduce fn;
};
inline constexpr OpId reduce_op{"reduce"};  // over the last dimension; in: x[..., n]; out: [...]

inline constexpr OpId copy_op{"copy"};  // any layout and dtype to a contiguous tensor of out's dtype (block formats decode)

// Inputs [outer, n_i, inner] (any strides, one dtype) side by side along the middle; out: [outer, sum n_i, inner].
inline constexpr OpId concat_op{"concat"};

// in: mask (bool), a, b of one shape; out: mask ? a : b
inline constexpr OpId where_op{"where"};

// in: table [n, ...] of any dtype, ids (i32, any shape); out: f32 [ids..., ...]. Ids are in range.
inline constexpr OpId gather_rows_op{"gather_rows"};
// in: rows [m, ...], ids i32 [m]; out [n, ...] = sum of rows by id, added in ascending row order.
inline constexpr OpId scatter_add_op{"scatter_add"};

// act(gate) * up, elementwise: the middle of a gated MLP. in: gate, up.
struct GatedAttrs {
  Unary act;
};
inline constexpr OpId gated_op{"gated"};

// Softmax over the last dimension in f32: exp(x - max) / sum. in: x; out: same shape.
inline constexpr OpId softmax_op{"softmax"};

// The k largest of the last dimension, largest first; of equals the lowest index first.
// in: x [..., n]; out: values f32 [..., k], ids i32 [..., k].
struct TopKAttrs {
  std::int64_t k;
};
inline constexpr OpId top_k_op{"top_k"};

}  // namespace tashika
