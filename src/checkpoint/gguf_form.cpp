#include "checkpoint/gguf_form.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace tashika {

void GgufRows::add(Run run) {
  rows_ += run.rows;
  runs_.push_back(std::move(run));
}

bool GgufRows::one_dtype() const {
  return std::ranges::all_of(runs_, [&](const Run& run) { return run.source.dtype() == dtype(); });
}

const std::byte* GgufRows::row(std::int64_t index, DType& dtype) const {
  for (const Run& run : runs_) {
    if (index >= run.rows) {
      index -= run.rows;
      continue;
    }
    if (run.heads > 0) {
      const std::int64_t per_head = run.rows / run.heads, head = index / per_head, at = index % per_head;
      index = head * per_head + at % 2 * (per_head / 2) + at / 2;
    }
    dtype = run.source.dtype();
    return run.source.bytes().data() + index * dtype.row_bytes(width_);
  }
  fail_with(ErrorKind::internal, "GgufRows: no such row");
}

void GgufRows::read(std::int64_t first, std::int64_t count, float* out) const {
  for (std::int64_t i = first; i < first + count; ++i, out += width_) {
    DType dtype;
    const std::byte* bytes = row(i, dtype);
    dtype->decode(bytes, out, width_);
  }
}

void GgufRows::copy(std::int64_t first, std::int64_t count, std::byte* out) const {
  const std::int64_t bytes_per_row = dtype().row_bytes(width_);
  for (std::int64_t i = first; i < first + count; ++i, out += bytes_per_row) {
    DType dtype;
    std::memcpy(out, row(i, dtype), static_cast<std::size_t>(bytes_per_row));
  }
}

namespace {

GgufForm form_of_file(const Checkpoint& checkpoint) {
  GgufForm form;
  for (const GgufField& field : checkpoint.gguf->fields()) {
    if (!field.key.starts_with("split.")) form.fields.add(field);
  }
  form.facts = checkpoint.meta.values;
  form.tensors = checkpoint.weights->list();
  form.open = [weights = checkpoint.weights](std::size_t tensor, Runtime& rt) {
    const WeightInfo& info = weights->list()[tensor];
    const std::int64_t width = info.shape.rank() > 0 ? info.shape[-1] : 1;
    GgufRows rows(width);
    rows.add({weights->load(info.name, rt), width > 0 ? info.shape.numel() / width : 0, 0});
    return rows;
  };
  return form;
}

}  // namespace

GgufForm gguf_form(const Checkpoint& checkpoint) {
  if (checkpoint.weights == nullptr) fail(checkpoint.path, ": there are no weights");
  if (checkpoint.is_gguf()) return form_of_file(checkpoint);
  fail(checkpoint.path, ": only GGUF files can be quantised");
}

}  // namespace tashika
