// Where a model's numbers and facts come from, whatever the file format: implemented in io/ (and by
// tests in memory), read by checkpoint/ and models/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tensor/tensor.h"

namespace tashika {

// Facts about a checkpoint as a JSON object. For a Hugging Face folder it is config.json; for a
// GGUF file its key-value pairs, flat, under their full keys ("ARCH.block_count"); large arrays of
// the tokenizer stay out of it. A bare PyTorch file has no facts but its tensors: {"tensors": {name: [size, …], …}}.
struct Metadata {
  enum class Format { hf, gguf, torch };
  Format format = Format::hf;
  std::string origin;  // path, for messages
  Json values;
};

struct WeightInfo {
  std::string name;  // as in the file
  DType dtype;
  Shape shape;  // outermost first, also for GGUF
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // In file order. The references stay valid for the source's life.
  virtual const std::vector<WeightInfo>& list() const = 0;
  virtual const WeightInfo* find(std::string_view name) const = 0;  // null when absent
  // A view of the mapped bytes: no copy. On a meta runtime: shape only.
  virtual Tensor load(std::string_view name, Runtime& rt) const = 0;
  virtual std::string origin() const = 0;  // path, for messages
};

}  // namespace tashika
