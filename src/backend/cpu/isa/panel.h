// Weight blocks of 16 rows, unpacked so that rows lie in the lanes: each 64 bytes hold four consecutive k (a quad) of
// 16 rows. A panel keeps 256 k of them in L1 for many activation rows; with few, the quads go straight to the dots.
//
// A format unpacks its quads unit by unit: a unit holds `slots` groups (blocks of 32 have one), and
// sink.emit(slot, quad, bytes) gets each quad of each of them. It takes 16 row pointers and reads nothing outside the
// blocks at `at` in each. Byte layouts: src/quant/*.h.
#pragma once

#include "backend/cpu/isa/dot.h"

namespace tashika::cpu::TASHIKA_ISA_NS {

struct alignas(64) PanelK {
  uint8_t q[64][64];
  int32_t scale[16][16];  // [group][row]
  int16_t min[8][32];     // [pair of groups][row, group of the pair]
  float d[16];
  float neg_dmin[16];
};
struct alignas(64) Panel32 {
  uint8_t q[64][64];
  float d[8][16];      // [block][row]
  float neg_m[8][16];  // the block's minimum is -neg_m
};

TASHIKA_INLINE I nibbles_low(I x) { return x & splat_i(0x0f0f0f0f); }
TASHIKA_INLINE I nibbles_high(I x) { return shift_right<4>(x) & splat_i(0x0f0f0f0f); }
template <int Shift>
TASHIKA_INLINE I two_bits(I x) { return shift_right<Shift>(x) & splat_i(0x03030303); }

// Bytes 4h and 4h+1 (of two words) as pairs of int16.
TASHIKA_INLINE void store_min_pairs(PanelK& p, int pair, I bytes) {
  store_i((int32_t*)p.min[pair], (bytes & splat_i(0xff)) | (shift_left<8>(bytes) & splat_i(0xff0000)));
  store_i((int32_t*)p.min[pair + 1], (shift_right<16>(bytes) & splat_i(0xff)) | (shift_right<8>(bytes) & splat_i(0xff0000)));
}
TASHIKA_INLINE void store_d_dmin(PanelK& p, I word) {
  store(p.d, low_f16(word));
  store(p.neg_dmin, neg(low_f16(shift_right<16>(word))));
}

// The header that q4_k and q5_k share: d, dmin and twelve bytes of scales (quant/scales_k4.h).
TASHIKA_INLINE void unpack_scales_k4(PanelK& p, const uint8_t* const* rows, int64_t at) {
  I h[4];
  piece(rows, at, h);
  store_d_dmin(p, h[0]);
  const I six = splat_i(0x3f3f3f3f), top = splat_i(0x30303030);
  const I scale0 = h[1] & six, min0 = h[2] & six;
  const I scale1 = nibbles_low(h[3]) | (shift_right<2>(h[1]) & top);
  const I min1 = nibbles_high(h[3]) | (shift_right<2>(h[2]) & top);
  for (int j = 0; j < 4; ++j) {
    store_i(p.scale[j], byte_of(scale0, j));
    store_i(p.scale[j + 4], byte_of(scale1, j));
  }
  store_min_pairs(p, 0, min0);
  store_min_pairs(p, 2, min1);
}

struct Q4K {
  static constexpr int group = 32, bytes = 144, units = 4, slots = 2;
  static constexpr bool has_min = true, wide = false;
  static constexpr int offset_shift = -1;
  static constexpr int group_of(int unit, int slot) { return 2 * unit + slot; }
  TASHIKA_INLINE void scales(PanelK& p, const uint8_t* const* rows, int64_t at) { unpack_scales_k4(p, rows, at); }
  template <class Sink>
  TASHIKA_INLINE void quads(Sink& sink, const uint8_t* const* rows, int64_t at, int unit) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      I x[4];
      piece(rows, at + 16 + 32 * unit + 16 * half, x);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        sink.emit(0, 4 * half + j, nibbles_low(x[j]));
        sink.emit(1, 4 * half + j, nibbles_high(x[j]));
      }
    }
  }
};

struct Q5K {
  static constexpr int group = 32, bytes = 176, units = 4, slots = 2;
  static constexpr bool has_min = true, wide = false;
  static constexpr int offset_shift = -1;
  static constexpr int group_of(int unit, int slot) { return 2 * unit + slot; }
  TASHIKA_INLINE void scales(PanelK& p, const uint8_t* const* rows, int64_t at) { unpack_scales_k4(p, rows, at); }
  template <class Sink>
  TASHIKA_INLINE void quads(Sink& sink, const uint8_t* const* rows, int64_t at, int unit) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      I fifth[4], x[4];
      piece(rows, at + 16 + 16 * half, fifth);
      piece(rows, at + 48 + 32 * unit + 16 * half, x);
      const I bit = splat_i(0x10101010);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const I two = shift_right_by(fifth[j], 2 * unit) & splat_i(0x03030303);
        sink.emit(0, 4 * half + j, nibbles_low(x[j]) | (shift_left<4>(two) & bit));
        sink.emit(1, 4 * half + j, nibbles_high(x[j]) | (shift_left<3>(two) & bit));
      }
    }
  }
};

// q2_k, q3_k and q6_k spread 16 bytes over four groups of 16 that lie 32 elements apart.
struct Spread16 {
  static constexpr int group = 16, units = 4, slots = 4;
  static constexpr bool wide = false;
  static constexpr int group_of(int unit, int slot) { return unit / 2 * 8 + unit % 2 + 2 * slot; }
};

struct Q6K : Spread16 {
  static constexpr int bytes = 210;
  static constexpr bool has_min = false;
  static constexpr int offset_shift = 5;
  TASHIKA_INLINE void scales(PanelK& p, const uint8_t* const* rows, int64_t at) {
    I s[4];
    piece(rows, at + 194, s);
    store(p.d, low_f16(shift_right<16>(s[3])));
    piece(rows, at + 192, s);
#pragma GCC unroll 16
    for (int g = 0; g < 16; ++g) store_i(p.scale[g], signed_byte_of(s[g / 4], g % 4));
  }
  template <class Sink>
  TASHIKA_INLINE void quads(Sink& sink, const uint8_t* const* rows, int64_t at, int unit) {
    const int half = unit / 2, part = unit % 2;
    I high[4], a[4], b[4];
    piece(rows, at + 128 + 32 * half + 16 * part, high);
    piece(rows, at + 64 * half + 16 * part, a);
    piece(rows, at + 64 * half + 32 + 16 * part, b);
    const I top = splat_i(0x30303030);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      sink.emit(0, j, nibbles_low(a[j]) | (shift_left<4>(high[j]) & top));
      sink.emit(1, j, nibbles_low(b[j]) | (shift_left<2>(high[j]) & top));
      sink.emit(2, j, nibbles_high(a[j]) | (high[j] & top));
      sink.emit(3, j, nibbles_high(b[j]) | (shift_right<2>(high[j]) & top));
    }
  }
};

struct Q2K : Spread16 {
  static constexpr int bytes = 84;
  static constexpr bool has_min = true;
  static constexpr int offset_shift = -1;
  TASHIKA_INLINE void scales(PanelK& p, const uint8_t* const* rows, int64_t at) {
    I s[4];
    piece(rows, at + 68, s);
    store_d_dmin(p, s[3]);
    piece(rows, at, s);
#pragma GCC unroll 4
    for (int w = 0; w < 4; ++w) {
      const I scale = nibbles_low(s[w]);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) store_i(p.scale[4 * w + j], byte_of(scale, j));
      store_min_pairs(p, 2 * w, nibbles_high(s[w]));
    }
  }
  template <class Sink>
  TASHIKA_INLINE void quads(Sink& sink, const uint8_t* const* rows, int64_t at, int unit) {
    I x[4];
    piece(rows, at + 16 + 16 * unit, x);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      sink.emit(0, j, two_bits<0>(x[j]));
      sink.emit(1, j, two_bits<2>(x[j]));
      sink.emit(2, j, two_bits<4>(x[j]));
      sink.emit(3, j, two_bits<6>(x[j]));
    }
  }
};

struct Q3K : Spread16 {
  static constexpr int bytes = 110;
  static constexpr bool has_min = false;
  static constexpr int offset_shift = 2;
  TASHIKA_INLINE void scales(PanelK& p, const uint8_t* const* rows, int64_t at) {
    I s[4];
    piece(rows, at + 94, s);
    store(p.d, low_f16(shift_right<16>(s[3])));
    I word[3];
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) word[j] = shift_right<16>(s[j]) | shift_left<16>(s[j + 1]);
    const I top = splat_i(0x30303030), less = splat_i(32);
    const I scale[4] = {nibbles_low(word[0]) | (shift_left<4>(word[2]) & top), nibbles_low(word[1]) | (shift_left<2>(word[2]) & top),
                        nibbles_high(word[0]) | (word[2] & top), nibbles_high(word[1]) | (shift_right<2>(word[2]) & top)};
#pragma GCC unroll 16
    for (int g = 0; g < 16; ++g) store_i(p.scale[g], byte_of(scale[g / 4], g % 4) - less);
  }
  template <class Sink>
  TASHIKA_INLINE void quads(Sink& sink, const uint8_t* const* rows, int64_t at, int unit) {
    I third[4], x[4];
    piece(rows, at + 16 * (unit % 2), third);
    piece(rows, at + 32 + 16 * unit, x);
    const I bit = splat_i(0x04040404);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const I four = shift_right_by(third[j], unit / 2 * 4);
      sink.emit(0, j, two_bits<0>(x[j]) | (shift_left<2>(four) & bit));
      sink.emit(1, j, two_bits<2>(x[j]) | (shift_left<1>(four) & bit));
      sink.emit(2, j, two_bits<4>(x[j]) | (four & bit));
      sink.emit(3, j, two_bits<6>(x[j]) | (shift_right<1>(four) & bit));
    }
  }
};

// quant/table_iq4.h; kernels/linear.cpp checks that they are equal.
inline constexpr int8_t iq4_table[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

template <class Sink>
TASHIKA_INLINE void iq4_quads(Sink& sink, const uint8_t* const* rows, int64_t at) {
  I x[4];
  piece(rows, at, x);
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    sink.emit(0, j, to_panel(lookup(iq4_table, nibbles_low(x[j]))));
    sink.emit(0, j + 4, to_panel(lookup(iq4_table, nibbles_high(x[j]))));
  }
}

struct IQ4XS {
  static constexpr int group = 32, bytes = 136, units = 8, slots = 1;
  static constexpr bool has_min = false, wide = true;
  static constexpr int offset_shift = 7;
  static constexpr int group_of(int unit, int) { return unit; }
  TASHIKA_INLINE void scales(PanelK& p, const uint8_t* const* rows, int64_t at) {
    I h[4];
    piece(rows, at, h);
    store(p.d, low_f16(h[0]));
    const I low = nibbles_low(h[1]), odd = nibbles_high(h[1]), less = splat_i(32);
    I high = shift_right<16>(h[0]);
#pragma GCC unroll 8
    for (int g = 0; g < 8; ++g) {
      const I four = byte_of(g % 2 ? odd : low, g / 2);
      store_i(p.scale[g], (four | shift_left<4>(high & splat_i(3))) - less);
      high = shift_right<2>(high);
    }
  }
  template <class Sink>
  TASHIKA_INLINE void quads(Sink& sink, const uint8_t* const* rows, int64_t at, int unit) {
    iq4_quads(sink, rows, at + 8 + 16 * unit);
  }
};

struct Q8_0 {
  static constexpr int bytes = 34;
  static constexpr bool has_min = false, wide = true;
  static constexpr int offset_shift = 7;
  TASHIKA_INLINE void scales(Panel32& p, int b, const uint8_t* const* rows, int64_t at) {
    I x[4];
    piece(rows, at, x);
    store(p.d[b], low_f16(x[0]));
  }
  template <class Sink>
  TASHIKA_INLINE void quads(Sink& sink, const uint8_t* const* rows, int64_t at) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      I x[4];
      piece(rows, at + 2 + 16 * half, x);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) sink.emit(0, 4 * half + j, to_panel(x[j]));
    }
  }
};

template <class Sink>
TASHIKA_INLINE void nibble_quads(Sink& sink, const uint8_t* const* rows, int64_t at) {
  I x[4];
  piece(rows, at, x);
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    sink.emit(0, j, nibbles_low(x[j]));
    sink.emit(0, j + 4, nibbles_high(x[j]));
  }
}

struct Q4_0 {
  static constexpr int bytes = 18;
  static constexpr bool has_min = false, wide = false;
  static constexpr int offset_shift = 3;
  TASHIKA_INLINE void scales(Panel32& p, int b, const uint8_t* const* rows, int64_t at) {
    I x[4];
    piece(rows, at, x);
    store(p.d[b], low_f16(x[0]));
  }
  template <class Sink>
  TASHIKA_INLINE void quads(Sink& sink, const uint8_t* const* rows, int64_t at) {
    nibble_quads(sink, rows, at + 2);
  }
};

struct Q4_1 {
  static constexpr int bytes = 20;
  static constexpr bool has_min = true, wide = false;
  static constexpr int offset_shift = -1;
  TASHIKA_INLINE void scales(Panel32& p, int b, const uint8_t* const* rows, int64_t at) {
    I x[4];
    piece(rows, at, x);
    store(p.d[b], low_f16(x[0]));
    store(p.neg_m[b], neg(low_f16(shift_right<16>(x[0]))));
  }
  template <class Sink>
  TASHIKA_INLINE void quads(Sink& sink, const uint8_t* const* rows, int64_t at) {
    nibble_quads(sink, rows, at + 4);
  }
};

// Bits 4j … 4j+3 of each lane as bit 4 of its four bytes.
template <int J>
TASHIKA_INLINE I fifth_bits(I word) {
  const I four = shift_right<4 * J>(word) & splat_i(15);
  const I spread = four | shift_left<7>(four) | shift_left<14>(four) | shift_left<21>(four);
  return shift_left<4>(spread & splat_i(0x01010101));
}
template <class Sink>
TASHIKA_INLINE void five_quads(Sink& sink, const I x[4], I word) {
  sink.emit(0, 0, nibbles_low(x[0]) | fifth_bits<0>(word));
  sink.emit(0, 1, nibbles_low(x[1]) | fifth_bits<1>(word));
  sink.emit(0, 2, nibbles_low(x[2]) | fifth_bits<2>(word));
  sink.emit(0, 3, nibbles_low(x[3]) | fifth_bits<3>(word));
  sink.emit(0, 4, nibbles_high(x[0]) | fifth_bits<4>(word));
  sink.emit(0, 5, nibbles_high(x[1]) | fifth_bits<5>(word));
  sink.emit(0, 6, nibbles_high(x[2]) | fifth_bits<6>(word));
  sink.emit(0, 7, nibbles_high(x[3]) | fifth_bits<7>(word));
}

struct Q5_0 {
  static constexpr int bytes = 22;
  static constexpr bool has_min = false, wide = false;
  static constexpr int offset_shift = 4;
  TASHIKA_INLINE void scales(Panel32& p, int b, const uint8_t* const* rows, int64_t at) {
    I x[4];
    piece(rows, at, x);
    store(p.d[b], low_f16(x[0]));
  }
  template <class Sink>
  TASHIKA_INLINE void quads(Sink& sink, const uint8_t* const* rows, int64_t at) {
    I h[4], x[4];
    piece(rows, at, h);
    piece(rows, at + 6, x);
    five_quads(sink, x, shift_right<16>(h[0]) | shift_left<16>(h[1]));
  }
};

struct Q5_1 {
  static constexpr int bytes = 24;
  static constexpr bool has_min = true, wide = false;
  static constexpr int offset_shift = -1;
  TASHIKA_INLINE void scales(Panel32& p, int b, const uint8_t* const* rows, int64_t at) {
    I x[4];
    piece(rows, at, x);
    store(p.d[b], low_f16(x[0]));
    store(p.neg_m[b], neg(low_f16(shift_right<16>(x[0]))));
  }
  template <class Sink>
  TASHIKA_INLINE void quads(Sink& sink, const uint8_t* const* rows, int64_t at) {
    I h[4], x[4];
    piece(rows, at, h);
    piece(rows, at + 8, x);
    five_quads(sink, x, h[1]);
  }
};

struct IQ4NL {
  static constexpr int bytes = 18;
  static constexpr bool has_min = false, wide = true;
  static constexpr int offset_shift = 7;
  TASHIKA_INLINE void scales(Panel32& p, int b, const uint8_t* const* rows, int64_t at) {
    I x[4];
    piece(rows, at, x);
    store(p.d[b], low_f16(x[0]));
  }
  template <class Sink>
  TASHIKA_INLINE void quads(Sink& sink, const uint8_t* const* rows, int64_t at) {
    iq4_quads(sink, rows, at + 2);
  }
};

}  // namespace tashika::cpu::TASHIKA_ISA_NS
