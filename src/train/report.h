// report.html: what training did, as one file that needs nothing else.
#pragma once

#include <string>

#include "base/json.h"

namespace tashika {

// Reads OUT/metrics.jsonl and writes OUT/report.html: curves of the loss (and the validation loss), learning rate, gradient
// norm and throughput, and the recipe.
void write_report(const std::string& out, const Json& recipe);

}  // namespace tashika
