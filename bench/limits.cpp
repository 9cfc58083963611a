#include "limits.h"

#include <immintrin.h>
#include <time.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace tashika::bench {
namespace {

double seconds(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

volatile long sink;

// Seconds of the slowest of `threads` threads that run work(thread).
template <typename Work>
double run(int threads, bool cpu_time, const Work& work) {
  std::vector<double> taken(static_cast<std::size_t>(threads));
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      const double begin = cpu_time ? thread_cpu_seconds() : wall_seconds();
      work(t);
      taken[static_cast<std::size_t>(t)] = (cpu_time ? thread_cpu_seconds() : wall_seconds()) - begin;
    });
  }
  for (std::thread& t : pool) t.join();
  return *std::max_element(taken.begin(), taken.end());
}

__attribute__((target("avx512f"))) void read_512(const std::byte* p, std::size_t bytes, int streams) {
  const std::size_t each = bytes / static_cast<std::size_t>(streams) / 256 * 256;
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
  for (std::size_t k = 0; k < each; k += 256) {
    for (int s = 0; s < streams; ++s) {
      const std::byte* q = p + static_cast<std::size_t>(s) * each + k;
      a = _mm512_xor_si512(a, _mm512_loadu_si512(q));
      b = _mm512_xor_si512(b, _mm512_loadu_si512(q + 64));
      c = _mm512_xor_si512(c, _mm512_loadu_si512(q + 128));
      d = _mm512_xor_si512(d, _mm512_loadu_si512(q + 192));
    }
  }
  sink = _mm512_reduce_add_epi64(_mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d)));
}
void read_plain(const std::byte* p, std::size_t bytes, int) {
  long sum = 0;
  for (std::size_t k = 0; k + 64 <= bytes; k += 64) sum ^= *reinterpret_cast<const long*>(p + k);
  sink = sum;
}

// Named registers: an array would live in memory. 24 chains, because bf16 dots take six cycles.
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)
#define ZERO(i) __m512 a##i = _mm512_setzero_ps();
#define INT8(i) asm volatile("vpdpbusd %1, %1, %0" : "+v"(a##i) : "v"(b));
#define BF16(i) asm volatile("vdpbf16ps %1, %1, %0" : "+v"(a##i) : "v"(b));
#define FP32(i) asm volatile("vfmadd231ps %1, %1, %0" : "+v"(a##i) : "v"(b));
#define KEEP(i) asm volatile("" : : "v"(a##i));
constexpr long rounds = 4000000;
#define PEAK(NAME, STEP)                                                    \
  __attribute__((target("avx512f"))) void NAME() {                          \
    const __m512 b = _mm512_castsi512_ps(_mm512_set1_epi32(0x3f803f80));    \
    EACH(ZERO) for (long k = 0; k < rounds; ++k) { EACH(STEP) } EACH(KEEP) \
  }
PEAK(peak_int8, INT8)
PEAK(peak_bf16, BF16)
PEAK(peak_f32, FP32)

}  // namespace

double wall_seconds() { return seconds(CLOCK_MONOTONIC); }
double thread_cpu_seconds() { return seconds(CLOCK_THREAD_CPUTIME_ID); }

Limits measure_limits(int threads, const std::byte* memory, std::size_t bytes, bool cpu_time) {
  Limits out;
  const bool wide = __builtin_cpu_supports("avx512f");
  for (const int streams : {1, 2, 4}) {
    const std::size_t each = bytes / static_cast<std::size_t>(threads);
    const double t = run(threads, cpu_time, [&](int thread) {
      const std::byte* p = memory + static_cast<std::size_t>(thread) * each;
      wide ? read_512(p, each, streams) : read_plain(p, each, streams);
    });
    out.read_gb_s = std::max(out.read_gb_s, static_cast<double>(bytes) / t * 1e-9);
  }
  const double steps = 24.0 * rounds * threads * 1e-9;
  if (wide && __builtin_cpu_supports("avx512vnni")) out.int8_gop_s = 128 * steps / run(threads, cpu_time, [](int) { peak_int8(); });
  if (wide && __builtin_cpu_supports("avx512bf16")) out.bf16_gflop_s = 64 * steps / run(threads, cpu_time, [](int) { peak_bf16(); });
  if (wide) out.f32_gflop_s = 32 * steps / run(threads, cpu_time, [](int) { peak_f32(); });
  return out;
}

}  // namespace tashika::bench
