// A batch: any mix of sequences and lengths, flattened to rows, as every language model sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "nn/rope.h"
#include "nn/state.h"

namespace tashika {

// One sequence's part of a forward.
struct Slice {
  SequenceState* state = nullptr;  // null: the tokens attend among themselves, nothing is kept (training, encoders)
  std::span<const std::int32_t> tokens;
  std::int64_t wanted = 1;  // logits of the last `wanted` rows
  // The length the sequence is on its way to, where its encoding depends on that; less than its length after this
  // forward: that length.
  std::int64_t bound_for = 0;

  std::int64_t length() const {
    const std::int64_t end = (state ? state->length() : 0) + static_cast<std::int64_t>(tokens.size());
    return end > bound_for ? end : bound_for;
  }
};

class Batch : public std::enable_shared_from_this<Batch> {
 public:
  // Prepares the states; finish() advances them once the forward is through.
  Batch(Runtime& rt, std::span<const Slice> slices);
  void finish();

  Runtime& runtime() const { return rt_; }
  std::int64_t rows() const { return rows_; }
  const Tensor& tokens() const { return tokens_; }  // i32 [rows]
  std::span<const std::int32_t> positions() const { return positions_; }
  std::span<const Slice> slices() const { return slices_; }
  std::int64_t first_row(std::size_t slice) const { return segments_[slice].row; }
  // Position of a slice's first token.
  std::int64_t start(std::size_t slice) const { return segments_[slice].position; }
  bool has_states() const { return has_states_; }

  // The pages of one layer for every slice. The layer's states must be PagedCache.
  KvAttrs kv(std::size_t layer);
  const Rope::Table& rope(const Rope& rope);

  // Set by who wants them: each mixture adds its router's scores, [rows, experts], layer by layer.
  std::vector<Tensor>* router_scores = nullptr;
  // Training: blocks keep their inputs only. The batch is then owned by a shared_ptr.
  bool recompute = false;

  // Indices of the rows whose logits are wanted, i32; undefined when all rows are.
  Tensor wanted_rows() const;
  std::int64_t wanted_count() const;

 private:
  Runtime& rt_;
  std::span<const Slice> slices_;
  std::int64_t rows_ = 0;
  bool has_states_ = false;
  std::vector<std::int32_t> positions_;
  std::vector<KvSegment> segments_;
  std::unordered_map<const Rope*, Rope::Table> ropes_;
  Tensor tokens_;
};

}  // namespace tashika
