#include "io/safetensors.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/json_cursor.h"
#include "base/reader.h"
#include "quant/formats.h"

namespace tashika {

namespace {

constexpr std::uint64_t max_header = 100'000'000;
constexpr std::string_view metadata_key = "__metadata__";

std::string safetensors_dtype_names() {
  std::string out;
  for (const DTypeInfo* info : plain_dtypes()) {
    if (!info->safetensors_name.empty()) out += cat(out.empty() ? "" : ", ", info->safetensors_name);
  }
  return out;
}

struct Entry {
  DType dtype;
  Shape shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// The value of one tensor's member of the header. Fields beyond the three known ones are ignored, as the reference
// does.
Entry read_entry(JsonCursor& in, std::string_view name) {
  Entry entry;
  bool has_dtype = false, has_shape = false, has_offsets = false;
  const auto once = [&](bool& seen, const char* field) {
    if (seen) in.fail_here(cat("tensor \"", printable(name), "\" has two fields \"", field, "\""));
    seen = true;
  };
  in.begin_object();
  while (in.next_member()) {
    if (in.key() == "dtype") {
      once(has_dtype, "dtype");
      const std::string_view dtype = in.string();
      entry.dtype = find_safetensors_dtype(dtype);
      if (!entry.dtype) {
        in.fail_here(cat("tensor \"", printable(name), "\" has the unknown dtype \"", printable(dtype),
                         "\" (known: ", safetensors_dtype_names(), ")"));
      }
    } else if (in.key() == "shape") {
      once(has_shape, "shape");
      in.begin_array();
      while (in.next_element()) {
        const std::uint64_t dim = in.unsigned_integer();
        if (dim > INT64_MAX) in.fail_here(cat("tensor \"", printable(name), "\" has a dimension beyond 2^63"));
        if (entry.shape.rank() == Shape::max_rank) {
          in.fail_here(cat("tensor \"", printable(name), "\" has more than ", Shape::max_rank, " dimensions"));
        }
        entry.shape.push_back(static_cast<std::int64_t>(dim));
      }
    } else if (in.key() == "data_offsets") {
      once(has_offsets, "data_offsets");
      in.begin_array();
      int count = 0;
      while (in.next_element()) {
        const std::uint64_t value = in.unsigned_integer();
        if (count == 0) entry.begin = value;
        if (count == 1) entry.end = value;
        if (++count > 2) break;
      }
      if (count != 2) in.fail_here(cat("tensor \"", printable(name), "\" has data_offsets that are not two numbers"));
    } else {
      in.skip_value();
    }
  }
  for (const auto& [seen, field] :
       {std::pair(has_dtype, "dtype"), {has_shape, "shape"}, {has_offsets, "data_offsets"}}) {
    if (!seen) in.fail_here(cat("tensor \"", printable(name), "\" has no field \"", field, "\""));
  }
  return entry;
}

std::vector<std::pair<std::string, std::string>> read_metadata(JsonCursor& in) {
  std::vector<std::pair<std::string, std::string>> out;
  in.begin_object();
  while (in.next_member()) {
    std::string key(in.key());
    out.emplace_back(std::move(key), in.string());
  }
  return out;
}

std::size_t count_tensors(std::string_view header, const std::string& what) {
  JsonCursor in(header, what);
  std::size_t count = 0;
  in.begin_object();
  while (in.next_member()) {
    count += in.key() != metadata_key;
    in.skip_value();
  }
  in.finish();
  return count;
}

}  // namespace

void Safetensors::add_part(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                           const std::string& what) {
  ByteReader file(bytes, what);
  const auto length = file.read<std::uint64_t>("header length");
  if (length > max_header) {
    file.fail_at(
        0, "header length",
        cat(length, " is beyond the format's limit of ", max_header, ": not a safetensors file, or a damaged one"));
  }
  if (length > file.remaining()) {
    file.fail_at(
        0, "header length",
        cat(length, ", but only ", file.remaining(), " bytes follow: the file is cut short or no safetensors file"));
  }
  const std::string_view header = file.take_text(length, "header");
  if (!header.starts_with('{')) file.fail_at(8, "header", "does not start with '{'");
  const std::uint64_t data_begin = file.offset();
  const std::uint64_t data_size = file.remaining();

  // Counted first, so that the tables are allocated once and at their exact size.
  const std::string where = what + ": header";
  const std::size_t count = count_tensors(header, where);
  const std::size_t first = infos_.size();
  infos_.reserve(first + count);
  ranges_.reserve(first + count);
  parts_.push_back({what, bytes, std::move(owner), first});

  JsonCursor in(header, where);
  bool has_metadata = false;
  in.begin_object();
  while (in.next_member()) {
    if (in.key() == metadata_key) {
      if (has_metadata) in.fail_here("\"__metadata__\" appears twice");
      has_metadata = true;
      auto metadata = read_metadata(in);
      if (parts_.size() == 1) metadata_ = std::move(metadata);
      continue;
    }
    std::string name(in.key());
    const Entry entry = read_entry(in, name);
    if (entry.dtype.is_block() && (entry.shape.rank() == 0 || entry.shape[-1] % entry.dtype->block != 0)) {
      in.fail_here(cat("tensor \"", printable(name), "\" of ", entry.dtype->safetensors_name, entry.shape.str(),
                       " has rows that are no whole bytes"));
    }
    std::uint64_t size = 0;
    if (!tensor_bytes(entry.shape, entry.dtype, size)) {
      in.fail_here(cat("tensor \"", printable(name), "\" of shape ", entry.shape.str(), " has too many elements"));
    }
    if (entry.end < entry.begin || entry.end > data_size) {
      in.fail_here(cat("tensor \"", printable(name), "\" has data_offsets [", entry.begin, ", ", entry.end,
                       "] outside the ", data_size, " bytes of data"));
    }
    if (entry.end - entry.begin != size) {
      in.fail_here(cat("tensor \"", printable(name), "\" of ", entry.dtype->safetensors_name, entry.shape.str(),
                       " needs ", size, " bytes, its data_offsets give ", entry.end - entry.begin));
    }
    infos_.push_back({std::move(name), entry.dtype, entry.shape});
    ranges_.push_back({data_begin + entry.begin, size});
  }

  // In order of their offsets the ranges must tile the data exactly.
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), static_cast<std::uint32_t>(first));
  std::sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
    return std::pair(ranges_[a].begin, ranges_[a].size) < std::pair(ranges_[b].begin, ranges_[b].size);
  });
  std::uint64_t expected = data_begin;
  for (const std::uint32_t i : order) {
    const std::uint64_t begin = ranges_[i].begin;
    if (begin != expected) {
      fail(what, ": tensor \"", printable(infos_[i].name), "\" starts at data byte ", begin - data_begin, ", ",
           begin < expected ? "inside the tensor before it, which ends at "
                            : "leaving a gap after the one before it, which ends at ",
           expected - data_begin);
    }
    expected = begin + ranges_[i].size;
  }
  if (expected != data_begin + data_size) {
    fail(what, ": ", data_begin + data_size - expected, " bytes follow the last tensor (data byte ",
         expected - data_begin, ")");
  }
}

std::unique_ptr<Safetensors> Safetensors::parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                                std::string what) {
  std::unique_ptr<Safetensors> out(new Safetensors);
  out->origin_ = std::move(what);
  out->add_part(bytes, std::move(owner), out->origin_);
  out->index_names();
  return out;
}

}  // namespace tashika
