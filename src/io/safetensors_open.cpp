// Opening safetensors on the disk: one file, or the shards that an index names.
#include "base/error.h"
#include "base/file.h"
#include "io/safetensors.h"
#include "io/safetensors_index.h"

namespace tashika {

std::unique_ptr<Safetensors> Safetensors::open(const std::string& path) {
  if (!path.ends_with(".json")) {
    const auto file = MappedFile::open(path);
    auto out = parse(file->bytes(), file, path);
    file->check_unchanged();
    return out;
  }
  std::unique_ptr<Safetensors> out(new Safetensors);
  out->open_index(path);
  return out;
}

void Safetensors::open_index(const std::string& path) {
  origin_ = path;
  // Two passes: which files there are, and then, with the files open, whether each keeps what the map promises. So a
  // map of any size needs no memory beside its text.
  const std::string text = read_file(path, 100'000'000);
  std::vector<std::shared_ptr<const MappedFile>> mapped;
  for (const std::string& file : shard_files(text, path)) {
    mapped.push_back(MappedFile::open(join_path(parent_path(path), file)));
    add_part(mapped.back()->bytes(), mapped.back(), mapped.back()->path());
  }
  index_names();
  walk_weight_map(text, path, [&](const JsonCursor& in, std::string_view name, std::string_view file) {
    if (!find(name))
      in.fail_here(
          cat("weight_map promises tensor \"", printable(name), "\" in ", printable(file), ", which does not have it"));
  });
  for (const auto& file : mapped) file->check_unchanged();
}

}  // namespace tashika
