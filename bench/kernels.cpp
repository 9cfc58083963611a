// Speed of `linear` by weight type, shape and batch, beside the limits of this machine in the same minute.
//
//   tashika_bench_kernels [-t THREADS] [--types q4_k,q8_0] [--shapes 2048x2048,5632x2048] [--m 1,4,512] [--memory MIB] [--exact]
//                         [--cpu-time]
//
// GB/s counts the weights' bytes read, GOP/s two operations a weight and row. % is of the read limit for one row and
// of the peak of the arithmetic used (int8, bf16 or f32) otherwise; "x1" is the speed against M = 1 in rows a second.
// Weights are spread over 512 MiB; --memory 1 keeps them in cache and shows what the arithmetic alone allows.
// --cpu-time (one thread only) uses the thread's own clock, which a busy machine disturbs less.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backend/contract/matmul.h"
#include "backend/cpu/cpu.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "limits.h"
#include "quant/formats.h"
#include "tensor/runtime.h"
#include "tensor/tensor.h"

namespace tashika::bench {
namespace {


std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

// One run of rows of real blocks, repeated over the memory.
void fill(DType type, std::byte* to, std::int64_t bytes) {
  std::mt19937 rng(1);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  constexpr std::int64_t n = 8192;
  std::vector<float> values(n);
  for (float& v : values) v = normal(rng);
  const std::int64_t row = type.row_bytes(n);
  type->encode(values.data(), to, n);
  for (std::int64_t at = row; at < bytes; at += row) std::memcpy(to + at, to, static_cast<std::size_t>(std::min(row, bytes - at)));
}

struct Options {
  int threads = usable_cores();
  std::vector<std::string> types{"q4_k", "q6_k", "q8_0", "bf16"};
  std::vector<std::string> shapes{"2048x2048", "5632x2048", "2048x5632", "4096x4096", "14336x4096", "4096x14336"};
  std::vector<std::string> rows{"1", "4", "8", "16", "512"};
  bool exact = false, cpu_time = false;
  std::int64_t memory_bytes = std::int64_t{512} << 20;
};

void measure(const Options& options, Runtime& rt, DType type, std::byte* memory) {
  fill(type, memory, options.memory_bytes);
  for (const std::string& shape : options.shapes) {
    const std::int64_t n = std::atoll(shape.c_str()), k = std::atoll(shape.c_str() + shape.find('x') + 1);
    const std::int64_t bytes = type.row_bytes(n * k), copies = std::max<std::int64_t>(1, options.memory_bytes / bytes);
    double single = 0;
    for (const std::string& m_text : options.rows) {
      const std::int64_t m = std::atoll(m_text.c_str());
      std::vector<float> values(static_cast<std::size_t>(m * k));
      std::mt19937 rng(2);
      std::normal_distribution<float> normal;
      for (float& v : values) v = normal(rng);
      const Tensor x = Tensor::from_host(rt, {m, k}, values);
      Tensor y = Tensor::empty(rt, {m, n}, f32);
      double best = 1e30;
      Limits limits;
      std::int64_t at = 0;
      for (int repeat = 0; repeat < 5; ++repeat) {
        const Limits now = measure_limits(options.threads, memory, std::size_t{256} << 20, options.cpu_time);
        limits.read_gb_s = std::max(limits.read_gb_s, now.read_gb_s);
        limits.int8_gop_s = std::max(limits.int8_gop_s, now.int8_gop_s);
        limits.bf16_gflop_s = std::max(limits.bf16_gflop_s, now.bf16_gflop_s);
        limits.f32_gflop_s = std::max(limits.f32_gflop_s, now.f32_gflop_s);
        // About 128 MiB or 20 G operations a repeat.
        const std::int64_t calls = std::max<std::int64_t>(1, std::min((std::int64_t{128} << 20) / bytes, std::int64_t{10000000000} / (n * k * m)));
        const double begin = options.cpu_time ? thread_cpu_seconds() : wall_seconds();
        for (std::int64_t c = 0; c < calls; ++c, ++at) {
          const Tensor w = Tensor::map(rt, {n, k}, type, {memory + at % copies * bytes, static_cast<std::size_t>(bytes)}, nullptr);
          const Tensor in[] = {x, w, {}, {}};
          const Call call{rt, in, {&y, 1}, nullptr};
          rt.kernels().find(linear_op, call)->run(call);
        }
        best = std::min(best, ((options.cpu_time ? thread_cpu_seconds() : wall_seconds()) - begin) / static_cast<double>(calls));
      }
      const double gb = static_cast<double>(bytes) / best * 1e-9, gop = 2e-9 * static_cast<double>(n * k * m) / best;
      if (m == 1) single = best;
      const double peak = options.exact || !(type.is_block() || type == bf16) ? limits.f32_gflop_s : type == bf16 ? limits.bf16_gflop_s : limits.int8_gop_s;
      std::printf("%-8s %12s %4lld  %8.1f us  %6.1f GB/s (%3.0f%%)  %7.1f GOP/s (%3.0f%%)", type->name.data(), shape.c_str(),
                  static_cast<long long>(m), best * 1e6, gb, 100 * gb / limits.read_gb_s, gop, 100 * gop / peak);
      if (single > 0 && m > 1) std::printf("  %5.2f x1", single * static_cast<double>(m) / best);
      std::printf("   [limits %.1f GB/s, %.0f]\n", limits.read_gb_s, peak);
      std::fflush(stdout);
    }
  }
}

int run(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 >= argc) fail_with(ErrorKind::usage, cat(flag, " needs a value"));
      return argv[++i];
    };
    if (flag == "-t") options.threads = std::max(1, std::atoi(value().c_str()));
    else if (flag == "--types") options.types = split(value());
    else if (flag == "--shapes") options.shapes = split(value());
    else if (flag == "--m") options.rows = split(value());
    else if (flag == "--memory") options.memory_bytes = std::atoll(value().c_str()) << 20;
    else if (flag == "--exact") options.exact = true;
    else if (flag == "--cpu-time") options.cpu_time = true;
    else fail_with(ErrorKind::usage, cat("unknown option ", flag));
  }
  if (options.cpu_time) options.threads = 1;
  const auto kernels = cpu::cpu_kernels();
  Runtime rt("cpu", kernels, {.threads = options.threads, .compute = options.exact ? ComputeMode::exact : ComputeMode::fast});
  std::printf("%d threads, %s\n", options.threads, std::string(kernels->isa()).c_str());
  const StorageRef storage = rt.allocate(std::max(options.memory_bytes, std::int64_t{256} << 20));
  for (const std::string& name : options.types) {
    const DType type = find_dtype(name);
    if (!type) fail_with(ErrorKind::usage, cat("unknown type ", name));
    measure(options, rt, type, storage->data());
  }
  return 0;
}

}  // namespace
}  // namespace tashika::bench

int main(int argc, char** argv) {
  try {
    return tashika::bench::run(argc, argv);
  } catch (const tashika::Error& error) {
    std::fprintf(stderr, "tashika_bench_kernels: %s\n", error.what());
    return error.kind() == tashika::ErrorKind::usage ? 2 : 1;
  }
}
