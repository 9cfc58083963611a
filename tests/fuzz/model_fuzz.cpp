// Whole tiny models: config, binding and one token. The input is a GGUF file, or a Hugging Face folder as
// u32 length | config.json | safetensors. Everything must end in logits or in an Error.
// links: checkpoint models nn ops quant io ref
#include <cstring>

#include "backend/ref/ref.h"
#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "fuzz/mutate.h"
#include "io/gguf.h"
#include "io/safetensors.h"

using namespace tashika;

namespace {

Checkpoint open(std::span<const std::byte> bytes) {
  Checkpoint c;
  c.path = "input";
  if (bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0) {
    c.gguf = Gguf::parse(bytes, nullptr, "input");
    c.meta = c.gguf->metadata();
    c.weights = c.gguf;
    return c;
  }
  if (bytes.size() < 4) fail("too short");
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data(), 4);
  bytes = bytes.subspan(4);
  if (length > bytes.size()) fail("config longer than the input");
  c.meta.format = Metadata::Format::hf;
  c.meta.origin = "config.json";
  c.meta.values = parse_json({reinterpret_cast<const char*>(bytes.data()), length}, "config.json");
  c.weights = Safetensors::parse(bytes.subspan(length), nullptr, "model.safetensors");
  return c;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    RuntimeOptions options;
    options.threads = 1;
    options.memory_budget = 48 << 20;
    Runtime rt("ref", ref_kernels(), options);
    const Checkpoint c = open(std::as_bytes(std::span(data, size)));
    const auto model = load_language_model(c, rt);
    const auto state = model->new_state(rt);
    const std::int32_t id = 0;
    const Slice slice{state.get(), {&id, 1}, 1};
    model->forward(rt, {&slice, 1});
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::internal) __builtin_trap();  // a check of ours that the loader should have made
  }
  return 0;
}

// Half of the mutations change a number of the config and keep the rest of the file whole.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max,
                                               unsigned int seed) {
#ifndef TASHIKA_FUZZ_REPLAY
  MutationRandom random(seed);
  if (size > 8 && std::memcmp(data, "GGUF", 4) != 0 && random.below(2) == 0) {
    std::uint32_t length = 0;
    std::memcpy(&length, data, 4);
    if (length <= size - 4) {
      for (int tries = 0; tries < 64; ++tries) {
        const std::size_t at = 4 + random.below(length);
        if (data[at] < '0' || data[at] > '9') continue;
        data[at] = static_cast<std::uint8_t>('0' + random.below(10));
        return size;
      }
    }
  }
  return LLVMFuzzerMutate(data, size, max);
#else
  static_cast<void>(data), static_cast<void>(max), static_cast<void>(seed);
  return size;
#endif
}
