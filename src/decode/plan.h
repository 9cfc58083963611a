// The memory that a model needs at a given context, known before anything is loaded.
//
// The model is built and run on a meta runtime: shapes without bytes.
#pragma once

#include <cstdint>

#include "checkpoint/checkpoint.h"
#include "tensor/runtime.h"

namespace tashika {

struct MemoryPlan {
  std::int64_t weights = 0;  // bytes of the file that computing touches
  std::int64_t copies = 0;   // weights that loading stores a second time
  std::int64_t cache = 0;    // what a sequence of that many positions carries
  std::int64_t work = 0;     // temporaries of the largest forward
  std::int64_t program = 0;  // the program itself and its tables
  std::int64_t total() const { return weights + copies + cache + work + program; }
};

struct PlanOptions {
  RuntimeOptions runtime;     // backend and numeric mode; the threads' scratch counts
  std::int64_t context = 0;   // positions filled; 0: the model's
  std::int64_t chunk = 512;   // tokens a forward
  std::int64_t batch = 1;     // sequences
};

// Checkpoint of a language model with weights; Error otherwise.
MemoryPlan plan_memory(const Checkpoint& checkpoint, const PlanOptions& options);

}  // namespace tashika
