#include "cli/rows_file.h"

#include "io/npy.h"

namespace tashika::cli {

RowsFile::RowsFile(const std::string& path, std::int64_t rows) : file_(path), rows_(rows) {}

void RowsFile::append(std::span<const float> values, std::int64_t width) {
  if (!started_) file_.write(npy_header(f32, {rows_, width}));
  started_ = true;
  file_.write(std::as_bytes(values));
}

void RowsFile::finish() { file_.commit(); }

}  // namespace tashika::cli
