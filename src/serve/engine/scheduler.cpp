#include "serve/engine/scheduler.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "serve/engine/prefix_cache.h"

namespace tashika::serve {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point from, Clock::time_point to) { return std::chrono::duration<double>(to - from).count(); }

// A shared beginning shorter than this is computed rather than waited for.
constexpr std::int64_t worth_waiting = 32;
constexpr std::size_t looked_at = 64;  // waiting requests that one step considers

struct Group {
  std::shared_ptr<Work> work;
  Clock::time_point submitted, started, first;
  std::size_t left = 0;  // choices that go on
  bool over = false;
  WorkStats stats;
};

struct Job {
  std::shared_ptr<Group> group;
  std::size_t prompt = 0, choice = 0;
  std::uint64_t order = 0;
  std::unique_ptr<Sequence> sequence;  // null until it first runs
  bool kept_prompt = false;

  Work& work() const { return *group->work; }
  const std::vector<std::int32_t>& tokens() const { return work().prompts[prompt]; }
  bool writing() const { return sequence && sequence->pending() == 1; }
};
using JobRef = std::unique_ptr<Job>;

}  // namespace

struct Scheduler::Impl {
  Impl(Runtime& runtime, const SchedulerOptions& o, std::function<void(std::function<void()>)> p, Log& l)
      : rt(runtime), options(o), post(std::move(p)), log(l) {}

  void loop();
  void take_incoming();
  void drop_cancelled();
  void admit();
  bool must_wait(const Job& job) const;
  void start(Job& job);
  bool step();
  std::vector<Turn> plan(const ServedModel& model, std::vector<Job*>& jobs);
  bool make_memory(const ServedModel& model);
  void collect(const std::vector<Job*>& jobs);
  void keep_state(Job& job, std::unique_ptr<SequenceState> state);
  void fail_group(const std::shared_ptr<Group>& group, ErrorKind kind, const std::string& message);
  void deliver(std::function<void()> call) { outbox.push_back(std::move(call)); }
  void flush();
  void publish();

  Runtime& rt;
  SchedulerOptions options;
  std::function<void(std::function<void()>)> post;
  Log& log;
  SchedulerCounts counts;

  mutable std::mutex mutex;  // guards the four below
  std::condition_variable changed;
  std::deque<std::shared_ptr<Work>> incoming;
  std::deque<std::packaged_task<void()>> tasks;
  std::vector<RunningSequence> shown;
  bool stopping = false, woken = false;

  // The engine's thread alone.
  std::map<std::size_t, std::deque<JobRef>> waiting;  // by key holder
  std::vector<JobRef> running;
  std::map<const ServedModel*, PrefixCache> caches;
  std::map<const ServedModel*, double> row_seconds;  // of a prompt row, lately
  std::vector<std::function<void()>> outbox;
  std::uint64_t next_order = 0;
  const ServedModel* last_model = nullptr;
  std::thread thread;
};

void Scheduler::Impl::flush() {
  if (outbox.empty()) return;
  post([calls = std::move(outbox)] {
    for (const auto& call : calls) call();
  });
  outbox = {};
}

void Scheduler::Impl::publish() {
  std::int64_t bytes = 0, entries = 0;
  for (const auto& [model, cache] : caches) {
    bytes += model->state.pool->live_bytes();
    entries += static_cast<std::int64_t>(cache.size());
  }
  counts.state_bytes = bytes;
  counts.cache_entries = entries;
  counts.running = static_cast<std::int64_t>(running.size());
  std::vector<RunningSequence> list;
  for (const JobRef& job : running) {
    list.push_back({job->work().model->id, job->choice, static_cast<std::int64_t>(job->tokens().size()),
                    static_cast<std::int64_t>(job->sequence->tokens().size()), job->sequence->pending()});
  }
  const std::lock_guard lock(mutex);
  shown = std::move(list);
}

void Scheduler::Impl::take_incoming() {
  std::deque<std::shared_ptr<Work>> works;
  std::deque<std::packaged_task<void()>> due;
  {
    const std::lock_guard lock(mutex);
    works.swap(incoming);
    due.swap(tasks);
    woken = false;
  }
  for (auto& task : due) task();
  for (auto& work : works) {
    auto group = std::make_shared<Group>();
    group->work = work;
    group->submitted = Clock::now();
    group->left = work->prompts.size() * static_cast<std::size_t>(work->n);
    for (const auto& prompt : work->prompts) group->stats.prompt_tokens += static_cast<std::int64_t>(prompt.size());
    for (std::size_t choice = 0; choice < group->left; ++choice) {
      auto job = std::make_unique<Job>();
      job->group = group;
      job->prompt = choice / static_cast<std::size_t>(work->n);
      job->choice = choice;
      job->order = next_order++;
      waiting[work->holder].push_back(std::move(job));
    }
  }
}

void Scheduler::Impl::drop_cancelled() {
  const auto gone = [&](const JobRef& job) {
    const bool cancelled = job->work().cancelled.load(std::memory_order_relaxed);
    if (cancelled && !job->group->over) {
      job->group->over = true;
      counts.cancelled++;
    }
    return job->group->over;
  };
  for (auto it = waiting.begin(); it != waiting.end();) {
    const auto before = it->second.size();
    std::erase_if(it->second, gone);
    counts.waiting -= static_cast<std::int64_t>(before - it->second.size());
    it = it->second.empty() ? waiting.erase(it) : std::next(it);
  }
  std::erase_if(running, gone);
}

// Somebody else is just reading the same beginning: it will be there to share.
bool Scheduler::Impl::must_wait(const Job& job) const {
  if (!job.work().use_cache) return false;
  const auto most = static_cast<std::int64_t>(job.tokens().size()) - 1;
  for (const JobRef& other : running) {
    if (other->work().model != job.work().model || other->work().holder != job.work().holder || !other->work().use_cache) continue;
    const std::int64_t held = other->sequence->state().length();
    if (other->writing() || held >= most) continue;
    const std::int64_t shared = std::min(most, common_prefix(other->tokens(), job.tokens()));
    if (shared >= held + worth_waiting) return true;
  }
  return false;
}

void Scheduler::Impl::start(Job& job) {
  Work& work = job.work();
  const ServedModel& model = *work.model;
  const auto now = Clock::now();
  if (job.group->started == Clock::time_point{}) job.group->started = now;
  if (job.sequence) return;  // its state was dropped: it reads everything again
  job.sequence = std::make_unique<Sequence>(*model.network, rt, work.options, model.ends, model.tokenizer ? &*model.tokenizer : nullptr,
                                            static_cast<std::uint32_t>(job.choice % static_cast<std::size_t>(work.n)), model.state);
  job.group->stats.seed = job.sequence->seed();
  PrefixCache::Hit hit;
  if (work.use_cache) {
    hit = caches[&model].find(work.holder, job.tokens());
    const auto most = static_cast<std::int64_t>(job.tokens().size()) - 1;
    const Job* best = nullptr;
    for (const JobRef& other : running) {
      if (other.get() == &job || !other->sequence || other->work().model != work.model || other->work().holder != work.holder || !other->work().use_cache) continue;
      const SequenceState& state = other->sequence->state();
      const std::int64_t common = common_prefix(other->sequence->tokens(), job.tokens());
      const std::int64_t usable = std::min({common, most, state.length()});
      hit.common = std::max(hit.common, std::min(common, state.length()));
      if (usable > hit.length && state.can_roll_back(state.length() - usable)) {
        hit.length = usable;
        best = other.get();
      }
    }
    if (best != nullptr) {
      hit.state = best->sequence->state().fork();
      if (const std::int64_t drop = hit.state->length() - hit.length; drop > 0) hit.state->rollback(drop);
    }
    if (job.choice % static_cast<std::size_t>(work.n) == 0) {
      job.group->stats.cached_tokens += hit.length;
      if (job.prompt == 0 && hit.common <= most) job.group->stats.cache_broken_at = hit.common;
      counts.cached_tokens += hit.length;
    }
  }
  if (hit.state) {
    job.sequence->prompt(job.tokens(), std::move(hit.state));
  } else {
    job.sequence->prompt(job.tokens());
  }
  if (job.choice % static_cast<std::size_t>(work.n) == 0) counts.prompt_tokens += static_cast<std::int64_t>(job.tokens().size());
}

void Scheduler::Impl::admit() {
  while (!waiting.empty() && static_cast<std::int64_t>(running.size()) < options.sequences) {
    // The holder with the fewest running goes first, of several the one that has waited longest.
    std::map<std::size_t, std::size_t> busy;
    for (const JobRef& job : running) busy[job->work().holder]++;
    std::deque<JobRef>* queue = nullptr;
    std::size_t at = 0;
    std::pair<std::size_t, std::uint64_t> least{};
    for (auto& [holder, jobs] : waiting) {
      for (std::size_t i = 0; i < std::min(jobs.size(), looked_at); ++i) {
        if (must_wait(*jobs[i])) continue;
        const std::pair<std::size_t, std::uint64_t> rank{busy[holder], jobs[i]->order};
        if (queue == nullptr || rank < least) {
          queue = &jobs;
          at = i;
          least = rank;
        }
        break;
      }
    }
    if (queue == nullptr) return;
    JobRef job = std::move((*queue)[at]);
    queue->erase(queue->begin() + static_cast<std::ptrdiff_t>(at));
    std::erase_if(waiting, [](const auto& entry) { return entry.second.empty(); });
    counts.waiting--;
    try {
      start(*job);
      running.push_back(std::move(job));
    } catch (const Error& error) {
      fail_group(job->group, error.kind(), error.message());
    }
  }
}

void Scheduler::Impl::fail_group(const std::shared_ptr<Group>& group, ErrorKind kind, const std::string& message) {
  if (group->over) return;
  group->over = true;
  counts.failed++;
  deliver([events = group->work->events, kind, message] { events->failed(kind, message); });
}

// Rows for everyone who writes, then prompt rows for as long as the step should take.
std::vector<Turn> Scheduler::Impl::plan(const ServedModel& model, std::vector<Job*>& jobs) {
  std::vector<Turn> turns;
  std::vector<Job*> reading, chosen;
  for (Job* job : jobs) {
    if (job->work().paused && job->work().paused()) continue;
    if (job->writing()) {
      turns.push_back({job->sequence.get(), 1});
      chosen.push_back(job);
    } else {
      reading.push_back(job);
    }
  }
  const double target = turns.empty() ? options.quiet_seconds : options.busy_seconds;
  const auto known = row_seconds.find(&model);
  const double affordable = known == row_seconds.end() ? 64 : target / std::max(known->second, 1e-9);
  std::int64_t room = std::clamp(static_cast<std::int64_t>(std::min(affordable, 1e9)), std::min<std::int64_t>(16, options.chunk), options.chunk);
  const auto read = [&](Job* job, std::int64_t most) {
    std::int64_t count = std::min(job->sequence->pending(), most);
    // States that cannot go back are kept as they are one token before the prompt's end.
    const std::int64_t before_last = static_cast<std::int64_t>(job->tokens().size()) - 1 - job->sequence->state().length();
    if (!model.rolls_back && before_last > 0) count = std::min(count, before_last);
    if (count <= 0) return;
    turns.push_back({job->sequence.get(), count});
    chosen.push_back(job);
    room -= count;
  };
  if (!reading.empty()) {
    const auto oldest = std::ranges::min_element(reading, {}, [](const Job* job) { return job->order; });
    Job* first = *oldest;
    reading.erase(oldest);
    std::ranges::stable_sort(reading, {}, [](const Job* job) { return job->sequence->pending(); });
    std::int64_t shorter = 0;
    for (const Job* job : reading) {
      if (job->sequence->pending() < first->sequence->pending()) shorter += job->sequence->pending();
    }
    read(first, std::max(room / 4, room - shorter));
    for (Job* job : reading) {
      if (room <= 0) break;
      read(job, room);
    }
  }
  jobs = std::move(chosen);
  return turns;
}

// Gives up what was cached, then the youngest of the running: it goes back to wait.
bool Scheduler::Impl::make_memory(const ServedModel& model) {
  if (const auto cache = caches.find(&model); cache != caches.end() && cache->second.evict_oldest()) return true;
  Job* youngest = nullptr;
  std::size_t count = 0;
  for (const JobRef& job : running) {
    if (job->work().model.get() != &model) continue;
    ++count;
    if (youngest == nullptr || job->order > youngest->order) youngest = job.get();
  }
  if (count < 2) return false;
  counts.preempted++;
  youngest->sequence->release_state();
  const auto it = std::ranges::find_if(running, [&](const JobRef& job) { return job.get() == youngest; });
  waiting[youngest->work().holder].push_front(std::move(*it));
  running.erase(it);
  counts.waiting++;
  return true;
}

void Scheduler::Impl::keep_state(Job& job, std::unique_ptr<SequenceState> state) {
  if (!job.work().use_cache || state->length() == 0) return;
  const ServedModel& model = *job.work().model;
  caches[&model].insert(job.work().holder, job.sequence->tokens(), std::move(state), model.rolls_back);
}

void Scheduler::Impl::collect(const std::vector<Job*>& jobs) {
  const auto now = Clock::now();
  for (Job* job : jobs) {
    Group& group = *job->group;
    if (group.over) continue;
    const auto& model = *job->work().model;
    if (!model.rolls_back && !job->kept_prompt && job->sequence->state().length() == static_cast<std::int64_t>(job->tokens().size()) - 1) {
      job->kept_prompt = true;
      keep_state(*job, job->sequence->state().fork());
    }
    while (std::optional<TokenEvent> event = Generator::take(*job->sequence)) {
      if (group.first == Clock::time_point{}) group.first = now;
      group.stats.answer_tokens++;
      counts.answer_tokens++;
      deliver([events = job->work().events, choice = job->choice, token = std::move(*event)]() mutable { events->token(choice, std::move(token)); });
    }
    const Finish finish = job->sequence->finished();
    if (finish == Finish::none) continue;
    if (finish == Finish::failed) {
      fail_group(job->group, ErrorKind::internal, job->sequence->failure());
      continue;
    }
    keep_state(*job, job->sequence->release_state());
    if (--group.left == 0) {
      group.over = true;
      counts.finished++;
      group.stats.queue_seconds = seconds_between(group.submitted, group.started);
      group.stats.prompt_seconds = seconds_between(group.started, group.first);
      group.stats.answer_seconds = seconds_between(group.first, now);
      counts.queue_seconds = counts.queue_seconds + group.stats.queue_seconds;
      counts.prompt_seconds = counts.prompt_seconds + group.stats.prompt_seconds;
      deliver([events = job->work().events, stats = group.stats] { events->done(stats); });
    }
  }
  std::erase_if(running, [](const JobRef& job) { return job->group->over || job->sequence->finished() != Finish::none; });
}

// False when nothing could be computed.
bool Scheduler::Impl::step() {
  if (running.empty()) return false;
  // Models take turns.
  std::map<std::uint64_t, std::shared_ptr<ServedModel>> models;  // by the order of their oldest job
  for (const JobRef& job : running) {
    const auto& model = job->work().model;
    if (std::ranges::none_of(models, [&](const auto& entry) { return entry.second == model; })) models[job->order] = model;
  }
  std::vector<std::shared_ptr<ServedModel>> order;
  for (const auto& entry : models) order.push_back(entry.second);
  const auto last = std::ranges::find_if(order, [&](const auto& model) { return model.get() == last_model; });
  if (last != order.end()) std::ranges::rotate(order, last + 1);
  for (const auto& model : order) {
    for (;;) {
      std::vector<Job*> jobs;
      for (const JobRef& job : running) {
        if (job->work().model == model) jobs.push_back(job.get());
      }
      const std::vector<Turn> turns = plan(*model, jobs);
      if (turns.empty()) break;
      last_model = model.get();
      std::int64_t rows = 0;
      for (const Turn& turn : turns) rows += turn.tokens;
      const auto prompt_rows = rows - std::ranges::count_if(jobs, [](const Job* job) { return job->writing(); });
      const auto begin = Clock::now();
      try {
        Generator(*model->network, rt, options.chunk).step(turns);
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::limit && make_memory(*model)) continue;
        if (error.kind() == ErrorKind::cancelled) return true;
        log.write(LogLevel::error, cat("a step of ", model->id, " failed: ", error.message()));
        for (Job* job : jobs) fail_group(job->group, error.kind(), error.message());
        std::erase_if(running, [](const JobRef& job) { return job->group->over; });
        return true;
      }
      const double taken = seconds_between(begin, Clock::now());
      if (prompt_rows >= 8) {
        const double seconds = taken / static_cast<double>(rows);
        double& known = row_seconds[model.get()];
        known = known == 0 ? seconds : 0.5 * known + 0.5 * seconds;
      }
      counts.step_seconds = counts.step_seconds + taken;
      counts.steps++;
      counts.rows += rows;
      collect(jobs);
      return true;
    }
  }
  return false;
}

void Scheduler::Impl::loop() {
  for (;;) {
    take_incoming();
    drop_cancelled();
    admit();
    const bool stepped = step();
    publish();
    flush();
    std::unique_lock lock(mutex);
    if (stopping) break;
    if (stepped || woken || !incoming.empty() || !tasks.empty()) continue;
    const auto ready = [&] { return stopping || woken || !incoming.empty() || !tasks.empty(); };
    if (running.empty() && waiting.empty()) {
      changed.wait(lock, ready);
    } else {
      changed.wait_for(lock, std::chrono::milliseconds(20), ready);  // someone reads slowly
    }
  }
  running.clear();
  waiting.clear();
  caches.clear();
}

Scheduler::Scheduler(Runtime& rt, const SchedulerOptions& options, std::function<void(std::function<void()>)> post, Log& log)
    : impl_(std::make_unique<Impl>(rt, options, std::move(post), log)) {
  impl_->thread = std::thread([this] { impl_->loop(); });
}

Scheduler::~Scheduler() { stop(); }

bool Scheduler::submit(std::shared_ptr<Work> work) {
  const auto count = static_cast<std::int64_t>(work->prompts.size()) * work->n;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopping || impl_->counts.waiting + count > impl_->options.waiting) {
      impl_->counts.refused++;
      return false;
    }
    impl_->counts.waiting += count;
    impl_->incoming.push_back(std::move(work));
  }
  impl_->changed.notify_all();
  return true;
}

void Scheduler::wake() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->woken = true;
  }
  impl_->changed.notify_all();
}

void Scheduler::run_between(const std::function<void()>& work) {
  std::packaged_task<void()> task(work);
  std::future<void> done = task.get_future();
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopping) fail("the server is stopping");
    impl_->tasks.push_back(std::move(task));
  }
  impl_->changed.notify_all();
  done.get();
}

void Scheduler::forget(const ServedModel& model) {
  impl_->caches.erase(&model);
  impl_->row_seconds.erase(&model);
}

void Scheduler::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->tasks.clear();
  }
  impl_->rt.cancel();
  impl_->changed.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
  impl_->rt.clear_cancel();
}

const SchedulerCounts& Scheduler::counts() const { return impl_->counts; }

std::vector<RunningSequence> Scheduler::running() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->shown;
}

}  // namespace tashika::serve
