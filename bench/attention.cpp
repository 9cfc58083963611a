// Speed of attention over the paged cache, of conv2d, group_norm and of the thread pool, beside the limits of this
// machine in the same minute.
//
//   tashika_bench_attention [-t THREADS] [--types bf16,f16,f32] [--heads 8] [--group 4] [--dim 128] [--window 0] [--only decode] [--memory MIB]
//                           [--exact] [--cpu-time]
//
// decode: one new row at a depth, over enough layers (--memory, 256 MiB) that no cache holds them; GB/s of keys and
// values. prefill: a
// whole prompt; GFLOP/s of the scores and outputs that the causal mask lets through. --cpu-time (one thread only)
// uses the thread's own clock, which a busy machine disturbs less.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "backend/contract/attention.h"
#include "backend/contract/conv.h"
#include "backend/contract/norm.h"
#include "backend/cpu/cpu.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "limits.h"
#include "tensor/runtime.h"
#include "tensor/tensor.h"

namespace tashika::bench {
namespace {

struct Options {
  int threads = usable_cores();
  std::vector<DType> types{bf16, f16, f32};
  std::int64_t heads = 8, group = 4, dim = 128, window = 0;
  double memory = 256;
  std::string only;
  bool exact = false, cpu_time = false;
};

void launch(Runtime& rt, const OpId& op, std::vector<Tensor> in, std::vector<Tensor> out, const void* attrs) {
  const Call call{rt, in, out, attrs};
  rt.kernels().find(op, call)->run(call);
}

Tensor noise(Runtime& rt, const Shape& shape) {
  Tensor t = Tensor::empty(rt, shape, f32);
  std::uint64_t state = 1;
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    t.as<float>()[i] = static_cast<float>(static_cast<std::int64_t>(state >> 40) - (1 << 23)) * 0x1p-23f;
  }
  return t;
}

// Seconds of the fastest of a few runs.
template <typename Body>
double best(bool cpu_time, const Body& body) {
  double least = 1e30, spent = 0;
  for (int i = 0; i < 3 || (spent < 0.5 && i < 200); ++i) {
    const double begin = cpu_time ? thread_cpu_seconds() : wall_seconds();
    body();
    const double seconds = (cpu_time ? thread_cpu_seconds() : wall_seconds()) - begin;
    least = std::min(least, seconds);
    spent += seconds;
  }
  return least;
}

struct Cache {
  Tensor storage;
  std::vector<std::byte*> pages;
  Cache(Runtime& rt, const KvLayout& layout, std::int64_t positions) {
    const std::int64_t count = (positions + page_positions - 1) / page_positions;
    storage = Tensor::zeros(rt, {count, layout.page_bytes()}, u8);
    for (std::int64_t p = 0; p < count; ++p) pages.push_back(storage.data() + p * layout.page_bytes());
  }
};

void attention(Runtime& rt, const Options& o, const Limits& limits, DType type) {
  const KvLayout layout{type, o.heads, o.dim, o.dim, false};
  AttentionAttrs attrs;
  attrs.kv.layout = layout;
  attrs.scale = 0.1f;
  attrs.window = o.window;
  const std::string name(type->name);
  if (o.only.empty() || o.only == "decode") {
    for (const std::int64_t depth : {512, 2048, 8192, 32768}) {
      const double bytes = 2.0 * static_cast<double>(depth * o.heads * o.dim * type->bytes);
      const int layers = std::max(1, static_cast<int>(o.memory * 0x1p20 / bytes));
      std::vector<Cache> caches;
      for (int i = 0; i < layers; ++i) caches.emplace_back(rt, layout, depth + 1);
      const Tensor q = noise(rt, {1, o.heads * o.group, o.dim}), y = Tensor::empty(rt, q.shape(), f32);
      const double seconds = best(o.cpu_time, [&] {
        for (const Cache& cache : caches) {
          const KvSegment segment{0, 1, depth, cache.pages.data()};
          attrs.kv.segments = {&segment, 1};
          launch(rt, attention_op, {q}, {y}, &attrs);
        }
      }) / layers;
      std::printf("decode   %-5s depth %6lld  %9.1f us  %6.1f GB/s  %5.1f %% of reading\n", name.c_str(), static_cast<long long>(depth),
                  seconds * 1e6, bytes / seconds * 1e-9, bytes / seconds * 1e-7 / limits.read_gb_s);
    }
  }
  if (o.only.empty() || o.only == "prefill") {
    for (const std::int64_t n : {512, 2048, 8192}) {
      const Cache cache(rt, layout, n);
      const KvSegment segment{0, n, 0, cache.pages.data()};
      attrs.kv.segments = {&segment, 1};
      const Tensor q = noise(rt, {n, o.heads * o.group, o.dim}), k = noise(rt, {n, o.heads, o.dim}), y = Tensor::empty(rt, q.shape(), f32);
      const double append = best(o.cpu_time, [&] { launch(rt, kv_append_op, {k, k}, {}, &attrs.kv); });
      const double seconds = best(o.cpu_time, [&] { launch(rt, attention_op, {q}, {y}, &attrs); });
      const double flops = 4.0 * static_cast<double>(n * (n + 1) / 2 * o.heads * o.group * o.dim);
      const bool dots = type == bf16 && !o.exact && rt.kernels().isa() == "avx512vnni";
      const double peak = dots ? limits.bf16_gflop_s : limits.f32_gflop_s;
      std::printf("prefill  %-5s tokens %5lld  %9.2f ms  %6.0f GFLOP/s  %5.1f %% of peak   append %7.2f ms\n", name.c_str(),
                  static_cast<long long>(n), seconds * 1e3, flops / seconds * 1e-9, flops / seconds * 1e-7 / peak, append * 1e3);
    }
  }
}

void images(Runtime& rt, const Options& o, const Limits& limits) {
  struct Case {
    std::int64_t c, size, out, kernel;
  };
  for (const Case s : {Case{320, 64, 320, 3}, Case{640, 32, 640, 3}, Case{1280, 8, 1280, 3}, Case{320, 64, 320, 1}, Case{128, 256, 128, 3}}) {
    const Tensor x = noise(rt, {1, s.size, s.size, s.c}).permute({0, 3, 1, 2});
    const Tensor w = Tensor::zeros(rt, {s.out, s.c, s.kernel, s.kernel}, bf16), y = Tensor::empty(rt, {1, s.size, s.size, s.out}, f32).permute({0, 3, 1, 2});
    const Conv2dAttrs attrs{1, 1, s.kernel / 2, s.kernel / 2};
    const double seconds = best(o.cpu_time, [&] { launch(rt, conv2d_op, {x, w, {}}, {y}, &attrs); });
    const double flops = 2.0 * static_cast<double>(s.size * s.size * s.out * s.c * s.kernel * s.kernel);
    const double peak = !o.exact && rt.kernels().isa() == "avx512vnni" ? limits.bf16_gflop_s : limits.f32_gflop_s;
    const Tensor z = Tensor::empty(rt, {1, s.size, s.size, s.c}, f32).permute({0, 3, 1, 2});
    const GroupNormAttrs norm{1e-5f, 32};
    const double norm_seconds = best(o.cpu_time, [&] { launch(rt, group_norm_op, {x, {}, {}}, {z}, &norm); });
    std::printf("conv2d   %lldx%lld %4lld -> %4lld at %3lld^2  %8.2f ms  %6.0f GFLOP/s  %5.1f %% of peak   group_norm %7.3f ms\n",
                static_cast<long long>(s.kernel), static_cast<long long>(s.kernel), static_cast<long long>(s.c), static_cast<long long>(s.out),
                static_cast<long long>(s.size), seconds * 1e3, flops / seconds * 1e-9, flops / seconds * 1e-7 / peak, norm_seconds * 1e3);
  }
}

int run(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 >= argc) fail_with(ErrorKind::usage, cat(arg, " needs a value"));
      return argv[++i];
    };
    if (arg == "-t") o.threads = std::atoi(value().c_str());
    else if (arg == "--heads") o.heads = std::atoi(value().c_str());
    else if (arg == "--group") o.group = std::atoi(value().c_str());
    else if (arg == "--dim") o.dim = std::atoi(value().c_str());
    else if (arg == "--window") o.window = std::atoi(value().c_str());
    else if (arg == "--only") o.only = value();
    else if (arg == "--memory") o.memory = std::atof(value().c_str());
    else if (arg == "--exact") o.exact = true;
    else if (arg == "--cpu-time") o.cpu_time = true;
    else if (arg == "--types") {
      o.types.clear();
      const std::string list = "," + value() + ",";
      for (const DTypeInfo* type : {&bf16, &f16, &f32}) {
        if (list.find("," + std::string(type->name) + ",") != std::string::npos) o.types.push_back(*type);
      }
    } else {
      fail_with(ErrorKind::usage, cat("unknown option ", arg));
    }
  }
  Runtime rt("cpu", cpu::cpu_kernels(), {.threads = o.threads, .compute = o.exact ? ComputeMode::exact : ComputeMode::fast});
  const Tensor memory = Tensor::zeros(rt, {std::int64_t{256} << 20}, u8);
  const Limits limits = measure_limits(o.threads, memory.data(), static_cast<std::size_t>(memory.nbytes()), o.cpu_time);
  std::printf("%s, %d threads; limits now: read %.1f GB/s, bf16 %.0f, f32 %.0f GFLOP/s\n", std::string(rt.kernels().isa()).c_str(), o.threads,
              limits.read_gb_s, limits.bf16_gflop_s, limits.f32_gflop_s);
  if (o.only.empty() || o.only == "fork") {
    const double seconds = best(false, [&] {
      for (int i = 0; i < 10000; ++i) rt.pool().parallel_for(o.threads * 2, 1, [](std::int64_t, std::int64_t, int) {});
    });
    std::printf("fork and join: %.2f us\n", seconds * 1e2);
  }
  for (const DType type : o.types) attention(rt, o, limits, type);
  if (o.only.empty() || o.only == "image") images(rt, o, limits);
  return 0;
}

}  // namespace
}  // namespace tashika::bench

int main(int argc, char** argv) {
  try {
    return tashika::bench::run(argc, argv);
  } catch (const tashika::Error& error) {
    std::fprintf(stderr, "tashika_bench_attention: %s\n", error.what());
    return error.kind() == tashika::ErrorKind::usage ? 2 : 1;
  }
}
