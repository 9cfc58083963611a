// From rows to the micro-batches of an optimiser step.
#pragma once

#include <cstdint>
#include <vector>

#include "train/rows.h"

namespace tashika {

// Sequences that go through the model together. Each attends to itself alone, so nothing is padded, and packing only
// decides how many of them there are.
struct MicroBatch {
  std::vector<TrainingRow> rows;
  std::int64_t tokens() const;
  std::int64_t targets() const;
};

struct BatchOptions {
  std::int64_t batch_size = 1, grad_accum = 1, seq_len = 512;
  bool packing = false;
};

// The stream of micro-batches; its position is all the state there is.
class BatchStream {
 public:
  BatchStream(const RowSource& source, RowOrder order, const BatchOptions& options);
  // The micro-batches of the next optimiser step, rows cut to seq_len. With packing, rows are put one behind the other into
  // each of the batch_size sequences until the next one no longer fits.
  std::vector<MicroBatch> next();
  std::int64_t position() const { return position_; }  // rows read so far
  void seek(std::int64_t position) { position_ = position; }

 private:
  TrainingRow read(std::int64_t position);
  const RowSource& source_;
  RowOrder order_;
  BatchOptions options_;
  std::int64_t position_ = 0;
};

}  // namespace tashika
