// Writing and reading one position of a page in the layout of isa/attention.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "backend/contract/attention.h"
#include "backend/cpu/isa/elementwise.h"

namespace tashika::cpu {

inline bool pages_of(const KvLayout& layout) { return layout.dtype == f32 || layout.dtype == f16 || layout.dtype == bf16; }

struct KvPage {
  const KvLayout& layout;
  const ElementwiseFns& fns;

  std::int64_t width() const { return layout.dtype->bytes; }
  std::int64_t head_bytes() const { return page_positions * (layout.k_dim + (layout.v_in_k ? 0 : layout.v_dim)) * width(); }
  std::int64_t k_offset(std::int64_t head) const { return head * head_bytes(); }
  std::int64_t v_offset(std::int64_t head) const { return k_offset(head) + page_positions * layout.k_dim * width(); }

  // `buffer` holds max(k_dim, v_dim) elements of the cache's type. v may be null (v_in_k).
  void write(std::byte* page, std::int64_t head, std::int64_t at, const float* k, const float* v, void* buffer) const {
    round(k, buffer, layout.k_dim);
    std::byte* keys = page + k_offset(head);
    if (layout.dtype == f32) write_keys(reinterpret_cast<std::uint32_t*>(keys), at, static_cast<const std::uint32_t*>(buffer));
    else if (layout.dtype == f16) write_keys(reinterpret_cast<std::uint16_t*>(keys), at, static_cast<const std::uint16_t*>(buffer));
    else write_key_pairs(reinterpret_cast<std::uint16_t*>(keys), at, static_cast<const std::uint16_t*>(buffer));
    if (layout.v_in_k) return;
    round(v, buffer, layout.v_dim);
    std::byte* values = page + v_offset(head);
    if (layout.dtype == bf16) {
      auto* to = reinterpret_cast<std::uint16_t*>(values) + at / 2 * layout.v_dim * 2 + at % 2;
      for (std::int64_t d = 0; d < layout.v_dim; ++d) to[2 * d] = static_cast<const std::uint16_t*>(buffer)[d];
    } else {
      std::memcpy(values + at * layout.v_dim * width(), buffer, static_cast<std::size_t>(layout.v_dim * width()));
    }
  }

  void read(const std::byte* page, std::int64_t head, std::int64_t at, float* k, float* v, void* buffer) const {
    const std::byte* keys = page + k_offset(head);
    if (layout.dtype == f32) read_keys(reinterpret_cast<const std::uint32_t*>(keys), at, static_cast<std::uint32_t*>(buffer));
    else if (layout.dtype == f16) read_keys(reinterpret_cast<const std::uint16_t*>(keys), at, static_cast<std::uint16_t*>(buffer));
    else read_key_pairs(reinterpret_cast<const std::uint16_t*>(keys), at, static_cast<std::uint16_t*>(buffer));
    layout.dtype->decode(buffer, k, layout.k_dim);
    if (layout.v_in_k) {
      std::memcpy(v, k, static_cast<std::size_t>(layout.v_dim) * sizeof(float));
      return;
    }
    const std::byte* values = page + v_offset(head);
    if (layout.dtype == bf16) {
      const auto* from = reinterpret_cast<const std::uint16_t*>(values) + at / 2 * layout.v_dim * 2 + at % 2;
      for (std::int64_t d = 0; d < layout.v_dim; ++d) static_cast<std::uint16_t*>(buffer)[d] = from[2 * d];
      layout.dtype->decode(buffer, v, layout.v_dim);
    } else {
      layout.dtype->decode(values + at * layout.v_dim * width(), v, layout.v_dim);
    }
  }

 private:
  void round(const float* x, void* to, std::int64_t n) const {
    if (layout.dtype == f32) std::memcpy(to, x, static_cast<std::size_t>(n) * sizeof(float));
    else if (layout.dtype == f16) fns.to_f16(x, to, n);
    else fns.to_bf16(x, to, n);
  }
  template <typename T>
  void write_keys(T* keys, std::int64_t at, const T* from) const {
    for (std::int64_t d = 0; d < layout.k_dim; ++d) keys[d * page_positions + at] = from[d];
  }
  template <typename T>
  void read_keys(const T* keys, std::int64_t at, T* to) const {
    for (std::int64_t d = 0; d < layout.k_dim; ++d) to[d] = keys[d * page_positions + at];
  }
  void write_key_pairs(std::uint16_t* keys, std::int64_t at, const std::uint16_t* from) const {
    const std::int64_t pairs = layout.k_dim / 2;
    for (std::int64_t d = 0; d < pairs; ++d) std::memcpy(keys + (d * page_positions + at) * 2, from + 2 * d, 4);
    if (layout.k_dim % 2 != 0) keys[pairs * 2 * page_positions + at] = from[2 * pairs];
  }
  void read_key_pairs(const std::uint16_t* keys, std::int64_t at, std::uint16_t* to) const {
    const std::int64_t pairs = layout.k_dim / 2;
    for (std::int64_t d = 0; d < pairs; ++d) std::memcpy(to + 2 * d, keys + (d * page_positions + at) * 2, 4);
    if (layout.k_dim % 2 != 0) to[2 * pairs] = keys[pairs * 2 * page_positions + at];
  }
};

}  // namespace tashika::cpu
