// The safetensors parser (and the one of a sharded index) on arbitrary bytes. What it accepts must survive being
// written and read again unchanged.

// links: io

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "fuzz/mutate.h"
#include "io/safetensors.h"
#include "io/safetensors_index.h"
#include "io/safetensors_write.h"

using namespace tashika;

namespace {

void require(bool ok) {
  if (!ok) __builtin_trap();
}

std::size_t index_of(const Safetensors& file, std::string_view name) {
  const WeightInfo* info = file.find(name);
  require(info != nullptr && info->name == name);
  return static_cast<std::size_t>(info - file.list().data());
}

std::string write(const Safetensors& file) {
  const std::vector<WeightInfo> order = safetensors_order(file.list());
  std::string out = safetensors_header(order, file.metadata());
  for (const WeightInfo& info : order) {
    const auto bytes = file.bytes(index_of(file, info.name));
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return out;
}

void same(const Safetensors& a, const Safetensors& b) {
  require(a.metadata() == b.metadata() && a.list().size() == b.list().size());
  for (std::size_t i = 0; i < a.list().size(); ++i) {
    const std::size_t j = index_of(b, a.list()[i].name);
    require(a.list()[i].dtype == b.list()[j].dtype && a.list()[i].shape == b.list()[j].shape);
    const auto x = a.bytes(i);
    const auto y = b.bytes(j);
    require(std::equal(x.begin(), x.end(), y.begin(), y.end()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    if (size > 0 && data[0] == '{') {  // an index; no header that we write has a length of 123 modulo 256
      const auto files = shard_files({reinterpret_cast<const char*>(data), size}, "input");
      for (const std::string& name : files) require(!name.empty() && name.find('/') == name.npos);
      return 0;
    }
    const auto file = Safetensors::parse(bytes, nullptr, "input");
    const std::string written = write(*file);
    same(*file, *Safetensors::parse(std::as_bytes(std::span(written)), nullptr, "rewritten"));
  } catch (const Error& error) {
    require(error.kind() != ErrorKind::internal);
    require(std::strncmp(error.what(), "rewritten", 9) != 0);
  }
  return 0;
}

// Changes the JSON as text and keeps the header length true most of the time: random bit flips die at the length.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max, unsigned seed) {
  return mutate_sized_header(data, size, max, seed);
}
