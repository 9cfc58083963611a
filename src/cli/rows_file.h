// .npy files of rows that arrive piece by piece.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/file.h"

namespace tashika::cli {

// float32 [rows, width]; durable: the file appears once all rows are there.
class RowsFile {
 public:
  RowsFile(const std::string& path, std::int64_t rows);
  void append(std::span<const float> values, std::int64_t width);
  void finish();

 private:
  DurableFile file_;
  std::int64_t rows_;
  bool started_ = false;
};

}  // namespace tashika::cli
