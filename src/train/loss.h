// The loss of a language model, and its gradient: the one place that defines them.
//
// A step's loss is the sum of the cross-entropies of all its valid targets divided once by their count, whatever the
// micro-batches are: Σ_k Σ CE / Σ_k N_k. (A mean of the micro-batches' means weighs tokens of short batches more.)
// The head and the cross-entropy are computed for a few rows at a time, so logits never exist whole, and only for the rows
// that have a target.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nn/language_model.h"
#include "train/batches.h"

namespace tashika {

// The balance of a mixture's routers (Fedus et al. 2021), as transformers computes it over all layers together:
//   coefficient · E · Σ_e f_e P_e, f_e = choices of expert e / rows, P_e = mean probability of e, rows = tokens · layers.
// f and P are of the whole step, so that the loss does not depend on how it is split.
struct RouterLoss {
  double coefficient = 0;  // 0: none
  std::int64_t chosen = 0;  // experts a token
  std::vector<double> counts;  // choices of each expert in the step, all layers together
  double rows = 0;
};

struct LossOptions {
  double normaliser = 1;             // the targets of the whole step
  const RouterLoss* router = nullptr;
  bool recompute = false;  // blocks keep their inputs only
  std::int64_t logits_bytes = std::int64_t{16} << 20;  // of one piece of the logits
};

struct LossParts {
  double cross_entropy = 0;  // Σ CE of the micro-batch: not yet divided
  double router = 0;         // its share of the step's router loss
};

// Adds d(Σ CE / normaliser + router loss) to the gradients of the leaves under the model.
LossParts accumulate_gradients(LanguageModel& model, Runtime& rt, const MicroBatch& batch, const LossOptions& options);
// The loss alone.
LossParts evaluate_loss(LanguageModel& model, Runtime& rt, const MicroBatch& batch, const LossOptions& options);
// Runs the micro-batches forward and counts what their routers choose.
void count_routes(LanguageModel& model, Runtime& rt, std::span<const MicroBatch> batches, RouterLoss& router);

}  // namespace tashika
