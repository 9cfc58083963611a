// What every encoder offers: hidden states of whole sequences, all positions of which are known at once.
#pragma once

#include <cstdint>
#include <span>

#include "nn/batch.h"
#include "nn/module.h"
#include "ops/attention.h"

namespace tashika {

struct EncoderInfo {
  std::int64_t vocab = 0;   // rows of the embedding: ids below it are valid
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t context = 0;  // most tokens of a sequence; 0: no limit
};

class Encoder : public Module {
 public:
  struct Output {
    Tensor hidden;  // f32 [tokens, hidden], sequence after sequence: transformers' last_hidden_state
    Tensor pooled;  // f32 [sequences, width] where the model has such an output (pooler_output, text_embeds); else undefined
  };

  const EncoderInfo& info() const { return info_; }
  virtual bool has_pooled() const { return false; }
  // Whether that output is what stands for a text, where nothing beside the checkpoint says otherwise.
  virtual bool pools_texts() const { return false; }

  // Encodes the sequences as one batch, without padding; each result is that of its sequence alone. With `pooled` also the
  // pooled output; Error when the model has none. Error for an empty sequence, one longer than the context, or an id at or
  // above the vocabulary.
  Output encode(Runtime& rt, std::span<const std::span<const std::int32_t>> sequences, bool pooled = false);

 protected:
  explicit Encoder(const EncoderInfo& info) : info_(info) {}
  virtual Tensor trunk(Batch& batch) = 0;
  virtual Tensor pool(Batch& batch, const Tensor& hidden);
  EncoderInfo info_;
};

// Rows of a batch's hidden states, one for each sequence: at(slice) counts from the sequence's first.
Tensor pick_rows(Batch& batch, const Tensor& hidden, std::span<const std::int64_t> at);

// Relative positions in buckets (Raffel et al. 2020, section 2.1): exact ones near, logarithmic ones up to `far`, in both directions.
struct RelativeBuckets {
  std::int64_t count = 32;  // of both directions together
  std::int64_t far = 128;
  // Bucket of a key `distance` positions after the query.
  std::int32_t bucket(std::int64_t distance) const;
  // weight [count, heads] spread over the distances in sequences of up to `longest` positions.
  ops::DistanceBias bias(const Tensor& weight, std::int64_t longest) const;
};
std::int64_t longest_sequence(const Batch& batch);

}  // namespace tashika
