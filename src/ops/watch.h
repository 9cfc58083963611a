// Looking at what linear maps are given while a model runs: for importance matrices.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "tensor/tensor.h"

namespace tashika {

class Profiler;

namespace ops {

// While it lives, `seen` is told of every launch of `linear` on this runtime: the input (f32 [rows, in]) and the weights
// that share it. The experts of mixtures are told one by one, with the rows that chose them; their inner linear maps run
// once more for that. It takes the place of the runtime's profiler.
class WatchLinears {
 public:
  using Seen = std::function<void(const Tensor& x, std::span<const Tensor> weights)>;
  WatchLinears(Runtime& rt, Seen seen);
  ~WatchLinears();
  WatchLinears(const WatchLinears&) = delete;
  WatchLinears& operator=(const WatchLinears&) = delete;

 private:
  Runtime& rt_;
  Profiler* before_;
  std::unique_ptr<Profiler> watcher_;
};

}  // namespace ops
}  // namespace tashika
