// What a model computes for given tokens: logits and hidden states of every position.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "nn/language_model.h"
#include "tensor/runtime.h"

namespace tashika {

struct EvaluateOptions {
  std::int64_t chunk = 0;  // tokens of each sequence a forward; 0: 512
};

// Rows of sequence number `sequence`, f32 [count, width], in order of position.
using RowsSink = std::function<void(std::size_t sequence, std::int64_t first_position, std::span<const float> rows, std::int64_t width)>;

// Runs all sequences as one batch. Error(input) for an id out of range.
void evaluate_logits(LanguageModel& model, Runtime& rt, std::span<const std::vector<std::int32_t>> sequences, EvaluateOptions options,
                     const RowsSink& sink);
// The states before the head: transformers' last_hidden_state.
void evaluate_hidden(LanguageModel& model, Runtime& rt, std::span<const std::vector<std::int32_t>> sequences, EvaluateOptions options,
                     const RowsSink& sink);

}  // namespace tashika
