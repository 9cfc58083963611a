// What this machine can do at most, measured now.
#pragma once

#include <cstddef>

namespace tashika::bench {

struct Limits {
  double read_gb_s = 0;    // best of 1, 2 and 4 streams a thread
  double int8_gop_s = 0;   // 2 a multiply-add; zero where the machine lacks the instruction
  double bf16_gflop_s = 0;
  double f32_gflop_s = 0;
};

// `memory` is at least 256 MiB that no cache holds. With `cpu_time` the clock is each thread's own
// processor time: on a busy machine that is the steadier one.
Limits measure_limits(int threads, const std::byte* memory, std::size_t bytes, bool cpu_time);

double wall_seconds();
double thread_cpu_seconds();

}  // namespace tashika::bench
