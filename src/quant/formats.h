// The list of block formats, and lookups over plain types and formats together.
//
// The list is generated from the headers of this folder (cmake/registry.cmake): a new format is one header that
// defines a record of its own name.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "quant/shared/codec.h"
#include "tensor/dtype.h"

namespace tashika {

std::span<const DTypeInfo* const> quant_formats();

std::span<const WeightedEncoder* const> weighted_encoders();

// How the format is written when the columns' importance is known; null for types that are no block formats.
const WeightedEncoder* find_weighted_encoder(DType type);

// Null when there is none. Names are lower case ("f16", "q4_k"); a GGUF id is a ggml_type number.
DType find_dtype(std::string_view name);
DType find_gguf_dtype(std::int64_t id);
DType find_safetensors_dtype(std::string_view name);  // upper case, "BF16"

// "f32, f16, …, q4_k": the types with a GGUF id, for messages.
std::string gguf_dtype_names();

}  // namespace tashika
