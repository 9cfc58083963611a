#include "train/loss.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "ops/autograd.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/norm.h"
#include "ops/training.h"

namespace tashika {
namespace {

struct Targets {
  std::vector<std::int32_t> rows, ids;  // row of the batch, and the id it should predict
};

Targets targets_of(const MicroBatch& batch) {
  Targets out;
  std::int32_t first = 0;
  for (const TrainingRow& row : batch.rows) {
    for (std::size_t i = 1; i < row.labels.size(); ++i) {
      if (row.labels[i] == ignored_label) continue;
      out.rows.push_back(first + static_cast<std::int32_t>(i) - 1);
      out.ids.push_back(row.labels[i]);
    }
    first += static_cast<std::int32_t>(row.ids.size());
  }
  return out;
}

std::vector<Slice> slices_of(const MicroBatch& batch) {
  std::vector<Slice> slices;
  for (const TrainingRow& row : batch.rows) slices.push_back({nullptr, row.ids, 0});
  return slices;
}

// Scores of all layers, one below the other.
Tensor all_scores(const std::vector<Tensor>& scores) {
  if (scores.empty()) fail("train.router_aux_loss_coef: this model has no routers");
  return scores.size() == 1 ? scores[0] : ops::concat(scores, 0);
}

void add_counts(const Tensor& scores, RouterLoss& router) {
  router.counts.resize(static_cast<std::size_t>(scores.size(1)));
  for (const std::int64_t e : ops::top_k(scores.detach(), router.chosen).ids.to_host_int()) router.counts[static_cast<std::size_t>(e)] += 1;
  router.rows += static_cast<double>(scores.size(0));
}

Tensor router_term(const Tensor& scores, const RouterLoss& router) {
  std::vector<float> factors;
  for (const double count : router.counts) {
    factors.push_back(static_cast<float>(router.coefficient * static_cast<double>(router.counts.size()) * count / router.rows / router.rows));
  }
  const Tensor weights = Tensor::from_host(scores.runtime(), {1, scores.size(1)}, factors);
  return ops::sum_all(ops::mul(ops::softmax(scores), weights));
}

LossParts run(LanguageModel& model, Runtime& rt, const MicroBatch& batch, bool gradients, const LossOptions& options) {
  const Targets targets = targets_of(batch);
  const bool routed = options.router != nullptr && options.router->coefficient > 0;
  LossParts loss;
  if (targets.rows.empty() && !routed) return loss;
  std::vector<Tensor> scores;
  const std::vector<Slice> slices = slices_of(batch);
  const Tensor hidden = model.hidden_for_training(rt, slices, {routed ? &scores : nullptr, gradients && options.recompute});
  std::vector<Tensor> outputs, grads;
  if (routed) {
    const Tensor all = all_scores(scores);
    scores.clear();
    RouterLoss own = *options.router;
    if (own.counts.empty()) add_counts(all, own);  // this batch is the whole step
    const Tensor term = router_term(all, own);
    loss.router = static_cast<double>(term.item());
    if (gradients && term.requires_grad()) {
      outputs.push_back(term);
      grads.push_back(Tensor::full(rt, term.shape(), 1.0f));
    }
  }
  const Tensor plain = hidden.detach();
  const auto count = static_cast<std::int64_t>(targets.rows.size());
  const std::int64_t piece = std::max<std::int64_t>(1, std::min(options.logits_bytes / (model.info().vocab * 4), count));
  std::vector<Tensor> parts;
  for (std::int64_t begin = 0; begin < count; begin += piece) {
    rt.throw_if_cancelled();
    const std::int64_t n = std::min(piece, count - begin);
    const auto at = static_cast<std::size_t>(begin), size = static_cast<std::size_t>(n);
    Tensor h = ops::gather_rows(plain, Tensor::from_host(rt, {n}, std::span(targets.rows).subspan(at, size)));
    if (gradients && hidden.requires_grad()) require_grad(h);
    const Tensor logits = model.logits(h);
    const ops::CrossEntropy piece_loss =
        ops::cross_entropy(logits, Tensor::from_host(rt, {n}, std::span(targets.ids).subspan(at, size)), 1.0 / options.normaliser);
    for (const float value : piece_loss.losses.to_host()) loss.cross_entropy += static_cast<double>(value);
    if (!gradients || !logits.requires_grad()) continue;
    ops::backward(logits, piece_loss.gradients);
    if (h.requires_grad()) parts.push_back(h.grad_node()->grad);
  }
  if (gradients && hidden.requires_grad() && count > 0) {
    const Tensor grad = parts.size() == 1 ? parts[0] : ops::concat(parts, 0);
    outputs.push_back(hidden);
    grads.push_back(ops::scatter_add(grad, Tensor::from_host(rt, {count}, targets.rows), hidden.size(0)));
  }
  if (!outputs.empty()) ops::backward(outputs, grads);
  return loss;
}

}  // namespace

LossParts accumulate_gradients(LanguageModel& model, Runtime& rt, const MicroBatch& batch, const LossOptions& options) {
  return run(model, rt, batch, true, options);
}

LossParts evaluate_loss(LanguageModel& model, Runtime& rt, const MicroBatch& batch, const LossOptions& options) {
  return run(model, rt, batch, false, options);
}

void count_routes(LanguageModel& model, Runtime& rt, std::span<const MicroBatch> batches, RouterLoss& router) {
  for (const MicroBatch& batch : batches) {
    std::vector<Tensor> scores;
    model.hidden_for_training(rt, slices_of(batch), {&scores, false});
    add_counts(all_scores(scores), router);
  }
}

}  // namespace tashika
