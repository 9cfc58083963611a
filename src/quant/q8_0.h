// q8_0: 32 values share one f16 scale; 8 bits each, x = d * q, q in -127..127 (-128 decodes too). 8.5 bits a weight.
//
//   bytes 0–1    d       f16
//   bytes 2–33   qs[32]  signed
//
// Source: GGUF specification, ggml_type 8.
#pragma once

#include "quant/shared/fit.h"
#include "tensor/dtype.h"

namespace tashika {
namespace quant {

struct BlockQ8_0 {
  static constexpr int size = 32;
  Half d;
  std::int8_t qs[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

inline void decode_block(const BlockQ8_0& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) dst[i] = d * static_cast<float>(block.qs[i]);
}

// Halves are rounded away from zero. At eight bits there is nothing for importance to choose.
inline void encode_block(const float* src, const float* /*importance*/, BlockQ8_0& block) {
  const float d = std::fabs(signed_extreme(src, 32)) / 127.0f;
  const float inverse = inverse_scale(d);
  block.d = store_scale(d);
  for (int i = 0; i < 32; ++i) {
    block.qs[i] = static_cast<std::int8_t>(std::clamp(std::round(src[i] * inverse), -127.0f, 127.0f));
  }
}

}  // namespace quant

inline constexpr DTypeInfo q8_0{"q8_0",
                                NumberKind::floating,
                                quant::BlockQ8_0::size,
                                sizeof(quant::BlockQ8_0),
                                8,
                                "",
                                &quant::decode_blocks<quant::BlockQ8_0>,
                                &quant::encode_blocks<quant::BlockQ8_0>};

inline constexpr WeightedEncoder weighted_q8_0{&q8_0, &quant::encode_weighted_blocks<quant::BlockQ8_0>};

}  // namespace tashika
