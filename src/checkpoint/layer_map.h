// Models made of another one's layers: some left out, some twice (depth up-scaling: Kim et al. 2023; Mishra et al. 2024).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "tensor/runtime.h"

namespace tashika {

// Which layer of the source each layer of the result is.
using LayerMap = std::vector<std::int64_t>;

// Two copies, one upon the other: the first without its last `left_out` layers, the second without its first: of 52 layers
// with 8 left out, 88. Error(input) when that leaves nothing.
LayerMap depth_upscale(std::int64_t layers, std::int64_t left_out);
// "0-43,8-51": runs of layers, both ends included, or single ones. Error(input) for what is no such list or beyond `layers`.
LayerMap parse_layer_map(std::string_view text, std::int64_t layers);

// Layers of a Hugging Face folder, by the names of its tensors. Error(input) when they are not numbered from 0 without gaps.
std::int64_t count_layers(const Checkpoint& checkpoint);

// Writes the result as a Hugging Face folder: model.safetensors with the source's very bytes, the files beside it, and last
// config.json. The result is first bound to its model without data, so that a map or a source that gives none is an error
// before anything is written. Error(input) when the folder already holds a model, or the source is no such folder. `rt`: any
// that has bytes.
void write_layer_map(const Checkpoint& checkpoint, const LayerMap& map, const std::string& folder, Runtime& rt);

}  // namespace tashika
