#include <cstring>

#include "base/error.h"
#include "backend/ref/ref.h"

namespace tashika {

std::shared_ptr<const KernelTable> ref_kernels() { return std::make_shared<const KernelTable>(ref::ref_kernel_files(), "ref"); }

namespace ref {

std::vector<double> values(const Tensor& t) {
  std::vector<double> out(static_cast<std::size_t>(t.numel()));
  if (t.dtype() == f64) {  // to_host would round
    std::size_t i = 0;
    std::vector<std::int64_t> index(static_cast<std::size_t>(t.rank()));
    for (; i < out.size(); ++i) {
      std::int64_t offset = 0;
      for (int d = 0; d < t.rank(); ++d) offset += index[static_cast<std::size_t>(d)] * t.strides()[d];
      out[i] = t.as<double>()[offset];
      for (int d = t.rank() - 1; d >= 0; --d) {
        if (++index[static_cast<std::size_t>(d)] < t.size(d)) break;
        index[static_cast<std::size_t>(d)] = 0;
      }
    }
    return out;
  }
  if (t.dtype()->kind == NumberKind::integer) {
    const std::vector<std::int64_t> v = t.to_host_int();
    out.assign(v.begin(), v.end());
    return out;
  }
  const std::vector<float> v = t.to_host();
  out.assign(v.begin(), v.end());
  return out;
}

void store(const Tensor& t, std::span<const double> v) {
  check(t.dtype()->encode != nullptr && !t.dtype().is_block(), "ref: result type cannot be written");
  std::vector<std::int64_t> index(static_cast<std::size_t>(t.rank()));
  for (const double value : v) {
    std::int64_t offset = 0;
    for (int d = 0; d < t.rank(); ++d) offset += index[static_cast<std::size_t>(d)] * t.strides()[d];
    std::byte* at = t.data() + t.dtype().row_bytes(offset);
    if (t.dtype() == f64) {
      std::memcpy(at, &value, sizeof value);
    } else if (t.dtype() == i32) {
      const auto whole = static_cast<std::int32_t>(value);
      std::memcpy(at, &whole, sizeof whole);
    } else {
      const float narrow = static_cast<float>(value);
      t.dtype()->encode(&narrow, at, 1);
    }
    for (int d = t.rank() - 1; d >= 0; --d) {
      if (++index[static_cast<std::size_t>(d)] < t.size(d)) break;
      index[static_cast<std::size_t>(d)] = 0;
    }
  }
}

}  // namespace ref
}  // namespace tashika
