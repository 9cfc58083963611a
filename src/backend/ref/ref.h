// The reference backend: scalar, double-accumulating, one plain loop an op. It is the truth that
// fast kernels are tested against, so it must stay obvious.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"

namespace tashika::ref {

std::span<const KernelFile* const> ref_kernel_files();  // generated from this folder's listing

// All elements in row-major order; block formats decode.
std::vector<double> values(const Tensor& t);
// Writes all elements, rounding to the tensor's dtype; any strides.
void store(const Tensor& t, std::span<const double> v);

}  // namespace tashika::ref

namespace tashika {

std::shared_ptr<const KernelTable> ref_kernels();

}  // namespace tashika
