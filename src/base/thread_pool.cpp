#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

namespace tashika {
namespace {

constexpr auto spin_time = std::chrono::microseconds(200);

// Tells the core that this is a spin loop.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

struct ThreadPool::Impl {
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> done{0};  // generation this worker has finished
    std::atomic<bool> busy{false};       // ran a chunk since took_part() was asked
  };

  int threads = 1;
  std::vector<std::thread> workers;
  std::unique_ptr<Slot[]> slots;

  // The job. Written by the caller before `generation` is advanced.
  Function function = nullptr;
  const void* context = nullptr;
  std::int64_t count = 0;
  std::int64_t grain = 1;
  alignas(64) std::atomic<std::int64_t> next{0};
  alignas(64) std::atomic<std::uint64_t> generation{0};
  std::atomic<bool> stop{false};
  std::atomic<int> sleepers{0};
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<bool> grain_one{false};

  void work(int thread) {
    bool any = false;
    for (;;) {
      const std::int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= count) break;
      function(context, begin, std::min(count, begin + grain), thread);
      any = true;
    }
    if (any) slots[static_cast<std::size_t>(thread)].busy.store(true, std::memory_order_relaxed);
  }

  // The next generation after `seen`; false when the pool ends.
  bool wait_for_job(std::uint64_t seen) {
    const auto limit = std::chrono::steady_clock::now() + spin_time;
    for (int i = 0;; ++i) {
      if (generation.load(std::memory_order_acquire) != seen) return !stop.load(std::memory_order_relaxed);
      relax();
      if ((i & 63) == 63 && std::chrono::steady_clock::now() > limit) break;
    }
    std::unique_lock lock(mutex);
    sleepers.fetch_add(1);
    wake.wait(lock, [&] { return generation.load() != seen; });
    sleepers.fetch_sub(1);
    return !stop.load(std::memory_order_relaxed);
  }

  void worker(int thread) {
    std::uint64_t seen = 0;
    while (wait_for_job(seen)) {
      seen = generation.load(std::memory_order_acquire);
      work(thread);
      slots[static_cast<std::size_t>(thread)].done.store(seen, std::memory_order_release);
    }
  }

  void advance() {
    generation.fetch_add(1);  // sequentially consistent with `sleepers`: no wake-up is lost
    if (sleepers.load() > 0) {
      std::lock_guard lock(mutex);
      wake.notify_all();
    }
  }
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>()) {
  impl_->threads = std::clamp(threads, 1, 1024);
  impl_->slots = std::make_unique<Impl::Slot[]>(static_cast<std::size_t>(impl_->threads));
  for (int t = 1; t < impl_->threads; ++t) impl_->workers.emplace_back([this, t] { impl_->worker(t); });
}

ThreadPool::~ThreadPool() {
  impl_->stop.store(true);
  {
    std::lock_guard lock(impl_->mutex);
    impl_->generation.fetch_add(1);
    impl_->wake.notify_all();
  }
  for (auto& worker : impl_->workers) worker.join();
}

int ThreadPool::threads() const { return impl_->threads; }

void ThreadPool::force_grain_one(bool on) { impl_->grain_one.store(on); }

int ThreadPool::took_part() {
  int n = 0;
  for (int t = 0; t < impl_->threads; ++t) n += impl_->slots[static_cast<std::size_t>(t)].busy.exchange(false) ? 1 : 0;
  return n;
}

void ThreadPool::run(std::int64_t count, std::int64_t grain, Function function, const void* context) {
  Impl& pool = *impl_;
  if (count <= 0) return;
  grain = pool.grain_one.load(std::memory_order_relaxed) ? 1 : std::max<std::int64_t>(grain, 1);
  if (pool.threads == 1 || count <= grain) {
    for (std::int64_t begin = 0; begin < count; begin += grain) function(context, begin, std::min(count, begin + grain), 0);
    pool.slots[0].busy.store(true, std::memory_order_relaxed);
    return;
  }
  pool.function = function;
  pool.context = context;
  pool.count = count;
  pool.grain = grain;
  pool.next.store(0, std::memory_order_relaxed);
  pool.advance();
  pool.work(0);
  // Every worker passes through the generation, so none can still hold the job when it changes.
  const std::uint64_t generation = pool.generation.load(std::memory_order_relaxed);
  for (int t = 1; t < pool.threads; ++t) {
    int spins = 0;
    while (pool.slots[static_cast<std::size_t>(t)].done.load(std::memory_order_acquire) != generation) {
      relax();
      if (++spins > 20000) std::this_thread::yield();  // more threads than cores
    }
  }
}

int usable_cores() {
  cpu_set_t set;
  int cores = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = std::max(1, CPU_COUNT(&set));
  // cgroup v2 quota: "max 100000" or "150000 100000".
  if (FILE* f = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    char quota[32];
    long period = 0;
    if (std::fscanf(f, "%31s %ld", quota, &period) == 2 && quota[0] != 'm' && period > 0) {
      const double share = std::strtod(quota, nullptr) / static_cast<double>(period);
      if (share > 0) cores = std::min(cores, std::max(1, static_cast<int>(std::ceil(share))));
    }
    std::fclose(f);
  }
  return cores;
}

}  // namespace tashika
