// The parser behind io/gguf.h: one file's bytes to its fields and tensors.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "io/gguf.h"

namespace tashika {

struct GgufRange {  // in the file
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
};

struct GgufContents {
  std::vector<GgufField> fields;
  std::vector<WeightInfo> tensors;
  std::vector<GgufRange> ranges;  // beside tensors
  std::uint32_t alignment = 32;
};

// `what` names the bytes in messages.
GgufContents read_gguf(std::span<const std::byte> bytes, const std::string& what);

}  // namespace tashika
