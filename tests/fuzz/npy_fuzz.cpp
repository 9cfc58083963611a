// The .npy parser on arbitrary bytes. What it accepts must survive being written and read again unchanged.

// links: io

#include "base/error.h"
#include "io/npy.h"

using namespace tashika;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const NpyArray array = parse_npy(std::as_bytes(std::span(data, size)), "input");
    std::string written = npy_header(array.dtype, array.shape);
    written.append(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
    const NpyArray again = parse_npy(std::as_bytes(std::span(written)), "rewritten");
    if (again.dtype != array.dtype || !(again.shape == array.shape) || again.bytes != array.bytes) __builtin_trap();
    if (array.floats().size() != static_cast<std::size_t>(array.shape.numel())) __builtin_trap();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal || error.message().starts_with("rewritten")) __builtin_trap();
  }
  return 0;
}
