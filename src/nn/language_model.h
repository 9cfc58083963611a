// What every language model offers: one forward over a batch of any mix of sequences.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "nn/batch.h"
#include "nn/module.h"
#include "nn/state.h"

namespace tashika {

struct LanguageModelInfo {
  std::int64_t vocab = 0;    // rows of the embedding: ids below it are valid
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t context = 0;  // positions the model was made for; 0: no limit stated
};

class LanguageModel : public Module {
 public:
  const LanguageModelInfo& info() const { return info_; }
  // Identity for snapshots; set when the model is loaded.
  std::string fingerprint;
  // Set when the model is loaded: the checkpoint is a backbone without a head. hidden() works, forward() is an error.
  bool headless = false;

  // Logits f32 [wanted rows, vocab] of the batch, slice by slice. States are advanced. On an error the states' lengths are as
  // before. Error(input) for an id at or above the vocabulary.
  Tensor forward(Runtime& rt, std::span<const Slice> slices);
  // The rows before the head: transformers' last_hidden_state, f32 [rows, hidden].
  Tensor hidden(Runtime& rt, std::span<const Slice> slices);
  // The same, under a tape. `slices` must live until the backward pass is over.
  struct TrainingPass {
    std::vector<Tensor>* router_scores = nullptr;  // mixtures add their routers' scores, [rows, experts], layer by layer
    bool recompute = false;  // blocks keep their inputs only and run again for their gradients (Chen et al. 2016)
  };
  Tensor hidden_for_training(Runtime& rt, std::span<const Slice> slices, const TrainingPass& pass);

  // The head over such rows: hidden [n, hidden] to logits f32 [n, vocab]. Training computes it in pieces.
  Tensor logits(const Tensor& hidden);

  std::unique_ptr<SequenceState> new_state(Runtime& rt, const StateOptions& options = {}) const;

 protected:
  explicit LanguageModel(const LanguageModelInfo& info) : info_(info) {}
  // Final hidden states of all rows.
  virtual Tensor trunk(Batch& batch) = 0;
  virtual Tensor head(const Tensor& hidden) = 0;
  virtual std::unique_ptr<LayerState> new_layer_state(std::int64_t layer, std::shared_ptr<PagePool> pool,
                                                      const StateOptions& options) const = 0;
  // For models whose cached rows depend on the whole sequence's length: which of its encodings a sequence of that length
  // has. A sequence that passes from one to another is encoded anew from its tokens, once, by the next forward.
  virtual bool depends_on_length() const { return false; }
  virtual int encoding(std::int64_t /*length*/) const { return 0; }
  LanguageModelInfo info_;

 private:
  void check_tokens(std::span<const Slice> slices) const;
  void encode_anew(Runtime& rt, std::span<const Slice> slices);
  void remember(std::span<const Slice> slices) const;
};

// f32 in exact mode, else what the options say, else f16.
DType cache_dtype(const Runtime& rt, const StateOptions& options);

}  // namespace tashika
