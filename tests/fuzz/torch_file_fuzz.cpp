// The reader of torch.save's files on arbitrary bytes: a ZIP archive, or else the pickle inside one. What it accepts must
// have tensors within the file.

// links: io

#include <span>

#include "base/error.h"
#include "io/pickle.h"
#include "io/torch_file.h"
#include "io/zip.h"

using namespace tashika;

namespace {

void require(bool ok) {
  if (!ok) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    if (!looks_like_zip(bytes)) {
      for (const PickledTensor& t : read_pickled_tensors(bytes, "input")) require(t.offset <= t.elements);
      return 0;
    }
    const auto file = TorchFile::parse(bytes, nullptr, "input");
    for (std::size_t i = 0; i < file->list().size(); ++i) {
      const auto part = file->bytes(i);
      require(part.empty() || (part.data() >= bytes.data() && part.data() + part.size() <= bytes.data() + bytes.size()));
    }
    file->metadata();
  } catch (const Error& error) {
    require(error.kind() != ErrorKind::internal);
  }
  return 0;
}
