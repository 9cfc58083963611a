// The built-in stand-in: its fast arithmetic is no further from f32 than llama.cpp's on the same file.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "golden/golden_case.h"

namespace tashika {
namespace {

using test::GoldenModel;

// Mean over rows of the divergence of softmax(b) from softmax(a).
double mean_divergence(const std::vector<float>& a, const std::vector<float>& b, std::size_t rows) {
  const std::size_t n = a.size() / rows;
  const auto log_sum = [n](const float* row) {
    const double top = static_cast<double>(*std::max_element(row, row + n));
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(row[i]) - top);
    return top + std::log(sum);
  };
  double total = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const float *x = a.data() + r * n, *y = b.data() + r * n;
    const double lx = log_sum(x), ly = log_sum(y);
    for (std::size_t i = 0; i < n; ++i) {
      const double p = static_cast<double>(x[i]) - lx;
      total += std::exp(p) * (p - (static_cast<double>(y[i]) - ly));
    }
  }
  return total / static_cast<double>(rows);
}

TEST(Standin, IsNoFurtherFromF32ThanThePeer) {
  const std::string fixture = std::string(TASHIKA_TEST_DATA) + "/golden/standin.json";
  const Json json = parse_json(read_file(fixture, 1 << 20), fixture);
  std::vector<std::int32_t> ids;
  for (const Json& id : json["ids"].as_array()) ids.push_back(static_cast<std::int32_t>(id.as_integer()));
  ASSERT_EQ(ids.size(), 480u);
  const std::string model = std::string(TASHIKA_TEST_DATA) + "/../../assets/standin/tashika-standin.gguf";
  const std::vector<float> exact = GoldenModel(model, "cpu", 1, ComputeMode::exact).logits(ids);
  const std::vector<float> fast = GoldenModel(model, "cpu", 1, ComputeMode::fast).logits(ids);
  const double divergence = mean_divergence(exact, fast, ids.size());
  RecordProperty("mean_divergence", std::to_string(divergence));
  EXPECT_LE(divergence, 1.1 * json["llama_cpp_mean_kl"].as_double());
}

}  // namespace
}  // namespace tashika
