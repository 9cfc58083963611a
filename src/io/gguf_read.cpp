#include "io/gguf_read.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/reader.h"
#include "base/utf8.h"
#include "quant/formats.h"

namespace tashika {

namespace {

// Far above any real file (some thousand tensors, some hundred pairs): they bound what the tables can take.
constexpr std::uint64_t max_fields = 65'536;
constexpr std::uint64_t max_tensors = 262'144;
constexpr std::uint64_t max_key = 65'535;  // the format's own limit
constexpr std::uint64_t max_dims = 4;      // the format's own limit

// Types that ggml has (or had) and this engine does not, so that a message can name them.
struct ForeignType {
  std::uint32_t id;
  std::string_view name;
};
constexpr ForeignType foreign_types[] = {
    {4, "q4_2"},      {5, "q4_3"},      {9, "q8_1"},   {15, "q8_k"},  {16, "iq2_xxs"}, {17, "iq2_xs"},
    {18, "iq3_xxs"},  {19, "iq1_s"},    {21, "iq3_s"}, {22, "iq2_s"}, {29, "iq1_m"},   {31, "q4_0_4_4"},
    {32, "q4_0_4_8"}, {33, "q4_0_8_8"}, {34, "tq1_0"}, {35, "tq2_0"}, {39, "mxfp4"}};

std::string_view foreign_type_name(std::uint32_t id) {
  for (const ForeignType& type : foreign_types) {
    if (type.id == id) return type.name;
  }
  return "unknown";
}

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& what) : in_(bytes, what), file_size_(bytes.size()) {}

  GgufContents parse() {
    read_header();
    read_fields();
    read_alignment();
    read_tensors();
    place_tensors();
    return std::move(out_);
  }

 private:
  void read_header() {
    if (in_.remaining() < 4 || in_.take_text(4, "magic") != "GGUF") {
      in_.fail_at(0, "magic", "is not \"GGUF\": this is no GGUF file");
    }
    const auto version = in_.read<std::uint32_t>("version");
    if (version != 0 && (version & 0xffffu) == 0) {
      in_.fail_at(4, "version",
                  cat("is ", __builtin_bswap32(version),
                      " in big-endian order; only little-endian GGUF is supported: convert the model again on (or for) "
                      "a little-endian machine"));
    }
    if (version < 2 || version > 3) {
      in_.fail_at(4, "version",
                  cat("is ", version, "; versions 2 and 3 are supported",
                      version < 2 ? ": convert the model again with a current converter" : ""));
    }
    tensor_count_ = in_.read<std::uint64_t>("tensor count");
    const std::uint64_t at = in_.offset();
    field_count_ = in_.read<std::uint64_t>("pair count");
    // A tensor info has at least 24 bytes (name length, dimensions, type, offset), a pair 13.
    if (tensor_count_ > max_tensors || tensor_count_ > in_.remaining() / 24) {
      in_.fail_at(at - 8, "tensor count", cat("is ", tensor_count_, ", more than the file can hold"));
    }
    if (field_count_ > max_fields || field_count_ > in_.remaining() / 13) {
      in_.fail_at(at, "pair count", cat("is ", field_count_, ", more than the file can hold"));
    }
  }

  // A string whose bytes are checked to be UTF-8.
  std::string_view read_name(const std::string& field, std::uint64_t limit) {
    const std::uint64_t at = in_.offset();
    const auto length = in_.read<std::uint64_t>(field + " length");
    if (length > limit) in_.fail_at(at, field + " length", cat("is ", length, ", more than ", limit));
    const std::string_view text = in_.take_text(length, field);
    const std::size_t bad = find_invalid_utf8(text);
    if (bad != text.npos) in_.fail_at(at + 8 + bad, field, "is not valid UTF-8");
    return text;
  }

  void read_fields() {
    out_.fields.reserve(static_cast<std::size_t>(field_count_));
    for (std::uint64_t i = 0; i < field_count_; ++i) {
      GgufField field;
      const std::uint64_t at = in_.offset();
      field.key = read_name(cat("key ", i), max_key);
      if (field.key.empty()) in_.fail_at(at, cat("key ", i), "is empty");
      field.type = read_type(field.key);
      if (field.type == GgufType::array) {
        field.is_array = true;
        const std::uint64_t type_at = in_.offset();
        field.type = read_type(field.key);
        if (field.type == GgufType::array)
          in_.fail_at(type_at, field.key, "is an array of arrays, which is not supported");
        field.count = in_.read<std::uint64_t>(field.key);
      }
      field.bytes = read_values(field);
      out_.fields.push_back(field);
    }
    std::vector<std::string_view> keys;
    keys.reserve(out_.fields.size());
    for (const GgufField& field : out_.fields) keys.push_back(field.key);
    std::sort(keys.begin(), keys.end());
    const auto twin = std::adjacent_find(keys.begin(), keys.end());
    if (twin != keys.end()) fail(in_.what(), ": key \"", printable(*twin), "\" appears twice");
  }

  GgufType read_type(std::string_view key) {
    const std::uint64_t at = in_.offset();
    const auto type = in_.read<std::uint32_t>(key);
    if (type > static_cast<std::uint32_t>(GgufType::float64))
      in_.fail_at(at, key, cat("has the unknown value type ", type));
    return static_cast<GgufType>(type);
  }

  std::span<const std::byte> read_values(const GgufField& field) {
    const std::uint64_t begin = in_.offset();
    if (field.type == GgufType::text) {
      in_.expect_items(field.count, 8, field.key);
      ByteReader walk = in_;
      for (std::uint64_t i = 0; i < field.count; ++i) walk.take(walk.read<std::uint64_t>(field.key), field.key);
      return in_.take(walk.offset() - begin, field.key);
    }
    const std::uint64_t size = gguf_type_bytes(field.type);
    in_.expect_items(field.count, size, field.key);
    const auto bytes = in_.take(field.count * size, field.key);
    if (field.type == GgufType::truth) {
      const auto bad = std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; });
      if (bad != bytes.end()) {
        in_.fail_at(begin + static_cast<std::uint64_t>(bad - bytes.begin()), field.key,
                    cat("is a bool of value ", static_cast<int>(*bad)));
      }
    }
    return bytes;
  }

  void read_alignment() {
    for (const GgufField& field : out_.fields) {
      if (field.key != "general.alignment") continue;
      if (field.is_array || field.type != GgufType::uint32) fail(in_.what(), ": general.alignment is no u32");
      std::memcpy(&out_.alignment, field.bytes.data(), sizeof out_.alignment);
      if (!std::has_single_bit(out_.alignment)) {
        fail(in_.what(), ": general.alignment is ", out_.alignment, ", not a power of two");
      }
    }
  }

  void read_tensors() {
    out_.tensors.reserve(static_cast<std::size_t>(tensor_count_));
    out_.ranges.reserve(static_cast<std::size_t>(tensor_count_));
    for (std::uint64_t i = 0; i < tensor_count_; ++i) {
      const std::uint64_t at = in_.offset();
      const std::string_view name = read_name(cat("tensor ", i, " name"), max_key);
      if (name.empty()) in_.fail_at(at, cat("tensor ", i, " name"), "is empty");
      const std::string field = cat("tensor \"", printable(name), "\"");
      const std::uint64_t dims_at = in_.offset();
      const auto dims = in_.read<std::uint32_t>(field);
      if (dims > max_dims) in_.fail_at(dims_at, field, cat("has ", dims, " dimensions, more than ", max_dims));
      std::int64_t reversed[max_dims];
      for (std::uint32_t d = 0; d < dims; ++d) {
        const std::uint64_t dim_at = in_.offset();
        const auto dim = in_.read<std::uint64_t>(field);
        if (dim == 0 || dim > INT64_MAX) in_.fail_at(dim_at, field, cat("has a dimension of ", dim));
        reversed[dims - 1 - d] = static_cast<std::int64_t>(dim);
      }
      const Shape shape(std::span<const std::int64_t>(reversed, dims));
      const std::uint64_t type_at = in_.offset();
      const auto type = in_.read<std::uint32_t>(field);
      const DType dtype = find_gguf_dtype(type);
      if (!dtype) {
        in_.fail_at(type_at, field,
                    cat("has the unsupported type ", type, " (", foreign_type_name(type),
                        "); supported: ", gguf_dtype_names()));
      }
      if (dtype.is_block() && (dims == 0 || shape[-1] % dtype->block != 0)) {
        in_.fail_at(dims_at, field,
                    cat("has rows of ", dims == 0 ? 1 : shape[-1], " elements, not a whole number of ", dtype->name,
                        " blocks of ", dtype->block));
      }
      std::uint64_t size = 0;
      if (!tensor_bytes(shape, dtype, size))
        in_.fail_at(dims_at, field, cat("of shape ", shape.str(), " has too many elements"));
      const std::uint64_t offset_at = in_.offset();
      const auto offset = in_.read<std::uint64_t>(field);
      if (offset % out_.alignment != 0) {
        in_.fail_at(offset_at, field, cat("has offset ", offset, ", not a multiple of the alignment ", out_.alignment));
      }
      out_.tensors.push_back({std::string(name), dtype, shape});
      out_.ranges.push_back({offset, size});
    }
  }

  void place_tensors() {
    if (out_.tensors.empty()) return;
    const std::uint64_t alignment = out_.alignment;
    const std::uint64_t data = (in_.offset() + alignment - 1) / alignment * alignment;
    const std::uint64_t available = data > file_size_ ? 0 : file_size_ - data;
    for (std::size_t i = 0; i < out_.tensors.size(); ++i) {
      GgufRange& range = out_.ranges[i];
      const auto end = checked_add(range.begin, range.size);
      if (!end || *end > available) {
        fail(in_.what(), ": tensor \"", printable(out_.tensors[i].name), "\" has ", range.size,
             " bytes at data offset ", range.begin, ", beyond the ", available,
             " bytes of data: the file is cut short");
      }
      range.begin += data;
    }
    std::vector<std::uint32_t> order(out_.ranges.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
      return std::pair(out_.ranges[a].begin, a) < std::pair(out_.ranges[b].begin, b);
    });
    for (std::size_t i = 1; i < order.size(); ++i) {
      const GgufRange& before = out_.ranges[order[i - 1]];
      if (before.begin + before.size > out_.ranges[order[i]].begin) {
        fail(in_.what(), ": tensors \"", printable(out_.tensors[order[i - 1]].name), "\" and \"",
             printable(out_.tensors[order[i]].name), "\" overlap at byte ", out_.ranges[order[i]].begin);
      }
    }
  }

  ByteReader in_;
  std::uint64_t file_size_;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t field_count_ = 0;
  GgufContents out_;
};

}  // namespace

GgufContents read_gguf(std::span<const std::byte> bytes, const std::string& what) {
  return Parser(bytes, what).parse();
}

}  // namespace tashika
