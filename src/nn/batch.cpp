#include "nn/batch.h"

#include <limits>

#include "base/error.h"

namespace tashika {

Batch::Batch(Runtime& rt, std::span<const Slice> slices) : rt_(rt), slices_(slices) {
  std::vector<std::int32_t> tokens;
  for (const Slice& slice : slices) {
    const std::int64_t position = slice.state ? slice.state->length() : 0;
    const auto count = static_cast<std::int64_t>(slice.tokens.size());
    check(slice.wanted >= 0 && slice.wanted <= count, "more logits wanted than tokens given");
    check(slices.size() == 1 || (slice.state != nullptr) == (slices[0].state != nullptr), "a batch has states or has none");
    if (position + count > std::numeric_limits<std::int32_t>::max()) fail_with(ErrorKind::limit, "sequence is too long");
    segments_.push_back({rows_, count, position, nullptr});
    tokens.insert(tokens.end(), slice.tokens.begin(), slice.tokens.end());
    for (std::int64_t i = 0; i < count; ++i) positions_.push_back(static_cast<std::int32_t>(position + i));
    rows_ += count;
    has_states_ = has_states_ || slice.state != nullptr;
    if (slice.state) slice.state->prepare(count);
  }
  tokens_ = Tensor::from_host(rt, {rows_}, tokens);
}

void Batch::finish() {
  for (const Slice& slice : slices_) {
    if (slice.state) slice.state->advance(static_cast<std::int64_t>(slice.tokens.size()));
  }
}

KvAttrs Batch::kv(std::size_t layer) {
  KvLayout layout;
  for (std::size_t i = 0; i < slices_.size(); ++i) {
    const auto& cache = static_cast<const PagedCache&>(slices_[i].state->layer(layer));
    segments_[i].pages = cache.table();
    layout = cache.layout();
  }
  return {layout, segments_};
}

const Rope::Table& Batch::rope(const Rope& rope) {
  auto it = ropes_.find(&rope);
  if (it == ropes_.end()) {
    std::vector<std::int64_t> lengths;
    if (rope.depends_on_length()) {
      for (const Slice& slice : slices_) lengths.insert(lengths.end(), slice.tokens.size(), slice.length());
    }
    it = ropes_.emplace(&rope, rope.table(rt_, positions_, lengths)).first;
  }
  return it->second;
}

std::int64_t Batch::wanted_count() const {
  std::int64_t n = 0;
  for (const Slice& slice : slices_) n += slice.wanted;
  return n;
}

Tensor Batch::wanted_rows() const {
  if (wanted_count() == rows_) return {};
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < slices_.size(); ++i) {
    const std::int64_t end = segments_[i].row + segments_[i].rows;
    for (std::int64_t r = end - slices_[i].wanted; r < end; ++r) ids.push_back(static_cast<std::int32_t>(r));
  }
  return Tensor::from_host(rt_, {static_cast<std::int64_t>(ids.size())}, ids);
}

}  // namespace tashika
