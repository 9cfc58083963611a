// Where the rows (the last dimension) of a tensor begin.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/cpu/walk.h"

namespace tashika::cpu {

class Rows {
 public:
  explicit Rows(const Tensor& t) : t_(t), n_(t.rank() > 0 ? t.size(-1) : 1), count_(n_ > 0 ? t.numel() / n_ : 0) {
    const int last = t.rank() - 2;
    even_ = last >= 0 ? t.strides()[last] : 0;
    std::int64_t step = even_;
    for (int d = last; d >= 0; --d) {
      if (t.size(d) != 1 && t.strides()[d] != step) uniform_ = false;
      step *= t.size(d);
    }
  }
  std::int64_t n() const { return n_; }
  std::int64_t count() const { return count_; }
  std::int64_t stride() const { return t_.rank() > 0 ? t_.strides()[-1] : 1; }
  bool direct() const { return t_.dtype() == f32 && (stride() == 1 || n_ == 1); }
  const Tensor& tensor() const { return t_; }

  std::byte* at(std::int64_t row) const {
    std::int64_t offset = row * even_;
    if (!uniform_) {
      offset = 0;
      for (int d = t_.rank() - 2; d >= 0; --d) {
        offset += row % t_.size(d) * t_.strides()[d];
        row /= t_.size(d);
      }
    }
    return t_.data() + t_.dtype().row_bytes(offset);
  }
  // A row as f32: where it lies, or decoded into `buffer` of n().
  const float* read(const ElementwiseFns& fns, std::int64_t row, float* buffer) const {
    return read_f32(fns, t_.dtype(), at(row), stride(), n_, buffer);
  }

 private:
  const Tensor& t_;
  std::int64_t n_, count_;
  std::int64_t even_ = 0;
  bool uniform_ = true;
};

// A small tensor (a norm's weight) as contiguous f32: where it lies, or in scratch memory. Null when undefined.
class Vector {
 public:
  Vector(const Call& call, const Tensor& t) {
    if (!t.defined()) return;
    const Rows rows(t);
    if (rows.direct()) {
      data_ = t.as<float>();
      return;
    }
    scratch_ = call.rt.allocate(rows.n() * static_cast<std::int64_t>(sizeof(float)));
    auto* buffer = reinterpret_cast<float*>(scratch_->data());
    data_ = rows.read(elementwise_fns(isa_of(call)), 0, buffer);
  }
  const float* data() const { return data_; }

 private:
  StorageRef scratch_;
  const float* data_ = nullptr;
};

}  // namespace tashika::cpu
