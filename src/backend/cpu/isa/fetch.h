// Bringing in the weights that a thread will need next.
#pragma once

#include "backend/cpu/isa/matmul.h"
#include "backend/cpu/isa/vec.h"

namespace tashika::cpu::TASHIKA_ISA_NS {

// Brings rows [next, next + count) towards the cache in as many steps as the current task has: four streams, because
// one is not the fastest way to read, and few lines a step, because a burst blocks the loads behind it.
class Fetch {
 public:
  [[gnu::always_inline]] inline Fetch(const MatmulTask& task, int64_t next, int64_t count, int64_t steps) {
    const int64_t left = task.rows - next < count ? task.rows - next : count;
    from_ = task.w + next * task.w_stride;
    quarter_ = left > 0 ? (left * task.w_stride / 4 + 63) / 64 : 0;  // lines
    each_ = (quarter_ + steps - 1) / steps;
  }
  [[gnu::always_inline]] inline void step() {
    const int64_t end = at_ + each_ < quarter_ ? at_ + each_ : quarter_;
    for (; at_ < end; ++at_) {
      for (int64_t stream = 0; stream < 4; ++stream) __builtin_prefetch(from_ + (stream * quarter_ + at_) * 64, 0, 2);
    }
  }

 private:
  const uint8_t* from_;
  int64_t quarter_, each_, at_ = 0;
};

}  // namespace tashika::cpu::TASHIKA_ISA_NS
