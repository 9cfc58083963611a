// The loop: batches, loss and gradients, clipping, the optimiser, the record of it all.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "train/batches.h"
#include "train/lora.h"
#include "train/loss.h"
#include "train/recipe.h"
#include "train/start.h"
#include "train/state.h"

namespace tashika {

// What a step did; one line of metrics.jsonl.
struct StepRecord {
  std::int64_t step = 0;      // from 1
  double loss = 0;            // what is minimised: Σ CE / targets of the whole step, plus the router loss where there is one
  double grad_norm = 0;       // before clipping
  double lr = 0;
  std::int64_t tokens = 0;    // valid targets: what the loss is divided by
  std::int64_t input_tokens = 0;
  double tokens_per_s = 0;    // input tokens
  bool routed = false;        // then the loss is told in parts, too
  double cross_entropy = 0, router_loss = 0;
  double validation_loss = -1;  // below 0: not looked at in this step
  std::string sample;           // what data.sample was continued with; empty: not in this step
  std::string skipped;          // why there was no update; empty when there was one
  Json json() const;
};

// Everything that a recipe opens.
class Trainer {
 public:
  Trainer(const Recipe& recipe, Runtime& rt, Say say);

  // Goes on from the newest valid checkpoint in the output folder; false when there is none.
  bool resume();
  // All steps that remain; then the model, its metrics and its report are in the output folder.
  void run(const std::function<void(const StepRecord&)>& listen);

  const Progress& progress() const { return progress_; }
  std::int64_t trained_elements() const;
  std::int64_t all_elements();
  Json base_meta() const { return start_.meta.values; }

  // The next step's micro-batches, and loss and gradients of any split of them.
  std::vector<MicroBatch> next_batches() { return stream_->next(); }
  struct Evaluated {
    double loss = 0, cross_entropy = 0, router_loss = 0;
    std::int64_t tokens = 0, input_tokens = 0;
  };
  Evaluated gradients(std::span<const MicroBatch> batches);  // replaces the gradients of all trained tensors
  double validation_loss();
  // A greedy continuation of data.sample, at most 64 tokens.
  std::string sample();
  std::vector<Trained>& trained() { return trained_; }

 private:
  StepRecord step();
  void update(StepRecord& record);
  void save();
  void finish();
  RouterLoss router_loss() const;

  Recipe recipe_;
  Runtime& rt_;
  Say say_;
  StartingModel start_;
  std::vector<AdaptedLinear> maps_;
  LoraOptions lora_;
  std::vector<Trained> trained_;
  std::unique_ptr<RowSource> rows_, validation_;
  std::unique_ptr<BatchStream> stream_;
  Progress progress_;
};

// A recipe from start to end.
void train(const Recipe& recipe, Runtime& rt, const std::function<void(const StepRecord&)>& listen);

}  // namespace tashika
