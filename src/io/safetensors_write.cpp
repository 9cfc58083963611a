#include "io/safetensors_write.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "io/weight_table.h"

namespace tashika {

std::vector<WeightInfo> safetensors_order(std::vector<WeightInfo> tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const WeightInfo& a, const WeightInfo& b) {
    return a.dtype->bytes != b.dtype->bytes ? a.dtype->bytes > b.dtype->bytes : a.name < b.name;
  });
  return tensors;
}

std::string safetensors_header(const std::vector<WeightInfo>& tensors, const SafetensorsMetadata& metadata) {
  const auto quoted = [](const std::string& text) { return dump_json(Json(text)); };
  std::string json = "{";
  if (!metadata.empty()) {
    json += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata)
      json += cat(json.back() == '{' ? "" : ",", quoted(key), ":", quoted(value));
    json += "}";
  }
  std::uint64_t offset = 0;
  std::vector<std::string_view> names;
  for (const WeightInfo& tensor : tensors) {
    if (tensor.dtype->safetensors_name.empty()) {
      fail("safetensors has no dtype for ", tensor.dtype->name, " (tensor \"", tensor.name, "\")");
    }
    std::uint64_t bytes = 0;
    if (!tensor_bytes(tensor.shape, tensor.dtype, bytes)) fail("tensor \"", tensor.name, "\" is too large");
    json += cat(json.back() == '{' ? "" : ",", quoted(tensor.name), ":{\"dtype\":\"", tensor.dtype->safetensors_name,
                "\",\"shape\":[");
    for (int d = 0; d < tensor.shape.rank(); ++d) json += cat(d ? "," : "", tensor.shape[d]);
    json += cat("],\"data_offsets\":[", offset, ",", offset + bytes, "]}");
    offset += bytes;
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin != names.end()) fail("cannot save two tensors named \"", *twin, "\"");
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  if (json.size() > 100'000'000) fail("the header would have ", json.size(), " bytes, beyond safetensors' limit");
  const std::uint64_t length = json.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + json;
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<WeightInfo> tensors,
                                     const SafetensorsMetadata& metadata)
    : order_(safetensors_order(std::move(tensors))) {
  const std::string header = safetensors_header(order_, metadata);
  total_ = header.size();
  for (const WeightInfo& tensor : order_) {
    std::uint64_t bytes = 0;
    tensor_bytes(tensor.shape, tensor.dtype, bytes);
    total_ += bytes;
  }
  file_ = std::make_unique<DurableFile>(path);
  file_->write(header);
}

SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  file_->write(bytes);
}

void SafetensorsWriter::commit() {
  check(file_->written() == total_, "SafetensorsWriter: not exactly the planned bytes were written");
  file_->commit();
}

void save_safetensors(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                      const SafetensorsMetadata& metadata) {
  std::vector<WeightInfo> infos;
  std::map<std::string_view, const Tensor*> by_name;
  for (const auto& [name, tensor] : tensors) {
    infos.push_back({name, tensor.dtype(), tensor.shape()});
    by_name[name] = &tensor;
  }
  SafetensorsWriter writer(path, std::move(infos), metadata);
  for (const WeightInfo& info : writer.order()) writer.write(by_name.at(info.name)->bytes());
  writer.commit();
}

}  // namespace tashika
