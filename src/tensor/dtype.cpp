#include "tensor/dtype.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/half.h"

namespace tashika {
namespace {

template <typename T>
T load(const void* base, std::int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const std::byte*>(base) + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <typename T>
void store(void* base, std::int64_t i, T value) {
  std::memcpy(static_cast<std::byte*>(base) + i * static_cast<std::int64_t>(sizeof(T)), &value, sizeof(T));
}

template <typename T>
void decode_number(const void* src, float* dst, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) dst[i] = static_cast<float>(load<T>(src, i));
}

// Integers saturate; NaN becomes 0.
template <typename T>
void encode_number(const float* src, void* dst, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      store<T>(dst, i, static_cast<T>(src[i]));
    } else {
      const double low = static_cast<double>(std::numeric_limits<T>::min());
      const double high = static_cast<double>(std::numeric_limits<T>::max());
      const double v = src[i];
      T out = 0;
      if (v >= high)
        out = std::numeric_limits<T>::max();
      else if (v <= low)
        out = std::numeric_limits<T>::min();
      else if (v == v)
        out = static_cast<T>(v);
      store<T>(dst, i, out);
    }
  }
}

template <float (*Widen)(std::uint16_t)>
void decode_16(const void* src, float* dst, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) dst[i] = Widen(load<std::uint16_t>(src, i));
}

template <std::uint16_t (*Narrow)(float)>
void encode_16(const float* src, void* dst, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) store<std::uint16_t>(dst, i, Narrow(src[i]));
}

void decode_bool(const void* src, float* dst, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) dst[i] = load<std::uint8_t>(src, i) ? 1.0f : 0.0f;
}
void encode_bool(const float* src, void* dst, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) store<std::uint8_t>(dst, i, src[i] != 0.0f);
}

// OCP 8-bit floats (OFP8, 2023): E4M3 has no infinity and NaN only at all ones; E5M2 is IEEE-like.
float f8_e4m3_to_f32(std::uint8_t b) {
  const int exponent = (b >> 3) & 15, mantissa = b & 7;
  float v;
  if (exponent == 15 && mantissa == 7)
    v = std::numeric_limits<float>::quiet_NaN();
  else if (exponent == 0)
    v = std::ldexp(static_cast<float>(mantissa), -9);
  else
    v = std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  return b & 0x80 ? -v : v;
}
float f8_e5m2_to_f32(std::uint8_t b) {
  return f16_to_f32(static_cast<std::uint16_t>(b << 8));
}
// Shared exponents of MX formats: a power of two, 255 is NaN.
float f8_e8m0_to_f32(std::uint8_t b) {
  return b == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, static_cast<int>(b) - 127);
}
// The variants without infinities and negative zero, whose only NaN is 0x80 (arXiv:2206.02915).
template <int Mantissa, int Bias>
float f8_fnuz_to_f32(std::uint8_t b) {
  if (b == 0x80) return std::numeric_limits<float>::quiet_NaN();
  const int exponent = (b & 0x7f) >> Mantissa, mantissa = b & ((1 << Mantissa) - 1);
  const float v = exponent == 0
                      ? std::ldexp(static_cast<float>(mantissa), 1 - Bias - Mantissa)
                      : std::ldexp(static_cast<float>((1 << Mantissa) + mantissa), exponent - Bias - Mantissa);
  return b & 0x80 ? -v : v;
}
// E2M1 (OCP MX 1.0): two values a byte, the first in the low nibble.
void decode_f4(const void* src, float* dst, std::int64_t n) {
  constexpr float magnitudes[8] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};
  for (std::int64_t i = 0; i < n; ++i) {
    const int nibble = load<std::uint8_t>(src, i / 2) >> (i % 2 * 4) & 15;
    dst[i] = nibble & 8 ? -magnitudes[nibble & 7] : magnitudes[nibble & 7];
  }
}
template <float (*Widen)(std::uint8_t)>
void decode_8(const void* src, float* dst, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) dst[i] = Widen(load<std::uint8_t>(src, i));
}

}  // namespace

#define TASHIKA_INTEGER(NAME, TYPE, GGUF, SAFE)                                                           \
  const DTypeInfo NAME {                                                                                  \
#NAME, NumberKind::integer, 1, sizeof(TYPE), GGUF, SAFE, decode_number < TYPE>, encode_number < TYPE> \
  }

const DTypeInfo f64{"f64", NumberKind::floating, 1, 8, 28, "F64", decode_number<double>, encode_number<double>};
const DTypeInfo f32{"f32", NumberKind::floating, 1, 4, 0, "F32", decode_number<float>, encode_number<float>};
const DTypeInfo f16{"f16", NumberKind::floating, 1, 2, 1, "F16", decode_16<f16_to_f32>, encode_16<f32_to_f16>};
const DTypeInfo bf16{"bf16", NumberKind::floating, 1, 2, 30, "BF16", decode_16<bf16_to_f32>, encode_16<f32_to_bf16>};
TASHIKA_INTEGER(i64, std::int64_t, 27, "I64");
TASHIKA_INTEGER(i32, std::int32_t, 26, "I32");
TASHIKA_INTEGER(i16, std::int16_t, 25, "I16");
TASHIKA_INTEGER(i8, std::int8_t, 24, "I8");
TASHIKA_INTEGER(u64, std::uint64_t, -1, "U64");
TASHIKA_INTEGER(u32, std::uint32_t, -1, "U32");
TASHIKA_INTEGER(u16, std::uint16_t, -1, "U16");
TASHIKA_INTEGER(u8, std::uint8_t, -1, "U8");
const DTypeInfo boolean{"bool", NumberKind::boolean, 1, 1, -1, "BOOL", decode_bool, encode_bool};
const DTypeInfo f8_e4m3{"f8_e4m3", NumberKind::floating, 1, 1, -1, "F8_E4M3", decode_8<f8_e4m3_to_f32>, nullptr};
const DTypeInfo f8_e5m2{"f8_e5m2", NumberKind::floating, 1, 1, -1, "F8_E5M2", decode_8<f8_e5m2_to_f32>, nullptr};
const DTypeInfo f8_e8m0{"f8_e8m0", NumberKind::floating, 1, 1, -1, "F8_E8M0", decode_8<f8_e8m0_to_f32>, nullptr};
const DTypeInfo f8_e4m3fnuz{"f8_e4m3fnuz", NumberKind::floating,           1,      1, -1,
                            "F8_E4M3FNUZ", decode_8<f8_fnuz_to_f32<3, 8>>, nullptr};
const DTypeInfo f8_e5m2fnuz{
    "f8_e5m2fnuz", NumberKind::floating, 1, 1, -1, "F8_E5M2FNUZ", decode_8<f8_fnuz_to_f32<2, 16>>, nullptr};
const DTypeInfo f4{"f4", NumberKind::floating, 2, 1, -1, "F4", decode_f4, nullptr};
const DTypeInfo f6_e2m3{"f6_e2m3", NumberKind::floating, 4, 3, -1, "F6_E2M3", nullptr, nullptr};
const DTypeInfo f6_e3m2{"f6_e3m2", NumberKind::floating, 4, 3, -1, "F6_E3M2", nullptr, nullptr};
const DTypeInfo c64{"c64", NumberKind::floating, 1, 8, -1, "C64", nullptr, nullptr};

#undef TASHIKA_INTEGER

std::span<const DTypeInfo* const> plain_dtypes() {
  static constexpr const DTypeInfo* all[] = {
      &f64, &f32,     &f16,     &bf16,    &i64,     &i32,         &i16,         &i8, &u64,     &u32,     &u16,
      &u8,  &boolean, &f8_e4m3, &f8_e5m2, &f8_e8m0, &f8_e4m3fnuz, &f8_e5m2fnuz, &f4, &f6_e2m3, &f6_e3m2, &c64};
  return all;
}

}  // namespace tashika
