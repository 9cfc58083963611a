#include "tensor/tensor.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "tensor/runtime.h"

namespace tashika {
namespace {

[[noreturn]] void bad(const char* what, const Tensor& t, const std::string& detail) {
  fail_with(ErrorKind::internal, cat("[", what, "] ", t.str(), ": ", detail));
}

int wrap(const char* what, const Tensor& t, int dim, int extra = 0) {
  const int rank = t.rank() + extra;
  if (dim < -rank || dim >= rank) bad(what, t, cat("no dimension ", dim));
  return dim < 0 ? dim + rank : dim;
}

// Calls f(byte offset, elements) for each innermost run of a strided tensor; runs have unit stride
// when `unit` is true of the last dimension, else they are single elements.
template <typename F>
void for_each_run(const Tensor& t, const F& f) {
  const Shape& shape = t.shape();
  const std::int64_t n = t.numel();
  if (n == 0) return;
  const int rank = t.rank();
  const bool unit = rank > 0 && (t.strides()[rank - 1] == 1 || shape[rank - 1] == 1);
  const std::int64_t run = unit ? shape[rank - 1] : 1;
  const int outer = unit ? rank - 1 : rank;
  std::array<std::int64_t, Shape::max_rank> index{};
  for (std::int64_t done = 0; done < n; done += run) {
    std::int64_t offset = 0;
    for (int d = 0; d < outer; ++d) offset += index[static_cast<std::size_t>(d)] * t.strides()[d];
    f(t.dtype().row_bytes(offset), run);
    for (int d = outer - 1; d >= 0; --d) {
      if (++index[static_cast<std::size_t>(d)] < shape[d]) break;
      index[static_cast<std::size_t>(d)] = 0;
    }
  }
}

}  // namespace

Tensor Tensor::empty(Runtime& rt, const Shape& shape, DType dtype) {
  Tensor t;
  t.dtype_ = dtype;
  t.shape_ = shape;
  t.strides_ = contiguous_strides(shape);
  if (dtype.is_block() && (shape.rank() == 0 || shape[-1] % dtype->block != 0)) {
    fail("a row of ", shape.str(), " is no whole number of ", dtype->name, " blocks of ", dtype->block);
  }
  std::int64_t bytes;
  if (__builtin_mul_overflow(shape.numel() / dtype->block, static_cast<std::int64_t>(dtype->bytes), &bytes)) {
    fail("tensor of shape ", shape.str(), " is too large");
  }
  t.storage_ = rt.allocate(bytes);
  return t;
}

Tensor Tensor::zeros(Runtime& rt, const Shape& shape, DType dtype) {
  Tensor t = empty(rt, shape, dtype);
  if (!rt.is_meta()) std::memset(t.data(), 0, static_cast<std::size_t>(t.nbytes()));
  return t;
}

Tensor Tensor::full(Runtime& rt, const Shape& shape, float value) {
  Tensor t = empty(rt, shape, f32);
  if (!rt.is_meta()) std::fill_n(t.as<float>(), t.numel(), value);
  return t;
}

Tensor Tensor::from_bytes(Runtime& rt, const Shape& shape, DType dtype, std::span<const std::byte> bytes) {
  Tensor t = empty(rt, shape, dtype);
  check(static_cast<std::int64_t>(bytes.size()) == t.nbytes(), "from_bytes: size does not match the shape");
  if (!rt.is_meta() && !bytes.empty()) std::memcpy(t.data(), bytes.data(), bytes.size());
  return t;
}

Tensor Tensor::from_host(Runtime& rt, const Shape& shape, std::span<const float> values) {
  return from_bytes(rt, shape, f32, std::as_bytes(values));
}

Tensor Tensor::from_host(Runtime& rt, const Shape& shape, std::span<const std::int32_t> values) {
  return from_bytes(rt, shape, i32, std::as_bytes(values));
}

Tensor Tensor::map(Runtime& rt, const Shape& shape, DType dtype, std::span<const std::byte> bytes,
                   std::shared_ptr<const void> owner) {
  Tensor t;
  t.dtype_ = dtype;
  t.shape_ = shape;
  t.strides_ = contiguous_strides(shape);
  if (dtype.is_block() && (shape.rank() == 0 || shape[-1] % dtype->block != 0)) {
    fail("a row of ", shape.str(), " is no whole number of ", dtype->name, " blocks of ", dtype->block);
  }
  check(static_cast<std::int64_t>(bytes.size()) == t.nbytes(), "map: size does not match the shape");
  t.storage_ = rt.adopt(const_cast<std::byte*>(bytes.data()), static_cast<std::int64_t>(bytes.size()), std::move(owner));
  return t;
}

Runtime& Tensor::runtime() const {
  check(defined(), "runtime() of an undefined tensor");
  return storage_->runtime();
}

std::int64_t Tensor::nbytes() const { return numel() / dtype_->block * dtype_->bytes; }

bool Tensor::is_contiguous() const {
  std::int64_t step = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    if (shape_[i] != 1 && strides_[i] != step) return false;
    step *= shape_[i];
  }
  return true;
}

bool Tensor::is_meta() const { return runtime().is_meta(); }

std::string Tensor::str() const { return defined() ? cat(dtype_->name, shape_.str()) : std::string("undefined"); }

Tensor Tensor::view(const Shape& shape) const {
  Shape wanted = shape;
  std::int64_t known = 1;
  int free_dim = -1;
  for (int i = 0; i < wanted.rank(); ++i) {
    if (wanted[i] == -1 && free_dim < 0) free_dim = i;
    else known *= wanted[i];
  }
  if (free_dim >= 0) wanted[free_dim] = known == 0 ? 0 : numel() / known;
  if (wanted.numel() != numel()) bad("view", *this, cat("cannot be seen as ", shape.str()));
  if (!is_contiguous()) bad("view", *this, "is not contiguous");
  if (dtype_.is_block() && (wanted.rank() == 0 || wanted[-1] % dtype_->block != 0)) bad("view", *this, "would cut a block");
  Tensor t = *this;
  t.shape_ = wanted;
  t.strides_ = contiguous_strides(wanted);
  t.grad_ = nullptr;
  return t;
}

Tensor Tensor::slice(int dim, std::int64_t begin, std::int64_t end) const {
  dim = wrap("slice", *this, dim);
  if (begin < 0 || end < begin || end > shape_[dim]) bad("slice", *this, cat("no range ", begin, "..", end, " in dimension ", dim));
  if (dtype_.is_block() && dim == rank() - 1 && (begin % dtype_->block != 0 || end % dtype_->block != 0)) bad("slice", *this, "would cut a block");
  Tensor t = *this;
  t.shape_[dim] = end - begin;
  t.offset_ += dtype_.row_bytes(begin * strides_[dim]);
  t.grad_ = nullptr;
  return t;
}

Tensor Tensor::select(int dim, std::int64_t index) const {
  dim = wrap("select", *this, dim);
  return slice(dim, index, index + 1).squeeze(dim);
}

Tensor Tensor::squeeze(int dim) const {
  dim = wrap("squeeze", *this, dim);
  if (shape_[dim] != 1) bad("squeeze", *this, cat("dimension ", dim, " is not 1"));
  if (dtype_.is_block() && dim == rank() - 1) bad("squeeze", *this, "would drop the block dimension");
  Shape shape, strides;
  for (int i = 0; i < rank(); ++i) {
    if (i == dim) continue;
    shape.push_back(shape_[i]);
    strides.push_back(strides_[i]);
  }
  Tensor t = *this;
  t.shape_ = shape;
  t.strides_ = strides;
  t.grad_ = nullptr;
  return t;
}

Tensor Tensor::unsqueeze(int dim) const {
  dim = wrap("unsqueeze", *this, dim, 1);
  if (dtype_.is_block() && dim == rank()) bad("unsqueeze", *this, "blocks lie along the last dimension");
  Shape shape, strides;
  for (int i = 0; i <= rank(); ++i) {
    if (i == dim) {
      shape.push_back(1);
      strides.push_back(1);
    }
    if (i < rank()) {
      shape.push_back(shape_[i]);
      strides.push_back(strides_[i]);
    }
  }
  Tensor t = *this;
  t.shape_ = shape;
  t.strides_ = strides;
  t.grad_ = nullptr;
  return t;
}

Tensor Tensor::permute(std::span<const int> order) const {
  if (static_cast<int>(order.size()) != rank()) bad("permute", *this, "wrong number of dimensions");
  Shape shape, strides;
  for (const int d : order) {
    shape.push_back(shape_[wrap("permute", *this, d)]);
    strides.push_back(strides_[d]);
  }
  if (dtype_.is_block() && order.back() != rank() - 1) bad("permute", *this, "blocks lie along the last dimension");
  Tensor t = *this;
  t.shape_ = shape;
  t.strides_ = strides;
  t.grad_ = nullptr;
  return t;
}

Tensor Tensor::permute(std::initializer_list<int> order) const { return permute(std::span(order.begin(), order.size())); }

Tensor Tensor::transpose(int a, int b) const {
  a = wrap("transpose", *this, a);
  b = wrap("transpose", *this, b);
  std::array<int, Shape::max_rank> order{};
  for (int i = 0; i < rank(); ++i) order[static_cast<std::size_t>(i)] = i;
  std::swap(order[static_cast<std::size_t>(a)], order[static_cast<std::size_t>(b)]);
  return permute(std::span<const int>(order.data(), static_cast<std::size_t>(rank())));
}

Tensor Tensor::expand(const Shape& shape) const {
  if (shape.rank() < rank()) bad("expand", *this, cat("to ", shape.str()));
  Tensor t = *this;
  t.shape_ = shape;
  t.strides_ = shape;
  t.grad_ = nullptr;
  const int lead = shape.rank() - rank();
  for (int i = 0; i < shape.rank(); ++i) {
    const std::int64_t own = i < lead ? 1 : shape_[i - lead];
    if (own != shape[i] && own != 1) bad("expand", *this, cat("to ", shape.str()));
    t.strides_[i] = own == 1 ? 0 : strides_[i - lead];
  }
  return t;
}

Tensor Tensor::strided(const Shape& shape, const Shape& strides, std::int64_t offset) const {
  std::int64_t last = offset;
  for (int i = 0; i < shape.rank(); ++i) last += (shape[i] - 1) * strides[i];
  if (shape.rank() != strides.rank() || offset < 0 || (shape.numel() > 0 && offset_ + dtype_.row_bytes(last) + dtype_->bytes > storage_->bytes())) {
    bad("strided", *this, cat("view ", shape.str(), " leaves the storage"));
  }
  Tensor t = *this;
  t.shape_ = shape;
  t.strides_ = strides;
  t.offset_ += dtype_.row_bytes(offset);
  t.grad_ = nullptr;
  return t;
}

std::vector<float> Tensor::to_host() const {
  if (is_meta()) bad("to_host", *this, "a meta tensor has no values");
  if (dtype_->decode == nullptr) fail("tensors of type ", dtype_->name, " can be opened but not computed with");
  std::vector<float> out(static_cast<std::size_t>(numel()));
  float* next = out.data();
  for_each_run(*this, [&](std::int64_t offset, std::int64_t n) {
    dtype_->decode(data() + offset, next, n);
    next += n;
  });
  return out;
}

std::vector<std::int64_t> Tensor::to_host_int() const {
  if (is_meta()) bad("to_host_int", *this, "a meta tensor has no values");
  std::vector<std::int64_t> out;
  out.reserve(static_cast<std::size_t>(numel()));
  const int width = dtype_->bytes;
  const bool is_signed = dtype_->name[0] == 'i';
  check(dtype_->kind != NumberKind::floating, "to_host_int of a floating tensor");
  for_each_run(*this, [&](std::int64_t offset, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, data() + offset + i * width, static_cast<std::size_t>(width));
      if (is_signed && width < 8 && (bits >> (8 * width - 1)) & 1) bits |= ~std::uint64_t{0} << (8 * width);
      out.push_back(static_cast<std::int64_t>(bits));
    }
  });
  return out;
}

float Tensor::item() const {
  check(numel() == 1, "item() of a tensor with more than one element");
  return to_host()[0];
}

std::span<const std::byte> Tensor::bytes() const {
  check(is_contiguous() && !is_meta(), "bytes() of a tensor that is not contiguous");
  return {data(), static_cast<std::size_t>(nbytes())};
}

Tensor Tensor::detach() const {
  Tensor t = *this;
  t.grad_ = nullptr;
  return t;
}

}  // namespace tashika
