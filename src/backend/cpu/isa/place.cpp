#include "backend/cpu/isa/place.h"

#include "backend/cpu/isa/float_layout.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

static_assert(bf16_chunk == 2 * float_chunk, "both are as many words");

void place_row(const int32_t* from, int64_t words, void* packed, int64_t row, int64_t rows) {
  auto* out = static_cast<int32_t*>(packed);
  if (rows > few_rows) {
    const LaneLayout layout = LaneLayout::of(words, rows);
    const int64_t tile = row / lane_tile, width = layout.width(tile), stride = layout.lane_stride();
    int32_t* to = out + layout.at(0, tile) + row - tile * lane_tile;
    for (int64_t i = 0; i < words; i += 16, to += width) {
      for (int l = 0; l < 16; ++l) to[l * stride] = from[i + l];
    }
    return;
  }
  for (int64_t at = 0; at < words; at += float_chunk) {
    const int64_t n = words - at < float_chunk ? words - at : float_chunk;
    __builtin_memcpy(out + at * rows + row * n, from + at, (size_t)n * 4);
  }
}

}  // namespace

extern const PlaceFns place_fns;
const PlaceFns place_fns{&place_row};

}  // namespace tashika::cpu::TASHIKA_ISA_NS
