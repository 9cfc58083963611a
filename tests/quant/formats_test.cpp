// Properties of every weight format of the registry: decoding equals gguf-py's bit for bit, encoding is as good as the
// reference quantiser's, nothing finite or broken upsets it. Fixtures: tools/fixtures/quant_blocks.py.
#include "quant/formats.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"

namespace tashika {
namespace {

std::vector<unsigned char> read_fixture(const std::string& name) {
  std::ifstream in(std::string(TASHIKA_TEST_DATA) + "/quant/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<float> gaussian() {
  const auto bytes = read_fixture("gaussian.bin");
  std::vector<float> out(bytes.size() / 4);
  std::memcpy(out.data(), bytes.data(), out.size() * 4);
  return out;
}

double rmse(const std::vector<float>& a, const std::vector<float>& b, std::size_t begin, std::size_t end) {
  double sum = 0;
  for (std::size_t i = begin; i < end; ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return std::sqrt(sum / static_cast<double>(end - begin));
}

std::vector<unsigned char> encode(DType type, const std::vector<float>& x) {
  std::vector<unsigned char> out(static_cast<std::size_t>(type.row_bytes(static_cast<std::int64_t>(x.size()))));
  type->encode(x.data(), out.data(), static_cast<std::int64_t>(x.size()));
  return out;
}

std::vector<float> decode(DType type, const std::vector<unsigned char>& bytes) {
  const std::size_t n = bytes.size() / static_cast<std::size_t>(type->bytes) * static_cast<std::size_t>(type->block);
  std::vector<float> out(n);
  type->decode(bytes.data(), out.data(), static_cast<std::int64_t>(n));
  return out;
}

class QuantFormat : public testing::TestWithParam<const DTypeInfo*> {
 protected:
  DType type() const { return *GetParam(); }
  std::string name() const { return std::string(GetParam()->name); }
};

TEST_P(QuantFormat, DecodesAsGgufPyBitForBit) {
  const auto bytes = read_fixture(name() + ".bin");
  const std::size_t per_block = static_cast<std::size_t>(type()->bytes) + 4u * static_cast<std::size_t>(type()->block);
  ASSERT_EQ(bytes.size() % per_block, 0u);
  const std::size_t blocks = bytes.size() / per_block;
  ASSERT_GE(blocks, 4u);
  const std::size_t n = blocks * static_cast<std::size_t>(type()->block);
  const unsigned char* expected = bytes.data() + blocks * static_cast<std::size_t>(type()->bytes);
  // From an odd address: a source may be unaligned.
  std::vector<unsigned char> shifted(bytes.size() + 1);
  std::memcpy(shifted.data() + 1, bytes.data(), bytes.size());
  std::vector<float> values(n);
  type()->decode(shifted.data() + 1, values.data(), static_cast<std::int64_t>(n));
  for (std::size_t i = 0; i < n; ++i) {
    float want;
    std::memcpy(&want, expected + 4 * i, 4);
    if (want == 0.0f && values[i] == 0.0f) continue;  // the sign of zero is left to the order of the products
    ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]), std::bit_cast<std::uint32_t>(want))
        << i << ": " << values[i] << " not " << want;
  }
}

TEST_P(QuantFormat, EncodesAsWellAsTheReference) {
  std::ifstream in(std::string(TASHIKA_TEST_DATA) + "/quant/rmse.txt");
  std::map<std::string, std::pair<double, double>> reference;
  std::string key;
  for (double a, b; in >> key >> a >> b;) reference[key] = {a, b};
  ASSERT_TRUE(reference.count(name()));
  const auto x = gaussian();
  const auto y = decode(type(), encode(type(), x));
  const double wide = rmse(x, y, 0, 4096);
  const double outliers = rmse(x, y, 4096, 8192);
  EXPECT_LE(wide, 1.01 * reference[name()].first) << wide / reference[name()].first;
  EXPECT_LE(outliers, 1.01 * reference[name()].second) << outliers / reference[name()].second;
  RecordProperty("rmse_ratio", std::to_string(wide / reference[name()].first));
  RecordProperty("rmse_ratio_outliers", std::to_string(outliers / reference[name()].second));
}

TEST_P(QuantFormat, ZerosStayZeros) {
  const std::vector<float> zeros(static_cast<std::size_t>(type()->block) * 3, 0.0f);
  for (const float v : decode(type(), encode(type(), zeros))) EXPECT_EQ(v, 0.0f);
}

// Below about 1e-4 the super-block's f16 scale may round to zero, and so do the values.
constexpr double vanishing = 1.3e-4;

TEST_P(QuantFormat, ConstantsTinyAndLargeValuesStayFinite) {
  const auto n = static_cast<std::size_t>(type()->block);
  for (const float scale : {1.0f, -1.0f, 3e-5f, 1e-20f, std::numeric_limits<float>::denorm_min(), 10000.0f}) {
    std::vector<float> x(n, scale);
    const auto constant = decode(type(), encode(type(), x));
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(constant[i], scale, 0.05 * std::fabs(scale) + vanishing) << scale;
      x[i] = scale * static_cast<float>(static_cast<int>(i % 7) - 3);
    }
    // Half of the widest step: four levels over a range of six.
    const auto ramp = decode(type(), encode(type(), x));
    for (std::size_t i = 0; i < n; ++i)
      EXPECT_NEAR(ramp[i], x[i], 1.0 * std::fabs(scale) + vanishing) << scale << " at " << i;
  }
}

TEST_P(QuantFormat, OneOutlierDoesNotSpoilItself) {
  std::vector<float> x(static_cast<std::size_t>(type()->block), 0.0f);
  for (const float v : {5.0f, -5.0f}) {
    x[17] = v;
    const auto y = decode(type(), encode(type(), x));
    EXPECT_NEAR(y[17], v, 0.3);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (i != 17) {
        EXPECT_NEAR(y[i], 0.0, 0.06) << i;
      }
    }
  }
}

TEST_P(QuantFormat, RefusesWhatItCannotHold) {
  std::vector<float> x(static_cast<std::size_t>(type()->block) * 2, 1.0f);
  std::vector<unsigned char> out(static_cast<std::size_t>(type()->bytes) * 2);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::max(), -1e30f}) {
    x[static_cast<std::size_t>(type()->block) + 3] = bad;
    try {
      type()->encode(x.data(), out.data(), static_cast<std::int64_t>(x.size()));
      ADD_FAILURE() << "encoded " << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::input);
      EXPECT_NE(e.message().find("cannot quantise"), std::string::npos) << e.message();
    }
  }
}

TEST_P(QuantFormat, IsDeterministicAndBlocksAreIndependent) {
  const auto x = gaussian();
  const auto whole = encode(type(), x);
  EXPECT_EQ(whole, encode(type(), x));
  const auto n = static_cast<std::size_t>(type()->block);
  const auto part =
      encode(type(), {x.begin() + static_cast<std::ptrdiff_t>(n), x.begin() + static_cast<std::ptrdiff_t>(3 * n)});
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + type()->bytes));
}

TEST_P(QuantFormat, EveryBlockOfBytesDecodes) {
  std::mt19937 random(7);
  std::vector<unsigned char> bytes(static_cast<std::size_t>(type()->bytes) * 64);
  for (auto& b : bytes) b = static_cast<unsigned char>(random());
  EXPECT_EQ(decode(type(), bytes).size(), static_cast<std::size_t>(type()->block) * 64);
}

TEST_P(QuantFormat, IsFoundByNameAndId) {
  EXPECT_EQ(find_dtype(name()), type());
  EXPECT_EQ(find_gguf_dtype(type()->gguf_id), type());
  EXPECT_NE(gguf_dtype_names().find(name()), std::string::npos);
}

TEST_P(QuantFormat, ImportanceOfNothingChangesNothingAndOfSomethingTheErrorThere) {
  const WeightedEncoder* encoder = find_weighted_encoder(type());
  ASSERT_NE(encoder, nullptr);
  const auto x = gaussian();
  const auto plain = encode(type(), x);
  const auto weighted = [&](const float* importance) {
    std::vector<unsigned char> out(plain.size());
    encoder->encode(x.data(), importance, out.data(), static_cast<std::int64_t>(x.size()));
    return out;
  };
  EXPECT_EQ(weighted(nullptr), plain);
  std::vector<float> importance(x.size(), 0.0f);
  EXPECT_EQ(weighted(importance.data()), plain);
  for (std::size_t i = 0; i < importance.size(); ++i) importance[i] = i % 8 == 0 ? 50.0f : 0.02f;
  const auto error = [&](const std::vector<float>& y) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += importance[i] * (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
    return sum;
  };
  const double before = error(decode(type(), plain)), after = error(decode(type(), weighted(importance.data())));
  if (name() == "q8_0") EXPECT_EQ(after, before);
  else EXPECT_LT(after, 0.95 * before);
  for (float& v : importance) v *= 1e30f;  // only proportions matter
  EXPECT_LT(error(decode(type(), weighted(importance.data()))), 1e31 * before);
}

std::vector<const DTypeInfo*> all_formats() {
  const auto list = quant_formats();
  return {list.begin(), list.end()};
}
INSTANTIATE_TEST_SUITE_P(All, QuantFormat, testing::ValuesIn(all_formats()),
                         [](const auto& each) { return std::string(each.param->name); });

// The 32-wide types have one obvious quantiser; ours gives its very bytes.
TEST(QuantFormats, SimpleTypesEncodeToTheSameBytesAsGgufPy) {
  const auto x = gaussian();
  for (const char* name : {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0"}) {
    const auto expected = read_fixture(std::string(name) + ".ref");
    ASSERT_FALSE(expected.empty());
    EXPECT_EQ(encode(find_dtype(name), x), expected) << name;
  }
}

TEST(QuantFormats, NamesAndIdsAreDistinctOverPlainTypesToo) {
  std::map<std::string_view, int> names;
  std::map<int, int> ids;
  for (const auto list : {plain_dtypes(), quant_formats()}) {
    for (const DTypeInfo* info : list) {
      EXPECT_EQ(++names[info->name], 1) << info->name;
      if (info->gguf_id >= 0) {
        EXPECT_EQ(++ids[info->gguf_id], 1) << info->name;
      }
      if (!info->safetensors_name.empty()) {
        EXPECT_EQ(find_safetensors_dtype(info->safetensors_name), DType(*info));
      }
    }
  }
  EXPECT_EQ(quant_formats().size(), 12u);
}

TEST(QuantFormats, UnknownOnesAreNull) {
  EXPECT_FALSE(find_dtype("q9_z"));
  EXPECT_FALSE(find_dtype(""));
  EXPECT_FALSE(find_gguf_dtype(-1));
  EXPECT_FALSE(find_gguf_dtype(4));
  EXPECT_FALSE(find_safetensors_dtype(""));
  EXPECT_EQ(find_gguf_dtype(0), DType(f32));
  EXPECT_EQ(find_safetensors_dtype("BF16"), DType(bf16));
}

}  // namespace
}  // namespace tashika
