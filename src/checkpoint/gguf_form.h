// A checkpoint in GGUF's form: the pairs and tensors that a GGUF file of it has, whatever it is stored as.
//
// Of a GGUF file that is the file itself. Of a Hugging Face folder the family says the pairs, its own binding rules for
// GGUF, read backwards, give names and layouts, and the tokenizer's files become the vocabulary. Nothing is read before
// its rows are asked for, and one tensor at a time is enough.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "io/gguf_write.h"

namespace tashika {

// The rows of one tensor, all dimensions but the last flattened. Reading is safe from several threads.
class GgufRows {
 public:
  struct Run {
    Tensor source;            // contiguous
    std::int64_t rows = 0;
    std::int64_t heads = 0;   // above 0: each head's rows (first half, second half) become pairs of neighbours
  };

  explicit GgufRows(std::int64_t width) : width_(width) {}
  void add(Run run);

  std::int64_t width() const { return width_; }
  std::int64_t rows() const { return rows_; }
  DType dtype() const { return runs_.front().source.dtype(); }  // of the first run
  bool one_dtype() const;

  void read(std::int64_t first, std::int64_t count, float* out) const;
  // The stored bytes, where all runs have one type.
  void copy(std::int64_t first, std::int64_t count, std::byte* out) const;

 private:
  const std::byte* row(std::int64_t index, DType& dtype) const;
  std::int64_t width_, rows_ = 0;
  std::vector<Run> runs_;
};

struct GgufForm {
  GgufFields fields;
  Json facts;                       // the pairs that are no long lists, by their full keys
  std::vector<WeightInfo> tensors;  // dtype: as stored
  bool converted = false;           // from another format: what is not quantised is widened to f32, as converters do
  std::vector<std::string> notes;   // what people should know: what the file cannot say
  std::function<GgufRows(std::size_t tensor, Runtime& rt)> open;
};

// Error(input) that says what to do for a family without a GGUF form or a tokenizer that GGUF cannot hold.
// `tokenizer_pre`: how a byte-level tokenizer splits, where it cannot be found out.
GgufForm gguf_form(const Checkpoint& checkpoint, const std::string& tokenizer_pre = {});

// Which tensor of the GGUF form each parameter is, or is a part of.
struct GgufPlace {
  std::string param, tensor;
  std::int64_t expert = -1;  // of a stack
};
std::vector<GgufPlace> gguf_places(const Checkpoint& checkpoint, Module& bound);

}  // namespace tashika
