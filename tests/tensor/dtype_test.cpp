#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include "base/half.h"

namespace tashika {
namespace {

// Every 16-bit pattern survives widening and rounding; NaNs stay NaNs of their sign.
template <float (*Widen)(std::uint16_t), std::uint16_t (*Round)(float)>
void every_pattern_survives() {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float wide = Widen(static_cast<std::uint16_t>(bits));
    const std::uint16_t back = Round(wide);
    if (std::isnan(wide)) {
      ASSERT_TRUE(std::isnan(Widen(back))) << bits;
      ASSERT_EQ(back >> 15, bits >> 15);
    } else {
      ASSERT_EQ(back, bits);
    }
  }
}

TEST(Half, EveryPatternSurvives) {
  every_pattern_survives<f16_to_f32, f32_to_f16>();
  every_pattern_survives<bf16_to_f32, f32_to_bf16>();
}

// Rounding is to nearest, ties to even: no neighbour is nearer, and at a tie the last bit is zero.
template <float (*Widen)(std::uint16_t), std::uint16_t (*Round)(float)>
void rounds_to_nearest_even(float largest) {
  std::mt19937 random(3);
  for (int i = 0; i < 200000; ++i) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isfinite(x) || std::fabs(x) >= largest) continue;
    const std::uint16_t bits = Round(x);
    const double error = std::fabs(double{Widen(bits)} - x);
    for (const int step : {-1, 1}) {
      const float neighbour = Widen(static_cast<std::uint16_t>(bits + step));
      if (!std::isfinite(neighbour)) continue;
      const double other = std::fabs(double{neighbour} - x);
      ASSERT_TRUE(error < other || (error == other && bits % 2 == 0) || Widen(bits) == 0.0f) << x;
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  rounds_to_nearest_even<f16_to_f32, f32_to_f16>(65504.0f);
  rounds_to_nearest_even<bf16_to_f32, f32_to_bf16>(3e38f);
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);  // halfway to 65536: infinity
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0x0000);  // halfway to the smallest subnormal: even
  EXPECT_EQ(f32_to_f16(0x1.8p-25f), 0x0001);
  EXPECT_EQ(f32_to_f16(-0.0f), 0x8000);
}

float decode_one(const DTypeInfo& type, std::uint8_t bits) {
  float out;
  type.decode(&bits, &out, 1);
  return out;
}

TEST(DType, EightBitFloatsFollowTheirStandards) {
  EXPECT_EQ(decode_one(f8_e4m3, 0x7e), 448.0f);
  EXPECT_TRUE(std::isnan(decode_one(f8_e4m3, 0x7f)));
  EXPECT_EQ(decode_one(f8_e4m3, 0x01), 0x1p-9f);
  EXPECT_EQ(decode_one(f8_e4m3, 0xb8), -1.0f);
  EXPECT_EQ(decode_one(f8_e5m2, 0x7b), 57344.0f);
  EXPECT_TRUE(std::isinf(decode_one(f8_e5m2, 0x7c)));
  EXPECT_EQ(decode_one(f8_e5m2, 0x01), 0x1p-16f);
  EXPECT_EQ(decode_one(f8_e8m0, 127), 1.0f);
  EXPECT_EQ(decode_one(f8_e8m0, 0), 0x1p-127f);
  EXPECT_TRUE(std::isnan(decode_one(f8_e8m0, 255)));
  EXPECT_EQ(decode_one(f8_e4m3fnuz, 0x7f), 240.0f);
  EXPECT_EQ(decode_one(f8_e4m3fnuz, 0x01), 0x1p-10f);
  EXPECT_TRUE(std::isnan(decode_one(f8_e4m3fnuz, 0x80)));
  EXPECT_EQ(decode_one(f8_e5m2fnuz, 0x7f), 57344.0f);
  EXPECT_TRUE(std::isnan(decode_one(f8_e5m2fnuz, 0x80)));
}

TEST(DType, IntegersAndDoublesConvert) {
  const float values[] = {0, 1, -3, 100};
  for (const DTypeInfo* type : {&f64, &i64, &i32, &i16, &i8}) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(type->bytes) * 4 + 1);
    std::memset(bytes.data(), 0, bytes.size());
    float back[4];
    type->encode(values, bytes.data() + 1, 4);  // unaligned
    type->decode(bytes.data() + 1, back, 4);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(back[i], values[i]) << type->name;
  }
}

TEST(DType, RecordsAreConsistent) {
  std::set<std::string_view> names;
  for (const DTypeInfo* type : plain_dtypes()) {
    EXPECT_TRUE(names.insert(type->name).second) << type->name;
    EXPECT_GT(type->bytes, 0);
    EXPECT_FALSE(type->safetensors_name.empty());
    EXPECT_EQ(DType(*type).row_bytes(type->block * 3), type->bytes * 3);
  }
}

}  // namespace
}  // namespace tashika
