#include "backend/contract/attention.h"

#include <numeric>

#include "base/error.h"

#include "cpu/reference.h"
#include "ops/attention.h"
#include "ops/elementwise.h"

namespace tashika::test {
namespace {

struct Model {
  DType dtype = f32;
  std::int64_t heads = 2, group = 2, k_dim = 64, v_dim = 64;
  std::int64_t window = 0;
  float softcap = 0;
  bool v_in_k = false;
  KvLayout layout() const { return {dtype, heads, k_dim, v_dim, v_in_k}; }
};

// One sequence's pages, every byte poisoned before use (0xff is NaN in every float type).
class Pages {
 public:
  Pages(Runtime& rt, const KvLayout& layout, std::int64_t positions) : bytes_(layout.page_bytes()) {
    for (std::int64_t p = 0; p * page_positions < positions; ++p) {
      pages_.push_back(Tensor::empty(rt, {bytes_}, u8));
      std::memset(pages_.back().data(), 0xff, static_cast<std::size_t>(bytes_));
      table_.push_back(pages_.back().data());
    }
  }
  std::byte* const* table() const { return table_.data(); }
  void free_below(std::int64_t position) {  // pages wholly below
    for (std::int64_t p = 0; (p + 1) * page_positions <= position; ++p) {
      std::memset(pages_[static_cast<std::size_t>(p)].data(), 0xff, static_cast<std::size_t>(bytes_));
      table_[static_cast<std::size_t>(p)] = nullptr;
    }
  }

 private:
  std::int64_t bytes_;
  std::vector<Tensor> pages_;
  std::vector<std::byte*> table_;
};

struct Sequence {
  Tensor q, k, v;
  std::int64_t n;
};
Sequence sequence(Runtime& rt, const Model& s, std::int64_t n, std::uint64_t seed) {
  return {random_tensor(rt, {n, s.heads * s.group, s.k_dim}, seed, -2, 2), random_tensor(rt, {n, s.heads, s.k_dim}, seed + 1, -2, 2),
          s.v_in_k ? Tensor() : random_tensor(rt, {n, s.heads, s.v_dim}, seed + 2), n};
}
Tensor rows(const Tensor& t, std::int64_t begin, std::int64_t end) { return t.defined() ? t.slice(0, begin, end) : t; }

AttentionAttrs attributes(const Model& s, std::span<const KvSegment> segments) {
  return {{s.layout(), segments}, 1.0f / std::sqrt(static_cast<float>(s.k_dim)), s.softcap, s.window};
}

// Appends and attends in chunks of the given lengths; frees pages outside the window on the way.
std::vector<float> chunked(Runtime& rt, const Model& s, const Sequence& x, std::span<const std::int64_t> chunks, bool free_pages = false) {
  Pages pages(rt, s.layout(), x.n);
  std::vector<float> out;
  std::int64_t at = 0;
  for (const std::int64_t n : chunks) {
    const KvSegment segment{0, n, at, pages.table()};
    if (free_pages) pages.free_below(at - s.window + 1);
    ops::kv_append(rows(x.k, at, at + n), rows(x.v, at, at + n), {s.layout(), {&segment, 1}});
    const std::vector<float> y = ops::cached_attention(rows(x.q, at, at + n), attributes(s, {&segment, 1})).to_host();
    out.insert(out.end(), y.begin(), y.end());
    at += n;
  }
  EXPECT_EQ(at, x.n);
  return out;
}
std::vector<std::int64_t> chunks_of(std::int64_t n, std::int64_t length) {
  std::vector<std::int64_t> out;
  for (; n > 0; n -= length) out.push_back(std::min(n, length));
  return out;
}

void near(const std::vector<float>& got, const std::vector<float>& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::fabs(static_cast<double>(got[i]) - want[i]);
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  EXPECT_LE(worst, tolerance) << what;
}

const Model setups[] = {
    {f32, 2, 2, 64, 64},
    {f16, 1, 3, 80, 80},
    {bf16, 2, 4, 96, 96},
    {f32, 1, 1, 33, 17},
    {f16, 2, 1, 7, 5},
    {bf16, 1, 7, 35, 19},
    {bf16, 2, 2, 64, 64, 100},
    {f32, 1, 5, 32, 48, 64},
    {f16, 1, 2, 64, 64, 1},
    {bf16, 1, 6, 32, 32, 0, 5.0f},
    {bf16, 1, 16, 72, 64, 0, 0, true},
    {f16, 1, 9, 45, 31, 70, 0, true},
    {f32, 1, 4, 40, 40, 0, 2.0f, true},
    {bf16, 1, 3, 25, 25, 0, 0, true},
    {f16, 1, 2, 576, 512, 0, 0, true},  // the published latent rows
    {f32, 1, 5, 74, 70, 0, 0, true},
};

// The mode matters only where there are bf16 dots. Software fma makes the scalar set slow: fewer cases there.
std::vector<ComputeMode> modes(std::string_view isa) {
  if (isa == "avx512vnni") return {ComputeMode::exact, ComputeMode::fast};
  return {ComputeMode::exact};
}
bool tried(std::string_view isa, const Model& s) {
  return isa != "scalar" || &s == &setups[3] || &s == &setups[5] || &s == &setups[7] || &s == &setups[11];
}

TEST(Attention, MatchesTheReference) {
  Runtime ref("ref", ref_kernels(), RuntimeOptions{.threads = 1, .compute = ComputeMode::exact});
  for (const Model& s : setups) {
    const std::int64_t n = 150;
    const std::vector<float> want = chunked(ref, s, sequence(ref, s, n, 9), chunks_of(n, n));
    std::vector<float> first;
    for (const auto isa : cpu::available_isas()) {
      if (!tried(isa, s)) continue;
      for (const auto mode : modes(isa)) {
        CpuRuntime cpu(isa, 1, mode);
        const std::vector<float> got = chunked(cpu.rt, s, sequence(cpu.rt, s, n, 9), chunks_of(n, n));
        const std::string what = tashika::cat(isa, " ", s.dtype->name, " ", s.k_dim, mode == ComputeMode::fast ? " fast" : " exact");
        near(got, want, mode == ComputeMode::fast && s.dtype == bf16 ? 0.04 : 1e-5, what);
        if (mode == ComputeMode::exact) {
          if (first.empty()) first = got;
          EXPECT_TRUE(same_bits(first, got)) << what;
        }
      }
    }
  }
}

TEST(Attention, StepsChunksAndTheWholeGiveTheSameBits) {
  for (const Model& s : setups) {
    for (const auto isa : cpu::available_isas()) {
      if (!tried(isa, s)) continue;
      const std::int64_t n = isa == "scalar" ? 140 : 214;  // over two and three pages
      for (const auto mode : modes(isa)) {
        CpuRuntime one(isa, 1, mode), two(isa, 2, mode, true);
        const std::vector<float> whole = chunked(one.rt, s, sequence(one.rt, s, n, 3), chunks_of(n, n));
        const std::string what = tashika::cat(isa, " ", s.dtype->name, " ", s.k_dim, " window ", s.window, mode == ComputeMode::fast ? " fast" : " exact");
        EXPECT_TRUE(same_bits(whole, chunked(two.rt, s, sequence(two.rt, s, n, 3), chunks_of(n, n)))) << what << ", two threads";
        EXPECT_TRUE(same_bits(whole, chunked(one.rt, s, sequence(one.rt, s, n, 3), chunks_of(n, 1)))) << what << ", steps";
        EXPECT_TRUE(same_bits(whole, chunked(two.rt, s, sequence(two.rt, s, n, 3), chunks_of(n, 5)))) << what << ", chunks of 5";
        EXPECT_TRUE(same_bits(whole, chunked(two.rt, s, sequence(two.rt, s, n, 3), chunks_of(n, 65)))) << what << ", chunks of 65";
        if (s.window > 0) {
          EXPECT_TRUE(same_bits(whole, chunked(one.rt, s, sequence(one.rt, s, n, 3), chunks_of(n, 3), true))) << what << ", pages freed";
        }
      }
    }
  }
}

// Positions over several splits of 512: the last rows alone, as a chunk, and beside other sequences.
TEST(Attention, SplitsAndBatchesGiveTheSameBits) {
  for (const Model& s : {Model{bf16, 2, 3, 32, 32}, Model{f32, 1, 1, 8, 5}, Model{f16, 1, 4, 16, 16, 700}}) {
    const std::int64_t tail = 20;
    for (const auto isa : {cpu::available_isas().front(), cpu::available_isas().back()}) {
      if (isa == "scalar" && s.dtype != f32) continue;
      const std::int64_t n = isa == "scalar" ? 540 : 1603;
      CpuRuntime one(isa, 1, ComputeMode::fast), two(isa, 2, ComputeMode::fast);
      const std::string what = tashika::cat(isa, " ", s.dtype->name);
      const std::int64_t plan_a[] = {n - tail, tail};
      const std::vector<float> whole = chunked(one.rt, s, sequence(one.rt, s, n, 21), plan_a);
      std::vector<std::int64_t> plan_b{n - tail};
      for (std::int64_t i = 0; i < tail; ++i) plan_b.push_back(1);
      EXPECT_TRUE(same_bits(whole, chunked(two.rt, s, sequence(two.rt, s, n, 21), plan_b))) << what << ", steps, two threads";
      EXPECT_TRUE(same_bits(whole, chunked(two.rt, s, sequence(two.rt, s, n, 21), chunks_of(n, n)))) << what << ", whole, two threads";

      // A batch: the same sequence's tail, one step of it, and a short stranger.
      const Sequence x = sequence(two.rt, s, n, 21), y = sequence(two.rt, s, 70, 50);
      Pages a(two.rt, s.layout(), n), b(two.rt, s.layout(), 70);
      const KvSegment past{0, n, 0, a.table()}, other{0, 70, 0, b.table()};
      ops::kv_append(x.k, x.v, {s.layout(), {&past, 1}});
      ops::kv_append(y.k, y.v, {s.layout(), {&other, 1}});
      const KvSegment batch[] = {{0, 3, 67, b.table()}, {3, tail, n - tail, a.table()}, {3 + tail, 1, n - 1, a.table()}};
      const Tensor q = Tensor::empty(two.rt, {4 + tail, s.heads * s.group, s.k_dim}, f32);
      const std::int64_t width = s.heads * s.group * s.k_dim, wide = s.heads * s.group * s.v_dim;
      std::memcpy(q.as<float>(), y.q.as<float>() + 67 * width, static_cast<std::size_t>(3 * width) * 4);
      std::memcpy(q.as<float>() + 3 * width, x.q.as<float>() + (n - tail) * width, static_cast<std::size_t>(tail * width) * 4);
      std::memcpy(q.as<float>() + (3 + tail) * width, x.q.as<float>() + (n - 1) * width, static_cast<std::size_t>(width) * 4);
      const std::vector<float> together = ops::cached_attention(q, attributes(s, batch)).to_host();
      EXPECT_EQ(0, std::memcmp(together.data() + 3 * wide, whole.data() + (n - tail) * wide, static_cast<std::size_t>(tail * wide) * 4)) << what;
      EXPECT_EQ(0, std::memcmp(together.data() + (3 + tail) * wide, whole.data() + (n - 1) * wide, static_cast<std::size_t>(wide) * 4)) << what;
      const std::vector<float> alone = chunked(one.rt, s, sequence(one.rt, s, 70, 50), chunks_of(70, 70));
      EXPECT_EQ(0, std::memcmp(together.data(), alone.data() + 67 * wide, static_cast<std::size_t>(3 * wide) * 4)) << what;
    }
  }
}

TEST(Attention, LaterKeysThatAreNotFiniteDoNotReachEarlierRows) {
  for (const Model& s : {Model{bf16, 1, 2, 32, 32}, Model{f32, 1, 1, 16, 16}}) {
    CpuRuntime cpu(cpu::available_isas().back(), 1, ComputeMode::fast);
    const std::int64_t n = 90;
    Sequence x = sequence(cpu.rt, s, n, 4);
    const std::vector<float> clean = chunked(cpu.rt, s, x, chunks_of(n, n));
    for (std::int64_t i = 80; i < n; ++i) {
      for (std::int64_t d = 0; d < s.v_dim; ++d) x.v.as<float>()[i * s.v_dim + d] = INFINITY;
    }
    const std::vector<float> dirty = chunked(cpu.rt, s, x, chunks_of(n, n));
    EXPECT_EQ(0, std::memcmp(clean.data(), dirty.data(), static_cast<std::size_t>(80 * s.group * s.v_dim) * 4));
    EXPECT_FALSE(std::isfinite(dirty.back()));
  }
}

TEST(Attention, StridedQueries) {
  CpuRuntime cpu(cpu::available_isas().back(), 2);
  const Model s{f32, 2, 2, 16, 16};
  const Sequence x = sequence(cpu.rt, s, 20, 1);
  const std::vector<float> want = chunked(cpu.rt, s, x, chunks_of(20, 20));
  const Tensor wide = Tensor::zeros(cpu.rt, {20, 6, 24}, f32);
  for (std::int64_t t = 0; t < 20; ++t) {
    for (std::int64_t h = 0; h < 4; ++h) std::memcpy(wide.as<float>() + (t * 6 + h + 1) * 24 + 3, x.q.as<float>() + (t * 4 + h) * 16, 64);
  }
  Sequence view = x;
  view.q = wide.slice(1, 1, 5).slice(2, 3, 19);
  EXPECT_TRUE(same_bits(want, chunked(cpu.rt, s, view, chunks_of(20, 7))));
}

TEST(Cache, GatherGivesBackWhatWasStored) {
  for (const Model& s : setups) {
    for (const auto isa : cpu::available_isas()) {
      CpuRuntime cpu(isa, 2, ComputeMode::exact, true);
      Runtime ref("ref", ref_kernels(), RuntimeOptions{.threads = 1});
      std::vector<float> k[2], v[2];
      int i = 0;
      for (Runtime* rt : {&ref, &cpu.rt}) {
        const Sequence x = sequence(*rt, s, 133, 6);
        Pages pages(*rt, s.layout(), 133);
        const KvSegment segments[] = {{0, 70, 0, pages.table()}, {70, 63, 70, pages.table()}};
        ops::kv_append(x.k, x.v, {s.layout(), segments});
        const ops::KeysValues back = ops::kv_gather(*rt, s.layout(), pages.table(), 5, 131);
        k[i] = back.k.to_host();
        v[i++] = back.v.to_host();
      }
      EXPECT_TRUE(same_bits(k[0], k[1])) << isa << " " << s.dtype->name << " " << s.k_dim;
      EXPECT_TRUE(same_bits(v[0], v[1])) << isa << " " << s.dtype->name << " " << s.v_dim;
    }
  }
}

TEST(Rope, MatchesTheReference) {
  same_as_reference([](Runtime& rt) {
    std::vector<Tensor> out;
    struct Case {
      std::int64_t dim, half;
    };
    for (const Case c : {Case{64, 32}, {80, 20}, {96, 48}, {10, 5}, {128, 17}, {7, 3}}) {
      const Tensor x = random_tensor(rt, {5, 3, c.dim}, 1), cos = random_tensor(rt, {5, c.half}, 2), sin = random_tensor(rt, {5, c.half}, 3);
      for (const bool interleaved : {false, true}) {
        out.push_back(ops::rope(x, cos, sin, interleaved));
        out.push_back(ops::rope(random_tensor(rt, {5, 8, c.dim}, 4).slice(1, 2, 5), cos, sin, interleaved));
      }
    }
    return out;
  }, 2e-7);
}

TEST(Rope, WithAppendIsTheComposition) {
  for (const auto isa : cpu::available_isas()) {
    for (const bool interleaved : {false, true}) {
      CpuRuntime cpu(isa, 2, ComputeMode::fast, true);
      const Model s{bf16, 2, 3, 48, 40};
      const Sequence x = sequence(cpu.rt, s, 70, 2);
      const Tensor cos = random_tensor(cpu.rt, {70, 12}, 8), sin = random_tensor(cpu.rt, {70, 12}, 9);
      Pages a(cpu.rt, s.layout(), 75), b(cpu.rt, s.layout(), 75);
      const KvSegment to_a{0, 70, 5, a.table()}, to_b{0, 70, 5, b.table()};
      const Tensor fused = ops::rope_append(x.q, x.k, x.v, cos, sin, interleaved, {s.layout(), {&to_a, 1}});
      ops::kv_append(ops::rope(x.k, cos, sin, interleaved), x.v, {s.layout(), {&to_b, 1}});
      EXPECT_TRUE(same_bits(fused.to_host(), ops::rope(x.q, cos, sin, interleaved).to_host()));
      for (int p = 0; p < 2; ++p) EXPECT_EQ(0, std::memcmp(a.table()[p], b.table()[p], static_cast<std::size_t>(s.layout().page_bytes())));
    }
  }
}

}  // namespace
}  // namespace tashika::test
