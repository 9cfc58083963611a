// The scheduler: continuous batching of all requests over the engine's batch forward, on a thread of its own.
//
// A step is one forward over the running sequences of one model: a row for each that is writing, and as many prompt
// rows as keep the step short, the shortest prompts first but the oldest never left out. What a sequence computes does
// not depend on its company: the engine's forward gives a row the same bits in any batch, and random draws are keyed
// by the request alone. So dropping a state and computing it again changes nothing, and that is what happens when
// memory is short.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "serve/engine/work.h"
#include "tensor/runtime.h"

namespace tashika::serve {

struct SchedulerOptions {
  std::int64_t sequences = 32;    // running at once; more wait
  std::int64_t waiting = 4096;    // more are refused
  std::int64_t chunk = 512;       // prompt rows of one step at most
  double busy_seconds = 0.1;      // wanted length of a step while others are writing
  double quiet_seconds = 0.25;    // and while only prompts are read
};

struct SchedulerCounts {
  std::atomic<std::int64_t> running{0}, waiting{0}, finished{0}, cancelled{0}, failed{0}, refused{0}, preempted{0};
  std::atomic<std::int64_t> prompt_tokens{0}, cached_tokens{0}, answer_tokens{0}, steps{0}, rows{0};
  std::atomic<std::int64_t> state_bytes{0}, cache_entries{0};
  std::atomic<double> step_seconds{0}, queue_seconds{0}, prompt_seconds{0};
};

struct RunningSequence {
  std::string model;
  std::size_t choice;
  std::int64_t prompt_tokens, tokens, pending;
};

class Scheduler {
 public:
  // `post` runs what it is given on the thread that the events are for; events of one step are posted together.
  Scheduler(Runtime& rt, const SchedulerOptions& options, std::function<void(std::function<void()>)> post, Log& log);
  ~Scheduler();

  // From any thread. False when too many requests wait already.
  bool submit(std::shared_ptr<Work> work);
  void wake();  // a paused or cancelled request should be looked at
  // Runs `work` on the engine's thread between two steps and waits for it. An Error comes out.
  void run_between(const std::function<void()>& work);
  // Forgets what is cached of a model. On the engine's thread.
  void forget(const ServedModel& model);
  // Cancels everything and ends the thread.
  void stop();

  const SchedulerCounts& counts() const;
  std::vector<RunningSequence> running() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tashika::serve
