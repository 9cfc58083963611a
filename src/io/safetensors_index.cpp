#include "io/safetensors_index.h"

#include <algorithm>

#include "base/error.h"

namespace tashika {

void walk_weight_map(std::string_view text, const std::string& what,
                     const std::function<void(const JsonCursor&, std::string_view, std::string_view)>& visit) {
  JsonCursor in(text, what);
  bool has_map = false;
  in.begin_object();
  while (in.next_member()) {
    if (in.key() != "weight_map") {
      in.skip_value();
      continue;
    }
    if (has_map) in.fail_here("\"weight_map\" appears twice");
    has_map = true;
    in.begin_object();
    while (in.next_member()) {
      const std::string_view file = in.string();  // does not disturb the key
      visit(in, in.key(), file);
    }
  }
  in.finish();
  if (!has_map) fail(what, ": has no \"weight_map\"");
}

std::vector<std::string> shard_files(std::string_view text, const std::string& what) {
  std::vector<std::string> files;
  walk_weight_map(text, what, [&](const JsonCursor& in, std::string_view name, std::string_view file) {
    if (std::find(files.rbegin(), files.rend(), file) != files.rend()) return;
    if (file.empty() || file == "." || file == ".." || file.find('/') != file.npos || file.find('\0') != file.npos) {
      in.fail_here(cat("weight_map: tensor \"", printable(name), "\" is said to be in \"", printable(file),
                       "\", which is no file name"));
    }
    if (files.size() == 1000) in.fail_here("weight_map: more than 1000 files");
    files.emplace_back(file);
  });
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace tashika
