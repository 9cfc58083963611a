#include "io/torch_file.h"

#include <map>

#include "base/error.h"
#include "base/file.h"
#include "io/pickle.h"
#include "io/zip.h"

namespace tashika {
namespace {

constexpr std::uint64_t max_pickle_bytes = 64 << 20;

std::string_view text_of(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace

std::unique_ptr<TorchFile> TorchFile::open(const std::string& path) {
  const auto file = MappedFile::open(path);
  auto out = parse(file->bytes(), file, path);
  file->check_unchanged();
  return out;
}

std::unique_ptr<TorchFile> TorchFile::parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string what) {
  if (!looks_like_zip(bytes)) {
    fail(what, ": is no file of torch.save as torch 1.6 and later write it (a ZIP archive); load it there and save it again");
  }
  std::map<std::string_view, std::span<const std::byte>> entries;
  const std::vector<ZipEntry> all = read_zip(bytes, what);
  for (const ZipEntry& e : all) {
    if (!entries.emplace(e.name, e.bytes).second) fail(what, ": entry \"", printable(e.name), "\" appears twice");
  }
  // Everything lies in one folder, whose name is the writer's choice.
  std::string folder;
  std::span<const std::byte> pickle;
  for (const auto& [name, data] : entries) {
    if (!name.ends_with("/data.pkl")) continue;
    if (!folder.empty()) fail(what, ": holds several data.pkl");
    folder = name.substr(0, name.size() - 8);
    pickle = data;
  }
  if (folder.empty()) fail(what, ": holds no data.pkl, so torch.save did not write it");
  if (pickle.size() > max_pickle_bytes) fail(what, ": data.pkl has ", pickle.size(), " bytes, more than ", max_pickle_bytes);
  if (const auto order = entries.find(folder + "byteorder"); order != entries.end() && text_of(order->second) != "little") {
    fail(what, ": was written by a big-endian machine, which is not supported");
  }

  std::unique_ptr<TorchFile> out(new TorchFile);
  out->origin_ = what;
  out->parts_.push_back({what, bytes, std::move(owner), 0});
  for (PickledTensor& t : read_pickled_tensors(pickle, what)) {
    const auto storage = entries.find(cat(folder, "data/", t.storage));
    if (storage == entries.end()) fail(what, ": tensor \"", printable(t.name), "\" lies in storage \"", printable(t.storage), "\", which is missing");
    std::uint64_t size = 0;
    const auto each = static_cast<std::uint64_t>(t.dtype->bytes);
    if (!tensor_bytes(t.shape, t.dtype, size) || storage->second.size() / each < t.elements) {
      fail(what, ": tensor \"", printable(t.name), "\": storage \"", printable(t.storage), "\" has ", storage->second.size(), " bytes, not ", t.elements, " elements of ", t.dtype->name);
    }
    const auto base = static_cast<std::uint64_t>(storage->second.data() - bytes.data());
    out->ranges_.push_back({base + t.offset * each, size});
    out->infos_.push_back({std::move(t.name), t.dtype, t.shape});
  }
  out->index_names();
  return out;
}

Metadata TorchFile::metadata() const {
  Json tensors{JsonObject{}};
  for (const WeightInfo& info : infos_) {
    JsonArray shape;
    for (const std::int64_t n : info.shape.dims()) shape.emplace_back(n);
    tensors.set(info.name, Json(std::move(shape)));
  }
  Metadata meta;
  meta.format = Metadata::Format::torch;
  meta.origin = origin_;
  meta.values.set("tensors", std::move(tensors));
  return meta;
}

}  // namespace tashika
