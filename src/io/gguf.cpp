#include "io/gguf.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "io/gguf_read.h"

namespace tashika {

namespace {

template <typename T>
T value_at(std::span<const std::byte> bytes, std::uint64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

Json number(const GgufField& field, std::uint64_t index) {
  switch (field.type) {
    case GgufType::uint8:
      return static_cast<std::int64_t>(value_at<std::uint8_t>(field.bytes, index));
    case GgufType::int8:
      return static_cast<std::int64_t>(value_at<std::int8_t>(field.bytes, index));
    case GgufType::uint16:
      return static_cast<std::int64_t>(value_at<std::uint16_t>(field.bytes, index));
    case GgufType::int16:
      return static_cast<std::int64_t>(value_at<std::int16_t>(field.bytes, index));
    case GgufType::uint32:
      return static_cast<std::int64_t>(value_at<std::uint32_t>(field.bytes, index));
    case GgufType::int32:
      return static_cast<std::int64_t>(value_at<std::int32_t>(field.bytes, index));
    case GgufType::int64:
      return value_at<std::int64_t>(field.bytes, index);
    case GgufType::uint64: {
      const auto value = value_at<std::uint64_t>(field.bytes, index);
      if (value > INT64_MAX) return static_cast<double>(value);
      return static_cast<std::int64_t>(value);
    }
    case GgufType::float32:
      return static_cast<double>(value_at<float>(field.bytes, index));
    case GgufType::float64:
      return value_at<double>(field.bytes, index);
    case GgufType::truth:
      return value_at<std::uint8_t>(field.bytes, index) != 0;
    case GgufType::text:
    case GgufType::array:
      break;
  }
  return nullptr;
}

std::string valid_text(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    if (c.valid) {
      out.append(text.substr(i, static_cast<std::size_t>(c.size)));
    } else {
      append_utf8(out, 0xFFFD);
    }
    i += static_cast<std::size_t>(c.size);
  }
  return out;
}

// The strings of a text field; their lengths were checked when the file was opened.
template <typename Visit>
void walk_texts(const GgufField& field, const Visit& visit) {
  const char* at = reinterpret_cast<const char*>(field.bytes.data());
  for (std::uint64_t i = 0; i < field.count; ++i) {
    std::uint64_t length;
    std::memcpy(&length, at, sizeof length);
    visit(std::string_view(at + sizeof length, static_cast<std::size_t>(length)));
    at += sizeof length + length;
  }
}

Json value_of(const GgufField& field) {
  JsonArray values;
  if (field.type == GgufType::text) {
    walk_texts(field, [&](std::string_view text) { values.emplace_back(valid_text(text)); });
  } else {
    values.reserve(static_cast<std::size_t>(field.count));
    for (std::uint64_t i = 0; i < field.count; ++i) values.push_back(number(field, i));
  }
  if (field.is_array) return values;
  return std::move(values.front());
}

// "dir/name-00002-of-00005.gguf": the part's number and count, or zeros.
struct SplitName {
  std::uint32_t number = 0;
  std::uint32_t count = 0;
  std::string_view prefix;
};

SplitName split_name(std::string_view path) {
  constexpr std::string_view pattern = "-00000-of-00000.gguf";
  if (path.size() <= pattern.size()) return {};
  const std::string_view tail = path.substr(path.size() - pattern.size());
  const auto digits = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 5; ++i) {
      if (tail[i] < '0' || tail[i] > '9') return 0u;
      value = value * 10 + static_cast<std::uint32_t>(tail[i] - '0');
    }
    return value;
  };
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || tail.substr(15) != ".gguf") return {};
  return {digits(1), digits(10), path.substr(0, path.size() - pattern.size())};
}

std::string split_path(std::string_view prefix, std::uint32_t part, std::uint32_t count) {
  const auto five = [](std::uint32_t value) {
    const std::string digits = std::to_string(value);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  return cat(prefix, "-", five(part), "-of-", five(count), ".gguf");
}

// The whole number under `key`; `missing` when there is none.
std::int64_t whole_number(const std::vector<GgufField>& fields, std::string_view key, std::int64_t missing) {
  for (const GgufField& field : fields) {
    if (field.key != key || field.is_array) continue;
    const Json value = value_of(field);
    if (value.is_integer()) return value.as_integer();
  }
  return missing;
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  constexpr std::string_view names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
  const auto index = static_cast<std::size_t>(type);
  return index < std::size(names) ? names[index] : "unknown";
}

std::uint64_t gguf_type_bytes(GgufType type) {
  constexpr std::uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  const auto index = static_cast<std::size_t>(type);
  return index < std::size(sizes) ? sizes[index] : 0;
}

void Gguf::add_part(GgufContents contents, std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                    const std::string& what) {
  const std::size_t first = infos_.size();
  if (parts_.empty()) {
    fields_ = std::move(contents.fields);
    alignment_ = contents.alignment;
    infos_ = std::move(contents.tensors);
  } else {
    infos_.insert(infos_.end(), std::make_move_iterator(contents.tensors.begin()),
                  std::make_move_iterator(contents.tensors.end()));
  }
  for (const GgufRange& range : contents.ranges) ranges_.push_back({range.begin, range.size});
  parts_.push_back({what, bytes, std::move(owner), first});
}

std::unique_ptr<Gguf> Gguf::parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                  std::string what) {
  std::unique_ptr<Gguf> out(new Gguf);
  out->origin_ = std::move(what);
  out->add_part(read_gguf(bytes, out->origin_), bytes, std::move(owner), out->origin_);
  out->index_names();
  return out;
}

std::unique_ptr<Gguf> Gguf::open(const std::string& path) {
  const SplitName name = split_name(path);
  // Whatever part was named, the first one has the facts.
  const bool has_first = name.number > 1 && file_type(split_path(name.prefix, 1, name.count)) != FileType::none;
  const std::string first = has_first ? split_path(name.prefix, 1, name.count) : path;
  std::unique_ptr<Gguf> out(new Gguf);
  out->origin_ = first;
  std::vector<std::shared_ptr<const MappedFile>> mapped{MappedFile::open(first)};
  out->add_part(read_gguf(mapped[0]->bytes(), first), mapped[0]->bytes(), mapped[0], first);

  const std::int64_t count = whole_number(out->fields_, "split.count", 1);
  const std::int64_t number = whole_number(out->fields_, "split.no", 0);
  if (count > 1) {
    if (number != 0) fail(first, ": is part ", number + 1, " of ", count, "; part 1 must lie beside it");
    if (name.count != count) {
      fail(first, ": is the first of ", count, " parts, so its name must end as the splitting tool wrote it, in \"",
           count < 100000 ? split_path("", 1, static_cast<std::uint32_t>(count)) : "-00001-of-…", "\"");
    }
    for (std::uint32_t part = 2; part <= name.count; ++part) {
      const std::string part_path = split_path(name.prefix, part, name.count);
      mapped.push_back(MappedFile::open(part_path));
      GgufContents contents = read_gguf(mapped.back()->bytes(), part_path);
      if (whole_number(contents.fields, "split.no", -1) != part - 1 ||
          whole_number(contents.fields, "split.count", -1) != count) {
        fail(part_path, ": its split.no and split.count do not say part ", part, " of ", count);
      }
      out->add_part(std::move(contents), mapped.back()->bytes(), mapped.back(), part_path);
    }
    const std::int64_t total = whole_number(out->fields_, "split.tensors.count", -1);
    if (total >= 0 && static_cast<std::uint64_t>(total) != out->infos_.size()) {
      fail(first, ": split.tensors.count is ", total, ", the parts hold ", out->infos_.size(), " tensors");
    }
  }
  out->index_names();
  for (const auto& file : mapped) file->check_unchanged();
  return out;
}

const GgufField* Gguf::field(std::string_view key) const {
  const auto at = std::find_if(fields_.begin(), fields_.end(), [key](const GgufField& f) { return f.key == key; });
  return at == fields_.end() ? nullptr : &*at;
}

Metadata Gguf::metadata() const {
  constexpr std::uint64_t longest = 4096;
  std::uint64_t left = 131072;
  Metadata out;
  out.format = Metadata::Format::gguf;
  out.origin = origin_;
  JsonObject values;
  for (const GgufField& field : fields_) {
    if (field.is_array) {
      if (field.count > longest || field.count > left) continue;
      left -= field.count;
    }
    values[field.key] = value_of(field);
  }
  out.values = std::move(values);
  return out;
}

const GgufField* Gguf::array(std::string_view key) const {
  const GgufField* found = field(key);
  if (!found) return nullptr;
  if (!found->is_array) fail(origin_, ": ", key, " should be an array, is one ", gguf_type_name(found->type));
  if (found->count > max_array) {
    fail_with(ErrorKind::limit, cat(origin_, ": ", key, " has ", found->count, " elements, more than ", max_array));
  }
  return found;
}

std::optional<std::vector<std::string_view>> Gguf::texts(std::string_view key) const {
  const GgufField* found = array(key);
  if (!found) return std::nullopt;
  if (found->type != GgufType::text)
    fail(origin_, ": ", key, " should hold strings, holds ", gguf_type_name(found->type));
  std::vector<std::string_view> out;
  out.reserve(static_cast<std::size_t>(found->count));
  walk_texts(*found, [&](std::string_view text) { out.push_back(text); });
  return out;
}

std::optional<std::vector<float>> Gguf::floats(std::string_view key) const {
  const GgufField* found = array(key);
  if (!found) return std::nullopt;
  if (found->type != GgufType::float32 && found->type != GgufType::float64) {
    fail(origin_, ": ", key, " should hold floats, holds ", gguf_type_name(found->type));
  }
  std::vector<float> out(static_cast<std::size_t>(found->count));
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = found->type == GgufType::float32 ? value_at<float>(found->bytes, i)
                                              : static_cast<float>(value_at<double>(found->bytes, i));
  }
  return out;
}

std::optional<std::vector<std::int64_t>> Gguf::integers(std::string_view key) const {
  const GgufField* found = array(key);
  if (!found) return std::nullopt;
  std::vector<std::int64_t> out(static_cast<std::size_t>(found->count));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Json value = number(*found, i);
    if (value.is_bool()) {
      out[i] = value.as_bool();
    } else if (value.is_integer()) {
      out[i] = value.as_integer();
    } else {
      fail(origin_, ": ", key, " should hold integers below 2^63, holds ", gguf_type_name(found->type));
    }
  }
  return out;
}

}  // namespace tashika
