#include "train/accumulation.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace tashika {
namespace {

using Gradients = std::vector<std::vector<float>>;

Gradients copy_gradients(Trainer& trainer) {
  Gradients out;
  for (const Trained& t : trainer.trained()) out.push_back(t.gradient().defined() ? t.gradient().to_host() : std::vector<float>());
  return out;
}

double squares(const Gradients& g) {
  double total = 0;
  for (const auto& part : g) {
    for (const float x : part) total += static_cast<double>(x) * static_cast<double>(x);
  }
  return total;
}

double relative_difference(const Gradients& a, const Gradients& whole) {
  double total = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (std::size_t j = 0; j < std::max(whole[i].size(), a[i].size()); ++j) {
      const double x = j < a[i].size() ? static_cast<double>(a[i][j]) : 0, y = j < whole[i].size() ? static_cast<double>(whole[i][j]) : 0;
      total += (x - y) * (x - y);
    }
  }
  const double norm = squares(whole);
  return norm > 0 ? std::sqrt(total / norm) : std::sqrt(total);
}

// Sizes of the micro-batches; the last one takes what is left.
std::vector<std::size_t> sizes_of(std::size_t rows, std::size_t each) {
  std::vector<std::size_t> out;
  for (std::size_t at = 0, next = each; at < rows; at += out.back()) {
    out.push_back(std::min(each == 0 ? ++next : each, rows - at));  // each 0: 1, 2, 3, …
  }
  return out;
}

}  // namespace

AccumulationReport verify_accumulation(Trainer& trainer) {
  MicroBatch whole;
  for (MicroBatch& batch : trainer.next_batches()) {
    for (TrainingRow& row : batch.rows) whole.rows.push_back(std::move(row));
  }
  AccumulationReport report;
  report.rows = static_cast<std::int64_t>(whole.rows.size());
  report.targets = whole.targets();
  report.loss = trainer.gradients({&whole, 1}).loss;
  const Gradients expected = copy_gradients(trainer);
  report.grad_norm = std::sqrt(squares(expected));
  report.holds = true;
  for (const std::size_t each : {std::size_t{1}, std::size_t{2}, std::size_t{4}, std::size_t{0}}) {
    if (each >= whole.rows.size()) continue;
    std::vector<MicroBatch> batches;
    SplitResult result;
    std::size_t at = 0;
    const std::vector<std::size_t> sizes = sizes_of(whole.rows.size(), each);
    for (const std::size_t n : sizes) {
      batches.push_back({{whole.rows.begin() + static_cast<std::ptrdiff_t>(at), whole.rows.begin() + static_cast<std::ptrdiff_t>(at + n)}});
      at += n;
      if (batches.size() <= 8) result.split += cat(result.split.empty() ? "" : " + ", n);
    }
    if (batches.size() > 8) result.split += cat(" + … (", batches.size(), " micro-batches)");
    result.loss = trainer.gradients(batches).loss;
    result.loss_difference = std::abs(result.loss - report.loss);
    result.gradient_difference = relative_difference(copy_gradients(trainer), expected);
    report.holds = report.holds && result.loss_difference <= 1e-6 && result.gradient_difference <= 1e-5;
    report.splits.push_back(std::move(result));
  }
  return report;
}

}  // namespace tashika
