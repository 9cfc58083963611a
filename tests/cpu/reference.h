// An op on every instruction set and on 1 and 2 threads, against the reference backend.
#pragma once

#include <cmath>
#include <functional>

#include "backend/ref/ref.h"
#include "cpu/support.h"

namespace tashika::test {

// `make` computes tensors on the runtime it is given. Their values must be within
// tolerance · (1 + |reference|) of the reference's, and the same bits with one thread, with two
// and (`bits_over_isas`) on every instruction set.
inline void same_as_reference(const std::function<std::vector<Tensor>(Runtime&)>& make, double tolerance,
                              bool bits_over_isas = true) {
  Runtime ref("ref", ref_kernels(), RuntimeOptions{.threads = 1, .compute = ComputeMode::exact});
  std::vector<std::vector<float>> want, first;
  for (const Tensor& t : make(ref)) want.push_back(t.to_host());
  for (const auto isa : cpu::available_isas()) {
    if (!bits_over_isas) first.clear();
    for (const int threads : {1, 2}) {
      CpuRuntime cpu(isa, threads, ComputeMode::exact, threads == 2);
      std::vector<std::vector<float>> got;
      for (const Tensor& t : make(cpu.rt)) got.push_back(t.to_host());
      ASSERT_EQ(got.size(), want.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i].size(), want[i].size());
        double worst = 0;
        std::size_t at = 0;
        for (std::size_t j = 0; j < got[i].size(); ++j) {
          if (got[i][j] == want[i][j] || (std::isnan(got[i][j]) && std::isnan(want[i][j]))) continue;
          double error = std::fabs(static_cast<double>(got[i][j]) - want[i][j]) / (1 + std::fabs(want[i][j]));
          if (std::isnan(error)) error = INFINITY;
          if (error > worst) worst = error, at = j;
        }
        EXPECT_LE(worst, tolerance) << isa << ", " << threads << " threads, result " << i << ", element " << at << ": "
                                    << got[i][at] << ", wanted " << want[i][at];
      }
      if (first.empty()) first = got;
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_TRUE(same_bits(first[i], got[i])) << isa << ", " << threads << " threads: result " << i << " has other bits";
      }
    }
  }
}

}  // namespace tashika::test
