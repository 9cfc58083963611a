// What a sequence carries between forwards, and the one contract every kind of it keeps.
//
//   append      a forward adds positions (prepare before it, advance after)
//   rollback    drop the last positions; runs no forward
//   fork        an independent copy that shares memory until written; runs no forward
//   snapshot    bytes with a digest; restore refuses bytes that are torn or of another model
//
// Keys and values lie in reference-counted pages of 64 positions aligned to absolute position. A
// fork shares them and copies at most the last one on write; a sliding layer gives back the pages
// wholly outside its window and the rollback margin. Recurrent layers keep the states of their
// last positions, or some of them and the steps between: tensors are values, so keeping one copies nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/contract/attention.h"
#include "tensor/runtime.h"
#include "tensor/tensor.h"

namespace tashika {

// Memory for pages, with a budget and counts that tests and plans read.
class PagePool {
 public:
  explicit PagePool(Runtime& rt, std::int64_t budget_bytes = 0) : rt_(rt), budget_(budget_bytes) {}
  Runtime& runtime() const { return rt_; }
  std::int64_t live_bytes() const { return live_; }
  std::int64_t copied_pages() const { return copied_; }

 private:
  friend class PagedCache;
  friend struct Page;
  Runtime& rt_;
  std::int64_t budget_;
  std::int64_t live_ = 0;
  std::int64_t copied_ = 0;
};

struct Page {
  Page(std::shared_ptr<PagePool> owner, std::int64_t bytes);
  ~Page();
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;
  std::shared_ptr<PagePool> pool;
  StorageRef memory;
};

class LayerState {
 public:
  virtual ~LayerState() = default;
  // Makes room for positions [length, length + count) and owns their pages alone.
  virtual void prepare(std::int64_t length, std::int64_t count) = 0;
  // The forward is through: what it left becomes the state. Without it a layer stays as it was before prepare.
  virtual void commit() {}
  virtual void rollback(std::int64_t length) = 0;
  virtual bool can_roll_back_to(std::int64_t length) const = 0;
  virtual std::unique_ptr<LayerState> fork() const = 0;
  virtual std::int64_t bytes() const = 0;  // as if nothing were shared
  virtual void save(std::int64_t length, std::vector<std::byte>& out) const = 0;
  virtual void load(std::int64_t length, std::span<const std::byte>& in) = 0;  // consumes what it reads
};

class PagedCache final : public LayerState {
 public:
  // window 0: every position is kept. `margin`: positions that rollback may drop without losing the window.
  PagedCache(std::shared_ptr<PagePool> pool, const KvLayout& layout, std::int64_t window, std::int64_t margin);

  const KvLayout& layout() const { return layout_; }
  std::int64_t window() const { return window_; }
  std::byte* const* table() const { return table_.data(); }
  std::int64_t pages_held() const;

  void prepare(std::int64_t length, std::int64_t count) override;
  void rollback(std::int64_t length) override;
  bool can_roll_back_to(std::int64_t length) const override;
  std::unique_ptr<LayerState> fork() const override;
  std::int64_t bytes() const override;
  void save(std::int64_t length, std::vector<std::byte>& out) const override;
  void load(std::int64_t length, std::span<const std::byte>& in) override;

 private:
  std::int64_t first_position() const;  // of the pages that are still held
  std::shared_ptr<PagePool> pool_;
  KvLayout layout_;
  std::int64_t window_, margin_;
  std::vector<std::shared_ptr<Page>> pages_;  // null where freed
  std::vector<std::byte*> table_;             // the same pages' memory, as kernels read it
  std::size_t freed_ = 0;                     // leading pages that the window has given back
};

// The state of a recurrent layer. What it was at each of the last `margin` positions can be had again: a small state is
// kept position by position; with a `Replay` only some are kept, with the inputs of the steps between them, and the
// one asked for is computed from the nearest before it (bit for bit the same, for a step does not depend on its company).
class RecurrentState final : public LayerState {
 public:
  // The state after `rows`, inputs of consecutive steps as they were given to push(), when it was `before` them.
  using Replay = std::function<std::vector<Tensor>(const std::vector<Tensor>& before, const std::vector<Tensor>& rows)>;

  // `initial`: the state before the first token. The states of the last `margin` + 1 positions are kept.
  RecurrentState(std::vector<Tensor> initial, std::int64_t margin, Replay replay = {});

  const std::vector<Tensor>& current() const { return history_.back().tensors; }
  // The state after `length` tokens; lengths ascend one by one or by chunks. With a Replay, `rows` are the inputs of the
  // steps since the last push, [steps, ...] each; without, only pushed lengths can be rolled back to.
  // They count from commit() on.
  void push(std::int64_t length, std::vector<Tensor> tensors, std::vector<Tensor> rows = {});

  void prepare(std::int64_t, std::int64_t) override { pushed_.clear(); }
  void commit() override;
  void rollback(std::int64_t length) override;
  bool can_roll_back_to(std::int64_t length) const override;
  std::unique_ptr<LayerState> fork() const override;
  std::int64_t bytes() const override;
  void save(std::int64_t length, std::vector<std::byte>& out) const override;
  void load(std::int64_t length, std::span<const std::byte>& in) override;

 private:
  struct Kept {
    std::int64_t length;
    std::vector<Tensor> tensors;    // empty: to be computed from those before; never for the first and the last
    std::vector<Tensor> rows = {};  // the steps that led here from the entry before
  };
  void keep(Kept next);
  void forget();
  std::vector<Tensor> initial_;
  std::deque<Kept> history_;
  std::vector<Kept> pushed_;  // one without rows, while there is a Replay, takes the place of all before it
  std::int64_t margin_;
  Replay replay_;
};

struct StateOptions {
  DType cache_dtype;                 // undefined: f32 in exact mode, f16 in fast mode
  std::int64_t margin = 128;         // positions that rollback can always drop
  std::shared_ptr<PagePool> pool;    // null: one of its own, without a budget
};

// The tokens of a sequence, for models that must encode it anew when its length passes a bound; beside its layers.
class TokenRecord final : public LayerState {
 public:
  explicit TokenRecord(StateOptions options) : options_(std::move(options)) {}

  const std::vector<std::int32_t>& tokens() const { return tokens_; }
  int encoding() const { return encoding_; }
  const StateOptions& options() const { return options_; }  // that the sequence's state was made with
  void append(std::span<const std::int32_t> tokens, int encoding);

  void prepare(std::int64_t length, std::int64_t) override { tokens_.resize(static_cast<std::size_t>(length)); }
  void rollback(std::int64_t length) override { tokens_.resize(static_cast<std::size_t>(length)); }
  bool can_roll_back_to(std::int64_t length) const override { return length >= 0; }
  std::unique_ptr<LayerState> fork() const override { return std::make_unique<TokenRecord>(*this); }
  std::int64_t bytes() const override { return static_cast<std::int64_t>(tokens_.size() * sizeof(std::int32_t)); }
  void save(std::int64_t length, std::vector<std::byte>& out) const override;
  void load(std::int64_t length, std::span<const std::byte>& in) override;

 private:
  StateOptions options_;
  std::vector<std::int32_t> tokens_;
  int encoding_ = 0;
};

class SequenceState {
 public:
  // `model`: a fingerprint of the model and of the numeric mode; restore refuses another.
  SequenceState(std::string model, std::vector<std::unique_ptr<LayerState>> layers);

  std::int64_t length() const { return length_; }
  LayerState& layer(std::size_t i) { return *layers_[i]; }
  std::size_t layer_count() const { return layers_.size(); }
  std::int64_t bytes() const;

  void prepare(std::int64_t count);
  void advance(std::int64_t count);
  // Drops the last n positions. Error(limit) when a layer no longer holds what that needs; nothing
  // changes then.
  void rollback(std::int64_t n);
  bool can_roll_back(std::int64_t n) const;
  std::unique_ptr<SequenceState> fork() const;
  std::vector<std::byte> snapshot() const;
  void restore(std::span<const std::byte> bytes);

 private:
  std::string model_;
  std::vector<std::unique_ptr<LayerState>> layers_;
  std::int64_t length_ = 0;
};

}  // namespace tashika
