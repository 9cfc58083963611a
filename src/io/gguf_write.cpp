#include "io/gguf_write.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "base/error.h"
#include "base/file.h"

namespace tashika {

namespace {

template <typename T>
constexpr GgufType type_of() {
  if constexpr (std::is_same_v<T, bool>)
    return GgufType::truth;
  else if constexpr (std::is_same_v<T, float>)
    return GgufType::float32;
  else if constexpr (std::is_same_v<T, double>)
    return GgufType::float64;
  else if constexpr (sizeof(T) == 1)
    return std::is_signed_v<T> ? GgufType::int8 : GgufType::uint8;
  else if constexpr (sizeof(T) == 2)
    return std::is_signed_v<T> ? GgufType::int16 : GgufType::uint16;
  else if constexpr (sizeof(T) == 4)
    return std::is_signed_v<T> ? GgufType::int32 : GgufType::uint32;
  else
    return std::is_signed_v<T> ? GgufType::int64 : GgufType::uint64;
}

template <typename T>
void append_value(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_text(std::string& out, std::string_view text) {
  append_value<std::uint64_t>(out, text.size());
  out.append(text);
}

void append_type(std::string& out, GgufType type) {
  append_value(out, static_cast<std::uint32_t>(type));
}

std::uint64_t padding(std::uint64_t size, std::uint64_t alignment) {
  return (alignment - size % alignment) % alignment;
}

std::uint64_t planned_bytes(const WeightInfo& tensor) {
  std::uint64_t bytes = 0;
  if (!tensor_bytes(tensor.shape, tensor.dtype, bytes)) fail("tensor \"", tensor.name, "\" is too large");
  return bytes;
}

}  // namespace

void GgufFields::put(std::string_view key, std::string value) {
  const auto at = std::find_if(entries_.begin(), entries_.end(), [key](const Entry& e) { return e.key == key; });
  if (at != entries_.end()) {
    at->value = std::move(value);
  } else {
    entries_.push_back({std::string(key), std::move(value)});
  }
}

template <typename T>
void GgufFields::add(std::string_view key, T value) {
  std::string out;
  append_type(out, type_of<T>());
  append_value(out, value);
  put(key, std::move(out));
}

template <typename T>
void GgufFields::add_array(std::string_view key, std::span<const T> values) {
  std::string out;
  append_type(out, GgufType::array);
  append_type(out, type_of<T>());
  append_value<std::uint64_t>(out, values.size());
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  put(key, std::move(out));
}

template void GgufFields::add(std::string_view, bool);
template void GgufFields::add(std::string_view, std::uint8_t);
template void GgufFields::add(std::string_view, std::int8_t);
template void GgufFields::add(std::string_view, std::uint16_t);
template void GgufFields::add(std::string_view, std::int16_t);
template void GgufFields::add(std::string_view, std::uint32_t);
template void GgufFields::add(std::string_view, std::int32_t);
template void GgufFields::add(std::string_view, std::uint64_t);
template void GgufFields::add(std::string_view, std::int64_t);
template void GgufFields::add(std::string_view, float);
template void GgufFields::add(std::string_view, double);
template void GgufFields::add_array(std::string_view, std::span<const bool>);
template void GgufFields::add_array(std::string_view, std::span<const std::uint8_t>);
template void GgufFields::add_array(std::string_view, std::span<const std::int8_t>);
template void GgufFields::add_array(std::string_view, std::span<const std::uint16_t>);
template void GgufFields::add_array(std::string_view, std::span<const std::int16_t>);
template void GgufFields::add_array(std::string_view, std::span<const std::uint32_t>);
template void GgufFields::add_array(std::string_view, std::span<const std::int32_t>);
template void GgufFields::add_array(std::string_view, std::span<const std::uint64_t>);
template void GgufFields::add_array(std::string_view, std::span<const std::int64_t>);
template void GgufFields::add_array(std::string_view, std::span<const float>);
template void GgufFields::add_array(std::string_view, std::span<const double>);

void GgufFields::add_text(std::string_view key, std::string_view value) {
  std::string out;
  append_type(out, GgufType::text);
  append_text(out, value);
  put(key, std::move(out));
}

void GgufFields::add_texts(std::string_view key, std::span<const std::string_view> values) {
  std::string out;
  append_type(out, GgufType::array);
  append_type(out, GgufType::text);
  append_value<std::uint64_t>(out, values.size());
  for (const std::string_view value : values) append_text(out, value);
  put(key, std::move(out));
}

void GgufFields::add(const GgufField& field) {
  std::string out;
  if (field.is_array) append_type(out, GgufType::array);
  append_type(out, field.type);
  if (field.is_array) append_value<std::uint64_t>(out, field.count);
  out.append(reinterpret_cast<const char*>(field.bytes.data()), field.bytes.size());
  put(field.key, std::move(out));
}

void GgufFields::remove(std::string_view key) {
  std::erase_if(entries_, [key](const Entry& entry) { return entry.key == key; });
}

std::string GgufFields::encode() const {
  std::string out;
  for (const Entry& entry : entries_) {
    append_text(out, entry.key);
    out += entry.value;
  }
  return out;
}

std::uint32_t GgufFields::alignment() const {
  for (const Entry& entry : entries_) {
    if (entry.key != "general.alignment") continue;
    std::uint32_t parts[2] = {0, 0};
    if (entry.value.size() == sizeof parts) std::memcpy(parts, entry.value.data(), sizeof parts);
    if (parts[0] != static_cast<std::uint32_t>(GgufType::uint32) || !std::has_single_bit(parts[1])) {
      fail("general.alignment must be a u32 and a power of two");
    }
    return parts[1];
  }
  return 32;
}

std::string gguf_header(const GgufFields& fields, const std::vector<WeightInfo>& tensors) {
  const std::uint32_t alignment = fields.alignment();
  std::string out = "GGUF";
  append_value<std::uint32_t>(out, 3);
  append_value<std::uint64_t>(out, tensors.size());
  append_value<std::uint64_t>(out, fields.size());
  out += fields.encode();
  std::uint64_t offset = 0;
  std::vector<std::string_view> names;
  for (const WeightInfo& tensor : tensors) {
    const Shape& shape = tensor.shape;
    if (tensor.dtype->gguf_id < 0) fail("GGUF has no type for ", tensor.dtype->name, " (tensor \"", tensor.name, "\")");
    if (tensor.name.empty()) fail("GGUF cannot hold a tensor without a name");
    if (shape.rank() > 4) fail("GGUF cannot hold tensor \"", tensor.name, "\" of more than four dimensions");
    if (tensor.dtype.is_block() && (shape.rank() == 0 || shape[-1] % tensor.dtype->block != 0)) {
      fail("tensor \"", tensor.name, "\" of shape ", shape.str(), " has rows of broken ", tensor.dtype->name,
           " blocks");
    }
    append_text(out, tensor.name);
    append_value<std::uint32_t>(out, static_cast<std::uint32_t>(shape.rank()));
    for (int d = shape.rank() - 1; d >= 0; --d) {
      if (shape[d] <= 0) fail("GGUF cannot hold tensor \"", tensor.name, "\" of shape ", shape.str());
      append_value<std::uint64_t>(out, static_cast<std::uint64_t>(shape[d]));
    }
    append_value<std::uint32_t>(out, static_cast<std::uint32_t>(tensor.dtype->gguf_id));
    append_value<std::uint64_t>(out, offset);
    offset += planned_bytes(tensor);
    offset += padding(offset, alignment);
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin != names.end()) fail("cannot save two tensors named \"", *twin, "\"");
  // A file without tensors has no data, so nothing to align.
  if (!tensors.empty()) out.resize(out.size() + padding(out.size(), alignment), '\0');
  return out;
}

GgufWriter::GgufWriter(const std::string& path, const GgufFields& fields, std::vector<WeightInfo> tensors)
    : tensors_(std::move(tensors)), alignment_(fields.alignment()) {
  const std::string header = gguf_header(fields, tensors_);
  file_ = std::make_unique<DurableFile>(path);
  file_->write(header);
  next();
}

GgufWriter::~GgufWriter() = default;

void GgufWriter::next() {
  while (current_ < tensors_.size() && left_ == 0) left_ = planned_bytes(tensors_[current_++]);
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  check(bytes.size() <= left_, "GgufWriter: more bytes than the tensor has");
  file_->write(bytes);
  left_ -= bytes.size();
  if (left_ == 0) {
    file_->write_zeros(padding(file_->written(), alignment_));
    next();
  }
}

void GgufWriter::commit() {
  check(left_ == 0 && current_ == tensors_.size(), "GgufWriter: not all tensors were written");
  file_->commit();
}

}  // namespace tashika
