// Attention over a paged cache, and rotary positions.
//
// Keys and values of a layer live in pages of 64 positions aligned to absolute position: page p of
// a sequence holds positions 64p … 64p+63. The memory layout inside a page belongs to the backend;
// ops and states only know a page's size, move whole pages, and read or write rows through
// kv_append and kv_gather. A page is also the key block of attention, so that blocks never depend
// on chunks, windows or threads.
#pragma once

#include <cstdint>
#include <span>

#include "backend/backend.h"

namespace tashika {

inline constexpr std::int64_t page_positions = 64;

// What one cached position of a layer is. With `v_in_k` (latent attention) only keys are stored and
// the value is the first v_dim entries of the key.
struct KvLayout {
  DType dtype;             // f32, f16 or bf16
  std::int64_t heads = 0;  // key/value heads
  std::int64_t k_dim = 0;  // per head
  std::int64_t v_dim = 0;
  bool v_in_k = false;

  std::int64_t row_elements() const { return heads * (k_dim + (v_in_k ? 0 : v_dim)); }
  // A page in the natural layout. Backends lay rows out as they like within this size.
  std::int64_t page_bytes() const { return page_positions * row_elements() * dtype->bytes; }
  bool operator==(const KvLayout&) const = default;
};

// The rows of a batch that belong to one sequence: rows [row, row + rows) hold the positions
// [position, position + rows). pages[p] is the memory of page p, or null where a sliding window
// has freed it; it covers at least position + rows positions.
struct KvSegment {
  std::int64_t row = 0;
  std::int64_t rows = 0;
  std::int64_t position = 0;
  std::byte* const* pages = nullptr;
};

struct KvAttrs {
  KvLayout layout;
  std::span<const KvSegment> segments;
};

// Writes k and v rows of a batch into the pages, rounded to the layout's dtype.
// in: k f32 [t, heads, k_dim], v f32 [t, heads, v_dim] (undefined with v_in_k); out: none.
inline constexpr OpId kv_append_op{"kv_append"};

// Reads positions [begin, end) of one segment's pages. in: none; out: k f32 [end-begin, heads, k_dim], v likewise
// (v is present also with v_in_k).
struct KvGatherAttrs {
  KvLayout layout;
  std::byte* const* pages;
  std::int64_t begin, end;
};
inline constexpr OpId kv_gather_op{"kv_gather"};

// Rotates pairs of the first 2·half entries of each head (Su et al. 2021): with `interleaved` the pairs are
// (2i, 2i+1), else (i, i+half). in: x f32 [t, heads, dim] (row-strided), cos, sin f32 [t, half]; out: f32 [t, heads, dim].
struct RopeAttrs {
  bool interleaved = false;
};
inline constexpr OpId rope_op{"rope"};

// Fused: rope(q), rope(k), kv_append. in: q, k, v, cos, sin; out: rotated q. The keys are written
// to the pages only.
struct RopeAppendAttrs {
  RopeAttrs rope;
  KvAttrs kv;
};
inline constexpr OpId rope_append_op{"rope_append"};

// softmax(scale · q k^T + mask) v in one pass, for every segment of a batch. A query at position p sees the keys
// (p - window, p] (window 0: all of [0, p]) as the cache stores them; without `causal` also those after it, (p - window,
// p + window) or all of the segment's positions. With softcap c > 0 scores become c·tanh(score / c). Then the bias is added:
// bias[h, bias_origin + j - p] to the score of query head h at p and the key at j. Query head h reads key head h / (heads_q / heads_kv).
// in: q f32 [t, heads_q, k_dim], and optionally bias f32 [heads_q, width], which holds the distances of every query to every
// position of the pages it sees: bias_origin >= largest p, width >= bias_origin + 64 · pages; out: f32 [t, heads_q, v_dim].
struct AttentionAttrs {
  KvAttrs kv;
  float scale = 1.0f;
  float softcap = 0.0f;
  std::int64_t window = 0;
  bool causal = true;
  std::int64_t bias_origin = 0;
};
inline constexpr OpId attention_op{"attention"};

}  // namespace tashika
