#include "train/batches.h"

#include <utility>

namespace tashika {

std::int64_t MicroBatch::tokens() const {
  std::int64_t n = 0;
  for (const TrainingRow& row : rows) n += static_cast<std::int64_t>(row.ids.size());
  return n;
}

std::int64_t MicroBatch::targets() const {
  std::int64_t n = 0;
  for (const TrainingRow& row : rows) n += row.targets();
  return n;
}

BatchStream::BatchStream(const RowSource& source, RowOrder order, const BatchOptions& options)
    : source_(source), order_(std::move(order)), options_(options) {}

TrainingRow BatchStream::read(std::int64_t position) {
  TrainingRow row = source_.row(order_.at(position));
  if (static_cast<std::int64_t>(row.ids.size()) > options_.seq_len) {
    row.ids.resize(static_cast<std::size_t>(options_.seq_len));
    row.labels.resize(row.ids.size());
  }
  return row;
}

std::vector<MicroBatch> BatchStream::next() {
  std::vector<MicroBatch> out;
  for (std::int64_t i = 0; i < options_.grad_accum; ++i) {
    MicroBatch batch;
    for (std::int64_t s = 0; s < options_.batch_size; ++s) {
      std::int64_t room = options_.seq_len;
      do {
        TrainingRow row = read(position_);
        const auto length = static_cast<std::int64_t>(row.ids.size());
        if (length > room) break;
        room -= length;
        ++position_;
        batch.rows.push_back(std::move(row));
      } while (options_.packing && room > 0);
    }
    out.push_back(std::move(batch));
  }
  return out;
}

}  // namespace tashika
