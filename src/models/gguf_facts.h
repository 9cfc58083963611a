// What the decoders' files share when they say how a GGUF file of their family looks: the inverse of read_gguf_decoder.
#pragma once

#include <string_view>

#include "models/model_def.h"
#include "nn/decoder.h"

namespace tashika {

// The config of a module that dense_decoder or the like has built.
const DecoderConfig& decoder_config(const Module& module);

// Sizes, norm, rotary positions and windows under ARCH.; the tensors of rotary factors. A window that all layers share is
// written, one that only some have is an Error(input): most architectures have no place for it in GGUF.
GgufFacts gguf_decoder_facts(std::string_view arch, const DecoderConfig& c, std::string_view norm_key = "attention.layer_norm_rms_epsilon");

// Queries and keys are stored with each head's rows as pairs of neighbours.
void pair_rows(GgufFacts& facts, const DecoderConfig& c);

}  // namespace tashika
