#include "compress/quantize.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/thread_pool.h"
#include "quant/formats.h"

namespace tashika {
namespace {

constexpr std::int64_t piece_bytes = 16 << 20;

std::int64_t width_of(const WeightInfo& tensor) { return tensor.shape.rank() > 0 ? tensor.shape[-1] : 1; }
std::int64_t bytes_of(const WeightInfo& tensor) {
  const std::int64_t width = width_of(tensor);
  return width > 0 ? tensor.shape.numel() / width * tensor.dtype.row_bytes(width) : 0;
}

// Types that the caller names for some tensors; an undefined one where none does.
DType named_type(const WeightInfo& tensor, const QuantizeOptions& options) {
  for (const auto& [part, type] : options.tensor_types) {
    if (tensor.name.find(part) != std::string::npos) return type;
  }
  if (tensor.name == "output.weight") return options.head;
  if (tensor.name == "token_embd.weight") return options.embedding;
  return {};
}

// Converts one piece of a tensor's rows; the first error by row wins, so that messages do not depend on threads.
class Converter {
 public:
  // `importance`: of each expert's columns in turn, or null.
  Converter(const GgufRows& rows, const WeightInfo& to, const float* importance, ThreadPool& pool)
      : rows_(rows), to_(to), importance_(importance), pool_(pool), encoder_(to.dtype.is_block() ? find_weighted_encoder(to.dtype) : nullptr) {
    rows_per_expert_ = to.shape.rank() > 2 ? to.shape[-2] : rows.rows();
    copies_ = rows.one_dtype() && rows.dtype() == to.dtype;
    scratch_.resize(static_cast<std::size_t>(pool.threads()));
  }

  void run(std::int64_t first, std::int64_t count, std::byte* out) {
    const std::int64_t grain = std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(rows_.width(), 1));
    pool_.parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end, int thread) {
      for (std::int64_t i = begin; i < end; ++i) convert(first + i, out + i * row_bytes(), thread);
    });
    if (error_) fail_with(error_->kind(), cat(to_.name, ", row ", error_row_, ": ", error_->message()));
  }

 private:
  std::int64_t row_bytes() const { return to_.dtype.row_bytes(rows_.width()); }

  void convert(std::int64_t row, std::byte* out, int thread) noexcept {
    try {
      if (copies_) return rows_.copy(row, 1, out);
      std::vector<float>& values = scratch_[static_cast<std::size_t>(thread)];
      values.resize(static_cast<std::size_t>(rows_.width()));
      rows_.read(row, 1, values.data());
      if (encoder_ == nullptr) return to_.dtype->encode(values.data(), out, rows_.width());
      const float* importance = nullptr;
      if (importance_ != nullptr) importance = importance_ + row / rows_per_expert_ * rows_.width();
      encoder_->encode(values.data(), importance, out, rows_.width());
    } catch (const Error& error) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (error_ && error_row_ <= row) return;
      error_ = error;
      error_row_ = row;
    }
  }

  const GgufRows& rows_;
  const WeightInfo& to_;
  const float* importance_;
  ThreadPool& pool_;
  const WeightedEncoder* encoder_;
  std::int64_t rows_per_expert_ = 1;
  bool copies_;
  std::vector<std::vector<float>> scratch_;
  std::mutex mutex_;
  std::optional<Error> error_;
  std::int64_t error_row_ = 0;
};

const std::vector<float>* importance_of(const WeightInfo& tensor, const ColumnImportance& importance) {
  const auto found = importance.find(tensor.name);
  if (found == importance.end()) return nullptr;
  const std::int64_t experts = tensor.shape.rank() > 2 ? tensor.shape.numel() / (tensor.shape[-1] * tensor.shape[-2]) : 1;
  const std::int64_t expected = tensor.shape[-1] * experts;
  if (static_cast<std::int64_t>(found->second.size()) != expected) {
    // Files made with a tied head have its row under the embedding's name, or another model's.
    fail("the importance of ", tensor.name, " has ", found->second.size(), " columns, the tensor has ", expected,
         ": was it made for this model?");
  }
  return &found->second;
}

}  // namespace

double QuantizePlan::bits_per_weight() const {
  return parameters > 0 ? static_cast<double>(bytes_after) * 8.0 / static_cast<double>(parameters) : 0.0;
}

QuantizePlan plan_quantize(const GgufForm& form, const QuantizeOptions& options) {
  MixFacts facts = mix_facts(form.facts);
  facts.importance = options.importance != nullptr;
  const DType base = options.types.empty() ? find_dtype(options.type.base) : DType{};
  std::vector<DType> chosen;
  if (!options.types.empty()) {
    chosen = options.types;
  } else if (options.pure) {
    for (const WeightInfo& tensor : form.tensors) chosen.push_back(may_quantise(tensor) ? fit_to_width(base, width_of(tensor)) : tensor.dtype);
  } else {
    chosen = choose_types(options.type, form.tensors, facts);
  }
  for (std::size_t i = 0; form.converted && i < chosen.size(); ++i) {
    if (!may_quantise(form.tensors[i])) chosen[i] = f32;
  }
  QuantizePlan plan;
  for (std::size_t i = 0; i < form.tensors.size(); ++i) {
    const WeightInfo& tensor = form.tensors[i];
    PlannedTensor row{i, tensor, tensor.dtype, bytes_of(tensor), 0, nullptr};
    const bool quantises = may_quantise(tensor);
    DType to = chosen[i];
    if (const DType named = quantises && options.types.empty() ? named_type(tensor, options) : DType{}) to = fit_to_width(named, width_of(tensor));
    if (tensor.dtype.is_block() && to.is_block() && to != tensor.dtype && !options.allow_requantize) {
      fail("tensor ", tensor.name, " is ", tensor.dtype->name, " already: quantising it again, to ", to->name,
           ", adds error to error; start from an f16, bf16 or f32 file, or say --allow-requantize");
    }
    if (tensor.dtype->decode == nullptr && to != tensor.dtype) fail("tensor ", tensor.name, " has type ", tensor.dtype->name, ", which cannot be converted");
    row.info.dtype = to;
    row.bytes_after = bytes_of(row.info);
    if (quantises && options.types.empty() && base.is_block() && width_of(tensor) % base->block != 0) plan.narrowed.push_back(tensor.name);
    if (options.importance != nullptr && to.is_block()) {
      row.importance = importance_of(tensor, *options.importance);
      if (row.importance == nullptr && tensor.name != "token_embd.weight" && tensor.name != "output.weight") plan.without_importance.push_back(tensor.name);
    }
    plan.bytes_before += row.bytes_before;
    plan.bytes_after += row.bytes_after;
    plan.parameters += tensor.shape.numel();
    plan.tensors.push_back(std::move(row));
  }
  return plan;
}

std::vector<DType> QuantizePlan::types() const {
  std::vector<DType> out(tensors.size());
  for (const PlannedTensor& tensor : tensors) out[tensor.index] = tensor.info.dtype;
  return out;
}

const MixType& nearest_mix(const QuantizePlan& plan) {
  std::map<std::string_view, std::int64_t> bytes;
  for (const PlannedTensor& tensor : plan.tensors) bytes[tensor.info.dtype->name] += tensor.bytes_after;
  const MixType* best = nullptr;
  for (const MixType& type : mix_types()) {
    const auto found = bytes.find(type.base);
    if (found != bytes.end() && (best == nullptr || found->second > bytes[best->base])) best = &type;
  }
  return best != nullptr ? *best : find_mix_type("f32");
}

Tensor quantised(const Tensor& original, DType type, const float* importance, std::string_view name, Runtime& rt) {
  GgufRows rows(original.size(-1));
  rows.add({original, original.numel() / original.size(-1), 0});
  const WeightInfo to{std::string(name), type, original.shape()};
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows.rows() * type.row_bytes(rows.width())));
  Converter(rows, to, importance, rt.pool()).run(0, rows.rows(), bytes.data());
  return Tensor::from_bytes(rt, original.shape(), type, bytes);
}

void write_quantized(const GgufForm& form, const QuantizePlan& plan, const QuantizeOptions& options, const std::string& path, Runtime& rt,
                     const std::function<void(const QuantizeProgress&)>& progress) {
  GgufFields fields = form.fields;
  fields.add("general.quantization_version", std::uint32_t{2});
  fields.add("general.file_type", static_cast<std::uint32_t>(options.type.gguf_number));
  std::vector<WeightInfo> infos;
  for (const PlannedTensor& tensor : plan.tensors) infos.push_back(tensor.info);
  GgufWriter writer(path, fields, infos);
  QuantizeProgress now{0, plan.tensors.size(), {}, 0, plan.parameters};
  std::vector<std::byte> piece;
  for (const PlannedTensor& tensor : plan.tensors) {
    const GgufRows rows = form.open(tensor.index, rt);
    const std::int64_t row_bytes = tensor.info.dtype.row_bytes(rows.width());
    const std::int64_t at_once = std::max<std::int64_t>(1, piece_bytes / std::max<std::int64_t>(1, row_bytes));
    Converter converter(rows, tensor.info, tensor.importance != nullptr ? tensor.importance->data() : nullptr, rt.pool());
    now.name = tensor.info.name;
    for (std::int64_t first = 0; first < rows.rows(); first += at_once) {
      rt.throw_if_cancelled();
      if (progress) progress(now);
      const std::int64_t count = std::min(at_once, rows.rows() - first);
      piece.resize(static_cast<std::size_t>(count * row_bytes));
      converter.run(first, count, piece.data());
      writer.write(piece);
      now.done += count * rows.width();
    }
    ++now.tensor;
  }
  if (progress) progress(now);
  writer.commit();
}

}  // namespace tashika
