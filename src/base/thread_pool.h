// A pool of worker threads for fork-join work, with dynamic hand-out of chunks.
//
// Workers spin for at most 200 µs after the last job and then sleep: an idle program uses no CPU.
// A pool of one thread runs everything inline. Results must never depend on which thread took which
// chunk: kernels hand out whole output rows.
#pragma once

#include <cstdint>
#include <memory>

namespace tashika {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;  // the caller included

  // Calls body(begin, end, thread) over [0, count) in chunks of `grain` (the last may be shorter);
  // `thread` is in [0, threads()). Returns when all are done. The body must not throw. Not
  // re-entrant: one parallel_for at a time per pool.
  template <typename Body>
  void parallel_for(std::int64_t count, std::int64_t grain, const Body& body) {
    run(count, grain, [](const void* context, std::int64_t begin, std::int64_t end, int thread) {
      (*static_cast<const Body*>(context))(begin, end, thread);
    }, &body);
  }

  // Tests force chunks of one so that tiny shapes are really split; see took_part().
  void force_grain_one(bool on);
  // Threads that executed at least one chunk since the last call.
  int took_part();

 private:
  using Function = void (*)(const void* context, std::int64_t begin, std::int64_t end, int thread);
  void run(std::int64_t count, std::int64_t grain, Function function, const void* context);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Cores this process may use: affinity mask and cgroup quota respected, at least 1.
int usable_cores();

}  // namespace tashika
