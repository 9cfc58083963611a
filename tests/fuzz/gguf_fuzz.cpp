// The GGUF parser on arbitrary bytes. What it accepts must survive being written and read again unchanged.

// links: io

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "fuzz/mutate.h"
#include "io/gguf.h"
#include "io/gguf_write.h"

using namespace tashika;

namespace {

void require(bool ok) {
  if (!ok) __builtin_trap();
}

void read_everything(const Gguf& file) {
  const Metadata metadata = file.metadata();
  require(metadata.values.as_object().size() <= file.fields().size());
  for (const GgufField& field : file.fields()) {
    require(file.field(field.key) == &field);
    if (!field.is_array) continue;
    try {
      file.texts(field.key);
    } catch (const Error&) {
    }
    try {
      file.floats(field.key);
    } catch (const Error&) {
    }
    try {
      file.integers(field.key);
    } catch (const Error&) {
    }
  }
}

std::string write(const Gguf& file) {
  GgufFields fields;
  for (const GgufField& field : file.fields()) fields.add(field);
  std::string out = gguf_header(fields, file.list());
  const std::size_t alignment = fields.alignment();
  for (std::size_t i = 0; i < file.list().size(); ++i) {
    const auto bytes = file.bytes(i);
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    out.resize((out.size() + alignment - 1) / alignment * alignment, '\0');
  }
  return out;
}

void same(const Gguf& a, const Gguf& b) {
  require(a.fields().size() == b.fields().size() && a.list().size() == b.list().size());
  for (std::size_t i = 0; i < a.fields().size(); ++i) {
    const GgufField& x = a.fields()[i];
    const GgufField& y = b.fields()[i];
    require(x.key == y.key && x.type == y.type && x.is_array == y.is_array && x.count == y.count);
    require(std::equal(x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end()));
  }
  for (std::size_t i = 0; i < a.list().size(); ++i) {
    require(a.list()[i].name == b.list()[i].name && a.list()[i].dtype == b.list()[i].dtype);
    require(a.list()[i].shape == b.list()[i].shape);
    const auto x = a.bytes(i);
    const auto y = b.bytes(i);
    require(std::equal(x.begin(), x.end(), y.begin(), y.end()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const auto file = Gguf::parse(bytes, nullptr, "input");
    read_everything(*file);
    if (file->alignment() > 4096) return 0;  // a rewrite would pad to it
    const std::string written = write(*file);
    same(*file, *Gguf::parse(std::as_bytes(std::span(written)), nullptr, "rewritten"));
  } catch (const Error& error) {
    require(error.kind() != ErrorKind::internal);
    require(std::strncmp(error.what(), "rewritten", 9) != 0);
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max, unsigned seed) {
  return mutate_binary(data, size, max, seed);
}
