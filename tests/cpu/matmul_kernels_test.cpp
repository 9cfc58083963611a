// The matrix kernels of every instruction set this machine has, one by one, against plain sums in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <tuple>
#include <vector>

#include "backend/cpu/cpu.h"
#include "backend/cpu/isa/matmul.h"
#include "quant/formats.h"
#include "tensor/dtype.h"

namespace tashika::cpu {
namespace {

struct Set {
  std::string_view name;
  Isa isa;
};
std::vector<Set> sets() {
  std::vector<Set> out;
  for (const std::string_view name : available_isas()) out.push_back({name, static_cast<Isa>(out.size())});
  return out;
}

struct Case {
  DType type;
  MatmulRows rows;
  ActKind act;
  float act_error;  // relative to the largest activation of a group
};

std::vector<Case> cases(const MatmulFns& fns) {
  std::vector<Case> out;
  for (int i = 0; i < fns.format_count; ++i) {
    const MatmulFormat& f = fns.formats[i];
    const DType type = find_gguf_dtype(f.gguf_id);
    EXPECT_EQ(type->bytes, f.block_bytes) << type->name;
    out.push_back({type, f.rows, f.act, f.act == ActKind::bf16 ? 0x1p-8f : 0.5f / 127.0f});
  }
  out.push_back({f32, fns.f32, ActKind::f32, 0.0f});
  out.push_back({f16, fns.f16, ActKind::f32, 0.0f});
  out.push_back({bf16, fns.bf16_wide, ActKind::f32, 0.0f});
  for (const DTypeInfo* type : quant_formats()) out.push_back({*type, fns.decoded, ActKind::f32, 0.0f});
  return out;
}

struct Problem {
  DType type;
  std::int64_t n, k, m;
  std::int64_t w_stride = 0;
  std::vector<std::byte> w;      // ends right behind the last block: sanitizers see a read too far
  std::vector<float> wide, x;    // decoded weights [n, k]; activations [m, k]
};

Problem make_new(DType type, std::int64_t n, std::int64_t k, std::int64_t m) {
  Problem p{type, n, k, m};
  std::mt19937 rng(static_cast<unsigned>(n * 31 + k * 7 + m));
  std::normal_distribution<float> normal;
  std::vector<float> source(static_cast<std::size_t>(n * k));
  for (float& v : source) v = normal(rng) * 0.5f + 0.1f;
  p.w_stride = type.row_bytes(k);
  p.w.resize(static_cast<std::size_t>(n * p.w_stride));
  type->encode(source.data(), p.w.data(), n * k);
  p.wide.resize(source.size());
  type->decode(p.w.data(), p.wide.data(), n * k);
  p.x.resize(static_cast<std::size_t>(m * k));
  for (float& v : p.x) v = normal(rng) * (rng() % 37 == 0 ? 6.0f : 1.0f);
  return p;
}

// Encoding is slow, and every instruction set takes the same problems.
Problem make(DType type, std::int64_t n, std::int64_t k, std::int64_t m) {
  static std::map<std::tuple<std::string_view, std::int64_t, std::int64_t, std::int64_t>, Problem> made;
  const auto key = std::tuple(type->name, n, k, m);
  const auto found = made.find(key);
  return found != made.end() ? found->second : made.emplace(key, make_new(type, n, k, m)).first->second;
}

struct Acts {
  std::vector<std::byte> bytes;
  void* data = nullptr;
  std::vector<float> seen;  // what the kernel multiplies by, [m, k]
};

Acts pack(const MatmulFns& fns, ActKind kind, const float* x, std::int64_t m, std::int64_t k) {
  Acts out;
  const std::int64_t chunks = (k + 255) / 256;
  out.bytes.resize(static_cast<std::size_t>(chunks * m) * sizeof(Act256) * 4 + 4096);
  out.data = out.bytes.data() + (64 - reinterpret_cast<std::uintptr_t>(out.bytes.data()) % 64);
  out.seen.assign(x, x + m * k);
  for (std::int64_t t = 0; t < m; ++t) {
    float* seen = out.seen.data() + t * k;
    if (kind == ActKind::f32) fns.pack_f32(x + t * k, k, static_cast<float*>(out.data), t, m);
    if (kind == ActKind::bf16) {
      fns.pack_bf16(x + t * k, k, static_cast<std::uint16_t*>(out.data), t, m);
      std::vector<std::uint16_t> half(static_cast<std::size_t>(k));
      bf16.encode(seen, half.data(), k);
      bf16.decode(half.data(), seen, k);
    }
    if (kind == ActKind::q256) {
      auto* acts = static_cast<Act256*>(out.data) + t;
      fns.pack_q256(x + t * k, k, acts, m);
      for (std::int64_t i = 0; i < k; ++i) seen[i] = acts[i / 256 * m].d * acts[i / 256 * m].q[i % 256];
    }
    if (kind == ActKind::q32) {
      auto* acts = static_cast<Act32*>(out.data) + t;
      fns.pack_q32(x + t * k, k, acts, m);
      for (std::int64_t i = 0; i < k; ++i) seen[i] = acts[i / 256 * m].d[i % 256 / 32] * acts[i / 256 * m].q[i % 256];
    }
  }
  return out;
}

struct Scratch64 {
  std::vector<std::byte> bytes = std::vector<std::byte>(matmul_scratch(4096) + 64);
  void* get() { return bytes.data() + (64 - reinterpret_cast<std::uintptr_t>(bytes.data()) % 64); }
};

std::vector<float> run(const Case& c, const Problem& p, const Acts& acts, std::int64_t begin, std::int64_t end,
                       const float* bias = nullptr, const float* addend = nullptr) {
  Scratch64 scratch;
  std::vector<float> y(static_cast<std::size_t>(p.m * p.n), 1e30f);
  MatmulTask task;
  task.w = reinterpret_cast<const std::uint8_t*>(p.w.data());
  task.w_stride = p.w_stride;
  task.k = p.k;
  task.act = acts.data;
  task.act_rows = task.m = p.m;
  task.y = y.data();
  task.y_stride = task.addend_stride = p.n;
  task.bias = bias;
  task.addend = addend;
  task.rows = p.n;
  task.next = p.n;
  task.decode = p.type->decode;
  task.block = p.type->block;
  task.block_bytes = p.type->bytes;
  c.rows(task, begin, end, scratch.get());
  return y;
}

struct Size {
  std::int64_t n, k, m;
};

TEST(MatmulKernels, MatchSumsInDouble) {
  int checked = 0;
  for (const Set& set : sets()) {
    const MatmulFns& fns = matmul_fns(set.isa);
    for (const Case& c : cases(fns)) {
      const std::int64_t tail = c.type->block == 256 ? 256 : c.type->block == 32 ? 32 : 5;
      const Size sizes[] = {{1, 256, 1}, {17, 256 * 2 + tail, 3}, {65, 256 + tail, 7}, {67, 1024 + tail, 2}, {33, 512, 13}};
      for (const Size& s : sizes) {
        const Problem p = make(c.type, s.n, s.k, s.m);
        const Acts acts = pack(fns, c.act, p.x.data(), p.m, p.k);
        std::vector<float> bias(static_cast<std::size_t>(p.n)), addend(static_cast<std::size_t>(p.m * p.n));
        for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<float>(i % 5);
        for (std::size_t i = 0; i < addend.size(); ++i) addend[i] = static_cast<float>(i % 7);
        const std::vector<float> y = run(c, p, acts, 0, p.n, bias.data(), addend.data());
        for (std::int64_t t = 0; t < p.m; ++t) {
          for (std::int64_t r = 0; r < p.n; ++r) {
            double sum = 0, size = 0;
            for (std::int64_t i = 0; i < p.k; ++i) {
              const double part = static_cast<double>(p.wide[static_cast<std::size_t>(r * p.k + i)]) * acts.seen[static_cast<std::size_t>(t * p.k + i)];
              sum += part;
              size += std::fabs(part);
            }
            const auto at = static_cast<std::size_t>(t * p.n + r);
            sum += bias[static_cast<std::size_t>(r)] + addend[at];
            ASSERT_NEAR(y[at], sum, 2e-6 * (size + 12.0))
                << set.name << " " << c.type->name << " n " << s.n << " k " << s.k << " m " << s.m << " row " << r << " token " << t;
            ++checked;
          }
        }
      }
    }
  }
  EXPECT_GT(checked, static_cast<int>(sets().size()) * 25000);
}

TEST(MatmulKernels, ARowDependsOnNothingBesideIt) {
  for (const Set& set : sets()) {
    const MatmulFns& fns = matmul_fns(set.isa);
    for (const Case& c : cases(fns)) {
      const std::int64_t tail = c.type->block == 256 ? 256 : c.type->block == 32 ? 32 : 5;
      const Problem all = make(c.type, 83, 1024 + tail, 27);
      const Acts acts = pack(fns, c.act, all.x.data(), all.m, all.k);
      const std::vector<float> y = run(c, all, acts, 0, all.n);
      for (const std::int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 25}) {
        Problem some = all;
        some.m = m;
        const std::int64_t first = 27 - m;
        const Acts part = pack(fns, c.act, all.x.data() + first * all.k, m, all.k);
        const std::int64_t begin = m % 5, end = 83 - m % 7;
        const std::vector<float> z = run(c, some, part, begin, end);
        for (std::int64_t t = 0; t < m; ++t) {
          ASSERT_EQ(0, std::memcmp(&z[static_cast<std::size_t>(t * 83 + begin)], &y[static_cast<std::size_t>((first + t) * 83 + begin)],
                                   static_cast<std::size_t>(end - begin) * 4))
              << set.name << " " << c.type->name << " m " << m << " token " << t;
          for (std::int64_t r = 0; r < 83; ++r) {
            if (r < begin || r >= end) { ASSERT_EQ(z[static_cast<std::size_t>(t * 83 + r)], 1e30f) << "written outside its rows"; }
          }
        }
      }
    }
  }
}

TEST(MatmulKernels, EverySetGivesTheSameBits) {
  const MatmulFns& plain = matmul_fns(Isa::scalar);
  for (const Set& set : sets()) {
    const MatmulFns& fns = matmul_fns(set.isa);
    const std::vector<Case> mine = cases(fns), theirs = cases(plain);
    for (const Case& c : mine) {
      if (c.act == ActKind::bf16) continue;  // dots of bf16 pairs round in their own way
      const auto other = std::find_if(theirs.begin(), theirs.end(), [&](const Case& t) { return t.type == c.type && t.act == c.act; });
      ASSERT_NE(other, theirs.end());
      const Problem p = make(c.type, 35, 768, 8);
      const Acts a = pack(fns, c.act, p.x.data(), p.m, p.k), b = pack(plain, c.act, p.x.data(), p.m, p.k);
      const std::vector<float> y = run(c, p, a, 0, p.n), z = run(*other, p, b, 0, p.n);
      EXPECT_EQ(0, std::memcmp(y.data(), z.data(), y.size() * 4)) << set.name << " " << c.type->name;
    }
  }
}

TEST(MatmulKernels, ActivationsKeepTheirErrorBound) {
  for (const Set& set : sets()) {
    const MatmulFns& fns = matmul_fns(set.isa);
    const Problem p = make(f32, 1, 512 + 32, 3);
    for (const ActKind kind : {ActKind::q256, ActKind::q32, ActKind::bf16}) {
      const std::int64_t k = kind == ActKind::q256 ? 512 : p.k, group = kind == ActKind::q256 ? 256 : 32;
      const Acts acts = pack(fns, kind, p.x.data(), p.m, k);
      for (std::int64_t i = 0; i < p.m * k; i += group) {
        float top = 0;
        for (std::int64_t j = i; j < i + group; ++j) top = std::max(top, std::fabs(p.x[static_cast<std::size_t>(j)]));
        for (std::int64_t j = i; j < i + group; ++j) {
          EXPECT_LE(std::fabs(acts.seen[static_cast<std::size_t>(j)] - p.x[static_cast<std::size_t>(j)]), top * (kind == ActKind::bf16 ? 0x1p-8f : 0.5001f / 127.0f));
        }
      }
    }
  }
}

TEST(MatmulKernels, NotANumberAndInfinityShow) {
  for (const Set& set : sets()) {
    const MatmulFns& fns = matmul_fns(set.isa);
    for (const Case& c : cases(fns)) {
      for (const float bad : {std::nanf(""), INFINITY}) {
        Problem p = make(c.type, 5, 256, 2);
        p.x[256 + 40] = bad;
        const Acts acts = pack(fns, c.act, p.x.data(), p.m, p.k);
        const std::vector<float> y = run(c, p, acts, 0, p.n);
        for (std::size_t r = 0; r < 5; ++r) {
          EXPECT_TRUE(std::isfinite(y[r])) << set.name << " " << c.type->name;
          EXPECT_FALSE(std::isfinite(y[5 + r])) << set.name << " " << c.type->name << " " << bad;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tashika::cpu
