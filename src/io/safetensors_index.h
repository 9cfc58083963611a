// The index of a sharded safetensors checkpoint: {"weight_map": {TENSOR: FILE, …}, …}.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_cursor.h"

namespace tashika {

// visit(cursor at this member, tensor name, file name) for each member of the map. `what` names the text in messages.
void walk_weight_map(std::string_view text, const std::string& what,
                     const std::function<void(const JsonCursor&, std::string_view, std::string_view)>& visit);

// The files that the map names, each once, sorted. Throws when one is no plain file name (a shard lies beside its
// index, never elsewhere), or there are more than a thousand.
std::vector<std::string> shard_files(std::string_view text, const std::string& what);

}  // namespace tashika
