// NumPy's .npy files: one array, C order, little-endian.
//
// Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html (versions 1 to 3)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace tashika {

struct NpyArray {
  DType dtype;  // f32, f64, f16, i8…i64, u8…u64 or bool
  Shape shape;
  std::vector<std::byte> bytes;
  std::vector<float> floats() const;  // any dtype, converted
};

// Throws for Fortran order, big-endian or structured data, and sizes that differ from what the header says.
NpyArray parse_npy(std::span<const std::byte> bytes, const std::string& what);
NpyArray read_npy(const std::string& path);

std::string npy_header(DType dtype, const Shape& shape);
// Durable. `bytes` has exactly the array's size.
void write_npy(const std::string& path, DType dtype, const Shape& shape, std::span<const std::byte> bytes);
void write_npy(const std::string& path, const Shape& shape, std::span<const float> values);

}  // namespace tashika
