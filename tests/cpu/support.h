// Runtimes for the CPU backend's tests, and calls without ops/.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/cpu.h"
#include "base/thread_pool.h"
#include "tensor/runtime.h"
#include "tensor/tensor.h"

namespace tashika::test {

// A runtime of one instruction set; chunks of one item when `fine`, so that tiny shapes are split.
struct CpuRuntime {
  explicit CpuRuntime(std::string_view isa, int threads = 1, ComputeMode mode = ComputeMode::exact, bool fine = false)
      : rt("cpu", cpu::cpu_kernels(isa), RuntimeOptions{.threads = threads, .compute = mode}) {
    rt.pool().force_grain_one(fine);
  }
  Runtime rt;
};

inline void run(Runtime& rt, const OpId& op, std::initializer_list<Tensor> in, std::initializer_list<Tensor> out,
                const void* attrs = nullptr) {
  const std::vector<Tensor> inputs(in);
  std::vector<Tensor> outputs(out);
  const Call call{rt, inputs, outputs, attrs};
  const Kernel* kernel = rt.kernels().find(op, call);
  ASSERT_NE(kernel, nullptr) << op.name;
  kernel->run(call);
}

// Small counter-based generator (SplitMix64): values in [low, high).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  float uniform(float low = -1.0f, float high = 1.0f) {
    return low + (high - low) * static_cast<float>(next() >> 40) * 0x1p-24f;
  }
  std::vector<float> vector(std::int64_t n, float low = -1.0f, float high = 1.0f) {
    std::vector<float> v(static_cast<std::size_t>(n));
    for (float& x : v) x = uniform(low, high);
    return v;
  }

 private:
  std::uint64_t state_;
};

inline Tensor random_tensor(Runtime& rt, const Shape& shape, std::uint64_t seed, float low = -1.0f, float high = 1.0f) {
  Random random(seed);
  return Tensor::from_host(rt, shape, random.vector(shape.numel(), low, high));
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace tashika::test
