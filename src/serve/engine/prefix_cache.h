// States of finished prompts and answers, kept so that the next request with the same beginning need not compute it.
//
// Entries belong to one model and to the key holder that made them: nobody can tell from the time of an answer what
// others have asked.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "nn/state.h"

namespace tashika::serve {

// How many tokens two lists have in common from their start.
std::int64_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b);

class PrefixCache {
 public:
  explicit PrefixCache(std::size_t most_entries = 256) : most_(most_entries) {}

  struct Hit {
    std::unique_ptr<SequenceState> state;  // a fork, rolled back; null: nothing usable
    std::int64_t length = 0;               // tokens it holds
    std::int64_t common = 0;               // the longest common prefix that any entry had
  };
  // The state that holds most of `tokens`, at most all but the last.
  Hit find(std::size_t holder, std::span<const std::int32_t> tokens);

  // Keeps a state that holds `tokens`. Entries whose tokens it begins with go when it can roll back to them.
  void insert(std::size_t holder, std::vector<std::int32_t> tokens, std::unique_ptr<SequenceState> state, bool rolls_back);

  bool evict_oldest();  // false when empty
  void clear() { entries_.clear(); }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::size_t holder;
    std::vector<std::int32_t> tokens;
    std::unique_ptr<SequenceState> state;
  };
  std::list<Entry> entries_;  // latest used first
  std::size_t most_;
};

}  // namespace tashika::serve
