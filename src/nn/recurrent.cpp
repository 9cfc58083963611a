#include "nn/recurrent.h"

#include "base/error.h"
#include "ops/layout.h"

namespace tashika {

RecurrentLayer::RecurrentLayer(Batch& batch, std::size_t layer, std::span<const Tensor> initial) : batch_(batch), layer_(layer) {
  for (std::size_t i = 0; i < batch.slices().size(); ++i) {
    const Slice& slice = batch.slices()[i];
    if (slice.tokens.empty()) continue;
    segments_.push_back({batch.first_row(i), static_cast<std::int64_t>(slice.tokens.size())});
    if (slice.state != nullptr) sequences_.push_back({slice.state, static_cast<const RecurrentState&>(slice.state->layer(layer)).current()});
    else sequences_.push_back({nullptr, {initial.begin(), initial.end()}});
  }
}

Tensor RecurrentLayer::shift(const Tensor& x) {
  const std::size_t which = shifted_.size();
  shifted_.push_back(x);
  std::vector<Tensor> rows;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const RecurrenceSegment& s = segments_[i];
    rows.push_back(sequences_[i].before[which]);
    if (s.rows > 1) rows.push_back(ops::slice(x, 0, s.row, s.row + s.rows - 1));
  }
  return rows.empty() ? x : ops::concat(rows, 0);
}

std::vector<Tensor> RecurrentLayer::states() const {
  std::vector<Tensor> out;
  for (const Sequence& s : sequences_) out.push_back(s.before.back());
  return out;
}

void RecurrentLayer::finish(std::vector<Tensor> states, std::span<const Tensor> rows) {
  states_ = std::move(states);
  rows_.assign(rows.begin(), rows.end());
}

void RecurrentLayer::store() {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (sequences_[i].state == nullptr) continue;
    const RecurrenceSegment& s = segments_[i];
    std::vector<Tensor> now, kept;
    for (const Tensor& x : shifted_) {
      now.push_back(x.slice(0, s.row + s.rows - 1, s.row + s.rows));
      kept.push_back(x.slice(0, s.row, s.row + s.rows));
    }
    now.push_back(states_[i]);
    for (const Tensor& r : rows_) kept.push_back(r.slice(0, s.row, s.row + s.rows));
    auto& state = static_cast<RecurrentState&>(sequences_[i].state->layer(layer_));
    state.push(sequences_[i].state->length() + s.rows, std::move(now), std::move(kept));
  }
}

std::unique_ptr<LayerState> new_recurrent_state(std::vector<Tensor> initial, std::int64_t margin, RecurrentScan scan) {
  auto replay = [scan = std::move(scan)](const std::vector<Tensor>& before, const std::vector<Tensor>& rows) {
    const std::size_t shifts = before.size() - 1;
    std::vector<Tensor> out;
    for (std::size_t i = 0; i < shifts; ++i) out.push_back(rows[i].slice(0, rows[i].size(0) - 1, rows[i].size(0)));
    out.push_back(scan(before.back(), std::span(rows).subspan(shifts)));
    return out;
  };
  return std::make_unique<RecurrentState>(std::move(initial), margin, std::move(replay));
}

}  // namespace tashika
