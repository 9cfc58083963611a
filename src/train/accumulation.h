// Whether the way a step is split into micro-batches changes anything, shown on the user's own rows.
#pragma once

#include <string>
#include <vector>

#include "train/trainer.h"

namespace tashika {

struct SplitResult {
  std::string split;      // "2 + 2 + 3"
  double loss = 0;
  double loss_difference = 0;      // from the whole, |…|
  double gradient_difference = 0;  // ‖g − g_whole‖ / ‖g_whole‖ over all parameters
};

struct AccumulationReport {
  std::int64_t rows = 0, targets = 0;
  double loss = 0, grad_norm = 0;  // all rows as one micro-batch
  std::vector<SplitResult> splits;
  bool holds = false;  // losses within 1e-6, gradients within 1e-5
};

// Takes the rows of the recipe's next step as one micro-batch, then split by 1, by 2, by 4 and unevenly.
AccumulationReport verify_accumulation(Trainer& trainer);

}  // namespace tashika
