// One recurrent layer at work on a batch: reads every sequence's state, shifts tokens, and stores what is new.
//
// A layer's state is some shifted rows [1, width] (what the token before was), then the state of its recurrence. Rows of
// a slice without a state start from the initial one and leave nothing behind.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backend/contract/wkv.h"
#include "nn/batch.h"

namespace tashika {

// The state of a recurrence after the steps whose inputs are `rows` (one segment), from `before`.
using RecurrentScan = std::function<Tensor(const Tensor& before, std::span<const Tensor> rows)>;

class RecurrentLayer {
 public:
  // `initial`: shifted rows and the recurrence's state, as given to new_recurrent_state.
  RecurrentLayer(Batch& batch, std::size_t layer, std::span<const Tensor> initial);

  // Every row's predecessor in its sequence; x is what the next forward shifts in. Once for each shifted row, in order.
  Tensor shift(const Tensor& x);
  bool has_states() const { return batch_.has_states(); }  // of any sequence
  // One recurrence state a segment.
  std::vector<Tensor> states() const;
  std::span<const RecurrenceSegment> segments() const { return segments_; }
  // The recurrence's new states (one a segment) and the inputs of its steps (rows of the batch).
  void finish(std::vector<Tensor> states, std::span<const Tensor> rows);
  // Gives every sequence its new state, once all is shifted and finished.
  void store();

 private:
  struct Sequence {
    SequenceState* state;  // null: none
    std::vector<Tensor> before;
  };
  Batch& batch_;
  std::size_t layer_;
  std::vector<RecurrenceSegment> segments_;  // slices without tokens are left out
  std::vector<Sequence> sequences_;          // beside segments_
  std::vector<Tensor> shifted_;
  std::vector<Tensor> states_, rows_;
};

// The state of a layer that is used as above; `scan` recomputes the recurrence after a rollback.
std::unique_ptr<LayerState> new_recurrent_state(std::vector<Tensor> initial, std::int64_t margin, RecurrentScan scan);

}  // namespace tashika
