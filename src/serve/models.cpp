#include <algorithm>

#include "base/error.h"
#include "base/terminal.h"
#include "decode/plan.h"
#include "serve/service.h"

namespace tashika::serve {

ModelStore::ModelStore(std::vector<ModelEntry> entries, Runtime& rt, const Limits& limits, Log& log)
    : entries_(std::move(entries)), rt_(rt), limits_(limits), log_(log) {}

const ModelEntry* ModelStore::find(std::string_view id) const {
  const auto named = [&](std::string_view name) -> const ModelEntry* {
    for (const ModelEntry& entry : entries_) {
      if (entry.id == name) return &entry;
    }
    return nullptr;
  };
  const ModelEntry* found = named(id);
  if (found == nullptr && id.ends_with(":latest")) found = named(id.substr(0, id.size() - 7));
  return found;
}

std::shared_ptr<ServedModel> ModelStore::loaded(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& model : loaded_) {
    if (model->id == id) return model;
  }
  return nullptr;
}

std::vector<std::shared_ptr<ServedModel>> ModelStore::all_loaded() const {
  const std::lock_guard lock(mutex_);
  return loaded_;
}

std::shared_ptr<ServedModel> ModelStore::get(std::string_view id, Scheduler& scheduler) {
  const ModelEntry* entry = id.empty() ? &entries_.front() : find(id);
  if (entry == nullptr) {
    std::string list;
    for (const ModelEntry& known : entries_) list += cat(list.empty() ? "" : ", ", known.id);
    throw ApiError(404, cat("the model \"", printable(id), "\" is not loaded here; there is: ", list), "model", "model_not_found");
  }
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::ranges::find_if(loaded_, [&](const auto& model) { return model->id == entry->id; });
    if (at != loaded_.end()) {
      std::rotate(at, at + 1, loaded_.end());
      return loaded_.back();
    }
  }
  return load(*entry, scheduler);
}

// Runs between two steps of the engine, so that nothing else computes meanwhile.
std::shared_ptr<ServedModel> ModelStore::load(const ModelEntry& entry, Scheduler& scheduler) {
  std::shared_ptr<ServedModel> out;
  scheduler.run_between([&] {
    if ((out = loaded(entry.id)) != nullptr) return;  // another request was faster
    PlanOptions plan;
    plan.context = 64;
    plan.chunk = 64;
    const MemoryPlan needed = plan_memory(open_checkpoint(entry.path), plan);
    const std::int64_t fixed = needed.weights + needed.copies + needed.program;
    const std::int64_t limit = limits_.memory > 0 ? limits_.memory : usable_memory_bytes() / 10 * 9;
    // The largest forward holds about so much besides: of 64 rows the plan says it, it grows with the rows.
    const std::int64_t work = needed.work * std::max<std::int64_t>(1, std::max(limits_.chunk, limits_.sequences) / 64);
    for (;;) {
      std::int64_t used = 0;
      const auto others = all_loaded();
      for (const auto& model : others) used += model->footprint;
      const std::int64_t left = limit - used - fixed - work;
      // Of several models each takes half of what is left.
      std::int64_t wanted = entries_.size() > 1 ? left / 2 : left;
      if (limits_.state_budget > 0) wanted = std::min(wanted, limits_.state_budget);
      if (wanted > 0) {
        try {
          out = open_model(entry.id, entry.path, rt_, limits_.context, wanted);
          out->footprint = fixed + work + out->state_budget;
          break;
        } catch (const Error& error) {
          if (error.kind() != ErrorKind::limit || others.empty()) throw;
        }
      }
      if (others.empty()) {
        fail_with(ErrorKind::limit, cat("the model \"", entry.id, "\" needs ", fixed + work, " bytes beside its sequences, more than --max-memory ", limit));
      }
      const auto idle = std::ranges::find_if(others, [](const auto& model) { return model.use_count() <= 2; });
      if (idle == others.end()) {
        ApiError busy(503, cat("no memory for the model \"", entry.id, "\" while others are in use; try again later"), "model", "overloaded");
        busy.headers.emplace_back("Retry-After", "5");
        throw busy;
      }
      log_.write(LogLevel::info, cat("unloading ", (*idle)->id));
      scheduler.forget(**idle);
      const std::lock_guard lock(mutex_);
      std::erase(loaded_, *idle);
    }
    log_.write(LogLevel::info, cat("loaded ", entry.id, ", context ", out->context));
    const std::lock_guard lock(mutex_);
    loaded_.push_back(out);
  });
  return out;
}

}  // namespace tashika::serve
