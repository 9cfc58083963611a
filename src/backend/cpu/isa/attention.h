// Attention over pages of 64 keys, and the layout of a page.
//
// A page holds its heads one after the other, each a block of keys, then (unless the values are
// part of the keys) a block of values:
//   keys, transposed so that lanes are keys: f32, f16 [k_dim][64]; bf16 [k_dim / 2][64][2] and, for
//     an odd k_dim, [64] more: the pairs that a bf16 dot instruction wants;
//   values: f32, f16 [64][v_dim]; bf16 [32][v_dim][2], pairs of keys.
//
// A score is one chain over the key's entries in ascending order, an output one chain over the keys
// in ascending order, whatever queries are computed beside it. Keys are walked in splits of eight
// pages aligned to absolute position; each split starts an online softmax of its own (Milakov &
// Gimelshein 2018) and splits merge in ascending order.
#pragma once

#include <stdint.h>

#include "backend/cpu/isa.h"

namespace tashika::cpu {

enum class KvKind { f32, f16, bf16, bf16_dots };

inline constexpr int attention_split_pages = 8;
inline constexpr int attention_max_queries = 96;  // of one task

struct AttentionSplit {
  KvKind kind;
  int64_t k_dim, v_dim;
  bool v_in_k;
  const unsigned char* const* pages;  // of the sequence; null where a window has freed one
  int64_t k_offset, v_offset;         // bytes into a page
  int64_t page_begin, page_end;
  int64_t queries;
  const float* const* q;       // a row of k_dim each
  const void* const* q_pairs;  // bf16_dots: the same rounded to bf16, an odd k_dim's last entry as f32 after them
  const int64_t* position;     // ascending
  int64_t window;
  int64_t length;  // 0: causal; else queries also see the keys after them, to this position
  const float* const* bias;  // of each query: what is added to the score of key j, at [j], for all keys of the pages; or null
  float scale, softcap;
  // Results: maximum, sum and unnormalised output of each query; -inf, 0, 0 where it saw no key.
  float* m;
  float* l;
  float* o;          // rows of o_step floats
  int64_t o_step;    // v_dim rounded up to 16
  void* scratch;     // attention_scratch_bytes()
};

inline int64_t attention_scratch_bytes(int64_t v_dim) {
  return 64 * 8 + (int64_t)attention_max_queries * 64 + 6 * 64 * 4 + 64 * (v_dim + 16) * 4 + 256;
}

struct AttentionFns {
  void (*split)(const AttentionSplit& s);
  // (m, l, o) ⊕ (m2, l2, o2), n outputs.
  void (*merge)(float* m, float* l, float* o, float m2, float l2, const float* o2, int64_t n);
  void (*finish)(float l, const float* o, float* out, int64_t n);  // o / l
  // Rotates the first 2·half of dim entries; y may be x.
  void (*rope)(const float* x, const float* cos, const float* sin, int64_t half, bool interleaved, float* y, int64_t dim);
  bool bf16_dots;  // whether the set has them
  void (*to_pairs)(const float* q, void* pairs, int64_t k_dim);
};
TASHIKA_ISA_TABLES(AttentionFns, attention_fns)

}  // namespace tashika::cpu
