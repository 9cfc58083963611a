// Writing a checkpoint as a GGUF file of another type, tensor by tensor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/gguf_form.h"
#include "compress/mix.h"

namespace tashika {

// How much the columns of matrices matter: by tensor name, the mean squares of what each column is multiplied by; of a
// stack of experts one row of columns after the other.
using ColumnImportance = std::map<std::string, std::vector<float>, std::less<>>;

struct QuantizeOptions {
  MixType type;
  bool pure = false;              // every matrix the type's base, without the mix
  bool allow_requantize = false;  // tensors that are block-quantised already may become another such type
  DType head, embedding;          // instead of what the mix says
  std::vector<std::pair<std::string, DType>> tensor_types;  // by a part of the tensor's name; the first that fits wins
  std::vector<DType> types;  // by tensor of the form, instead of all that (a mix that was searched); `type` is then a name only
  const ColumnImportance* importance = nullptr;
};

struct PlannedTensor {
  std::size_t index = 0;  // in the form
  WeightInfo info;        // as it will be written
  DType from;
  std::int64_t bytes_before = 0, bytes_after = 0;
  const std::vector<float>* importance = nullptr;
};

struct QuantizePlan {
  std::vector<PlannedTensor> tensors;
  std::int64_t bytes_before = 0, bytes_after = 0, parameters = 0;
  std::vector<std::string> narrowed;           // tensors whose rows are no multiple of the type's block
  std::vector<std::string> without_importance; // matrices to be quantised that the importance lacks
  double bits_per_weight() const;
  std::vector<DType> types() const;  // by tensor of the form
};

// The file type whose base most bytes of a mix have: what general.file_type says of a mix without a name.
const MixType& nearest_mix(const QuantizePlan& plan);

// Error(input) for a tensor that would be quantised twice, and for importance of the wrong size.
QuantizePlan plan_quantize(const GgufForm& form, const QuantizeOptions& options);

struct QuantizeProgress {
  std::size_t tensor = 0, tensors = 0;
  std::string_view name;
  std::int64_t done = 0, total = 0;  // parameters of the file
};

// `original` (contiguous, at least two dimensions) as `type`, in memory. `importance` of its columns may be null.
Tensor quantised(const Tensor& original, DType type, const float* importance, std::string_view name, Runtime& rt);

// Writes `path`: complete or not at all, the same bytes for any number of threads. Memory: a few rows a thread and a
// piece of 16 MiB. Error(input) naming tensor and row for a value that cannot be stored. Pairs are those of the form,
// with general.file_type and general.quantization_version set.
void write_quantized(const GgufForm& form, const QuantizePlan& plan, const QuantizeOptions& options, const std::string& path, Runtime& rt,
                     const std::function<void(const QuantizeProgress&)>& progress = {});

}  // namespace tashika
