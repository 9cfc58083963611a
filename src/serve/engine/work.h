// What the API asks of the engine, and what comes back.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "decode/generation.h"
#include "serve/engine/model.h"

namespace tashika::serve {

// How a request went, for usage and timings.
struct WorkStats {
  std::int64_t prompt_tokens = 0;  // of one prompt for each prompt, however many answers it gets
  std::int64_t cached_tokens = 0;  // of them, taken from the prefix cache
  std::int64_t answer_tokens = 0;
  double queue_seconds = 0;   // until the first forward
  double prompt_seconds = 0;  // until the first token
  double answer_seconds = 0;  // after it
  std::int64_t cache_broken_at = -1;  // the first token that the cache did not hold; -1: it held all it could
  std::uint64_t seed = 0;
};

// Where a request's events go. Called on one thread at a time, in order; each choice ends with a token whose finish is
// set. After failed() or done() nothing more comes.
class WorkEvents {
 public:
  virtual ~WorkEvents() = default;
  virtual void token(std::size_t choice, TokenEvent event) = 0;
  virtual void done(const WorkStats& stats) = 0;
  virtual void failed(ErrorKind kind, const std::string& message) = 0;
};

struct Work {
  std::shared_ptr<ServedModel> model;
  std::vector<std::vector<std::int32_t>> prompts;  // answers: choice = prompt × n + i
  int n = 1;
  GenerationOptions options;
  std::size_t holder = 0;
  bool use_cache = true;
  std::shared_ptr<WorkEvents> events;
  std::function<bool()> paused;          // the client reads too slowly: wait
  std::atomic<bool> cancelled{false};    // the client has left
};

}  // namespace tashika::serve
