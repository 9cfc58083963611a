// Parity of encoders with transformers on tiny checkpoints whose every tensor is random, and what encoders promise: a
// sequence's result is its own, whatever the batch, the threads and the backend. Made by tools/fixtures/golden_encoders.py.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <tuple>

#include "base/file.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "golden/golden_case.h"
#include "io/npy.h"
#include "support/runtimes.h"

namespace tashika {
namespace {

constexpr double exact_bound = 1e-4;  // in units of the spread
using Ids = std::vector<std::int32_t>;

struct EncoderCase {
  std::string model;
  double spread = 0, fast_bound = 0;
  std::vector<Ids> sequences;
  std::vector<std::vector<float>> hidden;
  std::vector<float> pooled;
};

EncoderCase read_case(const std::string& descriptor) {
  const Json json = parse_json(read_file(descriptor, 1 << 20), descriptor);
  const std::filesystem::path folder = std::filesystem::path(descriptor).parent_path();
  EncoderCase c;
  c.model = (json["format"].as_string() == "gguf" ? folder / "model.gguf" : folder).string();
  c.spread = json["spread"].as_double();
  c.fast_bound = json["fast_bound"].as_double();
  for (const Json& s : json["sequences"].as_array()) {
    Ids ids;
    for (const Json& id : s["ids"].as_array()) ids.push_back(static_cast<std::int32_t>(id.as_integer()));
    c.sequences.push_back(std::move(ids));
    c.hidden.push_back(read_npy((folder / s["hidden"].as_string()).string()).floats());
  }
  if (json.contains("pooled")) c.pooled = read_npy((folder / json["pooled"].as_string()).string()).floats();
  return c;
}

struct Values {
  std::vector<float> hidden, pooled;
};

class Model {
 public:
  Model(const std::string& path, const std::string& backend, int threads, ComputeMode compute)
      : rt_(test::runtime(backend, threads, compute)), encoder_(load_encoder(open_checkpoint(path), *rt_)) {}
  Values encode(const std::vector<Ids>& sequences) const {
    const std::vector<std::span<const std::int32_t>> spans(sequences.begin(), sequences.end());
    const Encoder::Output out = encoder_->encode(*rt_, spans, encoder_->has_pooled());
    return {out.hidden.to_host(), out.pooled.defined() ? out.pooled.to_host() : std::vector<float>{}};
  }
  Runtime& runtime() const { return *rt_; }
  Encoder& encoder() const { return *encoder_; }

 private:
  std::unique_ptr<Runtime> rt_;
  std::unique_ptr<Encoder> encoder_;
};

std::vector<float> joined(const std::vector<std::vector<float>>& parts) {
  std::vector<float> out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

struct Distance {
  double mean = 0, worst = 0;
};
Distance distance(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  if (a.size() != b.size() || a.empty()) return {HUGE_VAL, HUGE_VAL};
  Distance d;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double gap = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    d.mean += std::isnan(gap) ? HUGE_VAL : gap / static_cast<double>(a.size());
    d.worst = std::isnan(gap) ? HUGE_VAL : std::max(d.worst, gap);
  }
  return d;
}
double spread_of(const std::vector<float>& values) {
  double squares = 0;
  for (const float v : values) squares += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(squares / static_cast<double>(values.size()));
}
bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class Encoders : public testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  void SetUp() override { c = read_case(std::get<0>(GetParam())); }
  Model open(ComputeMode compute, int threads = 1) const { return Model(c.model, std::get<1>(GetParam()), threads, compute); }
  EncoderCase c;
};

TEST_P(Encoders, ExactStatesAreTheReferences) {
  const Values v = open(ComputeMode::exact).encode(c.sequences);
  const double worst = distance(v.hidden, joined(c.hidden)).worst / c.spread;
  RecordProperty("worst", std::to_string(worst));
  EXPECT_LE(worst, exact_bound);
  if (c.pooled.empty()) return;
  EXPECT_LE(distance(v.pooled, c.pooled).worst / spread_of(c.pooled), exact_bound) << "pooled";
}

class EncodersFast : public Encoders {};

TEST_P(EncodersFast, FastStatesAreNear) {
  const Values v = open(ComputeMode::fast).encode(c.sequences);
  const double mean = distance(v.hidden, joined(c.hidden)).mean / c.spread;
  RecordProperty("mean", std::to_string(mean));
  EXPECT_LE(mean, c.fast_bound);
  if (c.pooled.empty()) return;
  EXPECT_LE(distance(v.pooled, c.pooled).mean / spread_of(c.pooled), c.fast_bound) << "pooled";
}

// Companions in the batch and threads change no bit.
TEST_P(EncodersFast, NothingButTheTokensMatters) {
  for (const ComputeMode compute : {ComputeMode::exact, ComputeMode::fast}) {
    const Model model = open(compute);
    std::vector<std::vector<float>> hidden, pooled;
    std::vector<Ids> all = c.sequences;
    all.push_back(Ids(c.sequences[0].begin(), c.sequences[0].begin() + 3));
    for (const Ids& ids : all) {
      Values v = model.encode({ids});
      hidden.push_back(std::move(v.hidden));
      pooled.push_back(std::move(v.pooled));
    }
    const Values together = model.encode(all);
    EXPECT_TRUE(same_bits(together.hidden, joined(hidden))) << "mode " << static_cast<int>(compute);
    EXPECT_TRUE(same_bits(together.pooled, joined(pooled))) << "mode " << static_cast<int>(compute);
    const Model two = open(compute, 2);
    two.runtime().pool().force_grain_one(true);
    EXPECT_TRUE(same_bits(two.encode(all).hidden, together.hidden)) << "two threads, mode " << static_cast<int>(compute);
  }
}

TEST_P(EncodersFast, MisuseIsAnError) {
  const Model model = open(ComputeMode::fast);
  EXPECT_THROW(model.encode({}), Error);
  EXPECT_THROW(model.encode({Ids{}}), Error);
  EXPECT_THROW(model.encode({Ids{-1}}), Error);
  EXPECT_THROW(model.encode({Ids{static_cast<std::int32_t>(model.encoder().info().vocab)}}), Error);
  if (const std::int64_t most = model.encoder().info().context; most > 0) {
    EXPECT_EQ(model.encode({Ids(static_cast<std::size_t>(most), 2)}).hidden.size(), static_cast<std::size_t>(most * model.encoder().info().hidden));
    EXPECT_THROW(model.encode({Ids(static_cast<std::size_t>(most) + 1, 2)}), Error);
  }
}

std::string name_of(const testing::TestParamInfo<std::tuple<std::string, std::string>>& info) {
  return std::filesystem::path(std::get<0>(info.param)).parent_path().filename().string() + "_" + std::get<1>(info.param);
}
auto cases(const std::vector<std::string>& backends) {
  return testing::Combine(testing::ValuesIn(test::golden_descriptors("encoders")), testing::ValuesIn(backends));
}
INSTANTIATE_TEST_SUITE_P(All, Encoders, cases({"ref", "cpu"}), name_of);
INSTANTIATE_TEST_SUITE_P(All, EncodersFast, cases({"cpu"}), name_of);

TEST(EncoderSuite, FindsEveryCase) { EXPECT_EQ(test::golden_descriptors("encoders").size(), 23u); }

// The decoder of a checkpoint with both halves is no encoder's business, and a language model is no encoder.
TEST(EncoderSuite, RolesAreToldApart) {
  const std::string data = TASHIKA_TEST_DATA "/golden/";
  const auto rt = test::runtime("cpu");
  EXPECT_THROW(load_language_model(open_checkpoint(data + "encoders/bert"), *rt), Error);
  EXPECT_THROW(load_encoder(open_checkpoint(data + "folders/qwen3"), *rt), Error);
}

}  // namespace
}  // namespace tashika
