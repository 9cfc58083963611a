// Mixes: which type each tensor of a file gets, for a file type such as q4_k_m.
//
// The rules are those of llama.cpp's quantiser, by the tensors' GGUF names, so that a name means the same mix here as
// there: the head and some attention and feed-forward tensors get more bits, by layer; mixtures and wide query groups
// have exceptions; a row that is no multiple of the type's block falls back to a narrower one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/weights.h"

namespace tashika {

struct MixType {
  std::string_view name;  // "q4_k_m"
  int gguf_number = 0;    // general.file_type
  std::string_view base;  // the type of most tensors: "q4_k"
};

std::span<const MixType> mix_types();
std::string mix_type_names();  // for messages
// By name in any case; "q4_k" means q4_k_m, as "q3_k" and "q5_k" do. Error that lists the names for others.
const MixType& find_mix_type(std::string_view name);

// A single type by name in any case, one that GGUF has and that can be written. Error(usage) starting with `where`.
DType find_tensor_type(std::string_view name, std::string_view where);

struct MixFacts {
  std::string architecture;  // general.architecture
  std::int64_t layers = 0, heads = 0, kv_heads = 0, experts = 0;
  bool importance = false;   // an importance matrix is there
};
// From a GGUF file's pairs, by their full names; absent ones stay 0.
MixFacts mix_facts(const Json& gguf_values);

// Whether a tensor may be quantised at all: matrices named "….weight" that are no norms, routers, positions and the like.
bool may_quantise(const WeightInfo& tensor);

// The type of each tensor, in the order given; one that may not be quantised keeps its own.
std::vector<DType> choose_types(const MixType& type, std::span<const WeightInfo> tensors, const MixFacts& facts);

// What a tensor becomes when its rows are no multiple of the type's block.
DType fit_to_width(DType type, std::int64_t width);

}  // namespace tashika
