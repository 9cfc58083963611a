// A mix by measurement: the types of the tensors such that the mean divergence from the original, on a text of the user's,
// stays under a limit.
//
// Each tensor has a ladder of types. The divergence is taken to be near additive: what each tensor costs alone (measured
// once) and how a type's error scales give a first mix, whose total is then measured and corrected. From there, or from the
// smallest uniform type if that is smaller, tensors go down their ladders one step at a time as long as the measured
// divergence stays under the limit, until a whole round finds none that can: then no single tensor can go one type lower.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "checkpoint/gguf_form.h"
#include "compress/quality.h"
#include "compress/quantize.h"

namespace tashika {

struct SearchOptions {
  double max_kld = 0;
  const ColumnImportance* importance = nullptr;
  std::function<void(std::string_view doing, std::int64_t done, std::int64_t total)> progress;  // total 0: not known
};

struct SearchResult {
  std::vector<DType> types;       // by tensor of the form
  Quality quality;                // of the mix, against the original
  std::int64_t bytes = 0;         // of all tensors
  DType uniform;                  // the smallest type that meets the limit alone; undefined when none does
  std::int64_t uniform_bytes = 0;
  std::int64_t measurements = 0;
};

// `model` is the checkpoint's, bound; its weights are its own again when this returns. Error(input) when the original is
// quantised already.
SearchResult search_mix(const Checkpoint& checkpoint, const GgufForm& form, LanguageModel& model, std::span<const std::vector<TokenId>> chunks,
                        const SearchOptions& options, Runtime& rt);

// What a given mix costs: the same measurement without a search.
Quality measure_types(const Checkpoint& checkpoint, const GgufForm& form, LanguageModel& model, std::span<const std::vector<TokenId>> chunks,
                      std::span<const DType> types, const ColumnImportance* importance, Runtime& rt);

// The types that a tensor may be quantised to, ascending in size; the last is its own.
std::vector<DType> type_ladder(const WeightInfo& tensor);

}  // namespace tashika
